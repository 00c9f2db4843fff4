package archive

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// boundDirectory refuses an archive with more directory records than limit
// before archive/zip makes a value for each: records may be as small as 47
// bytes, and the count in the archive's end record need not be true. Bytes that
// look like a record but stand in some entry's data are counted too, which only
// matters to archives near the limit.
func boundDirectory(r io.ReaderAt, size int64, limit int) error {
	const overlap = 3
	sig := []byte("PK\x01\x02")
	buf := make([]byte, min(size, 256<<10)+overlap)
	count, kept := 0, 0
	for off := int64(0); off < size; {
		n, err := r.ReadAt(buf[kept:kept+int(min(size-off, int64(len(buf)-kept)))], off)
		if n == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		off += int64(n)
		part := buf[:kept+n]
		if count += bytes.Count(part, sig); count > limit {
			return &Error{Kind: Unsafe, Detail: fmt.Sprintf("more than %d entries", limit)}
		}
		kept = copy(buf, part[max(0, len(part)-overlap):])
	}
	return nil
}

// collect turns the directory's records into entries by cleaned path.
func (a *Archive) collect(files []*zip.File, limits Limits) error {
	for _, f := range files {
		name, err := cleanName(f.Name)
		if err != nil {
			return err
		}
		if f.Flags&0x1 != 0 {
			return &Error{Kind: Unsafe, Entry: f.Name, Detail: "is encrypted"}
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return &Error{Kind: Unsafe, Entry: f.Name, Detail: fmt.Sprintf("uses compression method %d; only store and deflate are supported", f.Method)}
		}
		mode, err := modeOf(f)
		if err != nil {
			return err
		}
		if !mode.IsDir() {
			// Sizes come from the archive: a sum that wraps must not pass.
			if f.UncompressedSize64 > math.MaxInt64/2 || a.UnzippedSize+int64(f.UncompressedSize64) > limits.Unzipped {
				return &Error{Kind: TooLarge, Detail: fmt.Sprintf("unzipped size is over %d bytes", limits.Unzipped)}
			}
			a.UnzippedSize += int64(f.UncompressedSize64)
			if f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64 {
				return &Error{Kind: Corrupt, Entry: f.Name, Detail: "is stored with two different sizes"}
			}
		}
		if name == "." {
			if !mode.IsDir() {
				return &Error{Kind: Unsafe, Entry: f.Name, Detail: "has no name"}
			}
			continue
		}
		if old := a.entries[name]; old != nil && old.mode.IsDir() != mode.IsDir() {
			return conflict(name)
		}
		a.entries[name] = &entry{path: name, file: f, mode: mode}
	}
	return nil
}

func conflict(name string) error {
	return &Error{Kind: Unsafe, Entry: name, Detail: "is both a folder and something else"}
}

// cleanName returns an entry's path below the root, "." for the root itself.
func cleanName(name string) (string, error) {
	bad := func(detail string) (string, error) {
		return "", &Error{Kind: Unsafe, Entry: name, Detail: detail}
	}
	switch {
	case name == "":
		return bad("an entry has no name")
	case strings.ContainsRune(name, 0):
		return bad("has a NUL character in its name")
	case strings.Contains(name, `\`):
		return bad(`has a backslash in its name; folders are separated by "/"`)
	case strings.HasPrefix(name, "/"):
		return bad("has an absolute path")
	case len(name) > maxPath:
		return bad("has too long a path")
	}
	depth := 0
	for part := range strings.SplitSeq(name, "/") {
		if depth++; depth > maxDepth {
			return bad(fmt.Sprintf("is more than %d folders deep", maxDepth))
		}
		if part == ".." {
			return bad("leads out of the archive")
		}
		if len(part) > maxComponent {
			return bad("has too long a name")
		}
	}
	return path.Clean(name), nil
}

// The high byte of CreatorVersion: the system whose attributes an entry has.
const (
	creatorUnix  = 3
	creatorMacOS = 19
)

// modeOf returns an entry's type and permissions.
func modeOf(f *zip.File) (fs.FileMode, error) {
	dir := strings.HasSuffix(f.Name, "/")
	var mode fs.FileMode
	creator := f.CreatorVersion >> 8
	if attrs := f.ExternalAttrs >> 16; (creator == creatorUnix || creator == creatorMacOS) && attrs != 0 {
		mode = f.Mode() // decodes the Unix mode in the attributes
		if attrs&0o170000 == 0 && attrs&0o777 == 0 {
			mode |= 0o644 // only special bits: no permissions were recorded
		}
	} else {
		mode = 0o644
	}
	switch t := mode.Type(); {
	case dir && (t == 0 || t == fs.ModeDir), t == fs.ModeDir:
		return fs.ModeDir | mode.Perm() | 0o755, nil
	case dir:
		return 0, conflict(f.Name)
	case t == 0:
		return mode.Perm(), nil
	case t == fs.ModeSymlink:
		return fs.ModeSymlink | 0o777, nil
	default:
		return 0, &Error{Kind: Unsafe, Entry: f.Name, Detail: "is neither a file, a folder nor a symbolic link"}
	}
}

// checkOverlap refuses entries whose data share bytes: no writer makes them,
// and they are how a small archive claims to be a huge one. Duplicates of a
// name count too: their data is never unpacked, but a tool may read it.
func checkOverlap(files []*zip.File, size int64) error {
	type span struct {
		from, to int64
		name     string
	}
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return &Error{Kind: Corrupt, Entry: f.Name, Detail: "has no readable header", Err: err}
		}
		if f.CompressedSize64 > uint64(size) || from > size-int64(f.CompressedSize64) {
			return &Error{Kind: Corrupt, Entry: f.Name, Detail: "has its data beyond the archive's end"}
		}
		// Empty entries share no bytes; their headers are still their own.
		spans = append(spans, span{from, from + int64(f.CompressedSize64), f.Name})
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return int(min(max(a.from-b.from, -1), 1))
		}
		return int(min(max(a.to-b.to, -1), 1))
	})
	for i := 1; i < len(spans); i++ {
		// Equal starts mean that two records share one local header.
		if spans[i].from < spans[i-1].to || spans[i].from == spans[i-1].from {
			return &Error{Kind: Unsafe, Entry: spans[i].name, Detail: "shares its data with another entry"}
		}
	}
	return nil
}

// readLinks reads the targets of the symbolic links.
func (a *Archive) readLinks() error {
	for _, e := range a.entries {
		if e.mode.Type() != fs.ModeSymlink {
			continue
		}
		if e.file.UncompressedSize64 > maxTarget {
			return &Error{Kind: Unsafe, Entry: e.path, Detail: "is a symbolic link with too long a target"}
		}
		rc, err := e.file.Open()
		if err != nil {
			return &Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be read", Err: err}
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			return &Error{Kind: Corrupt, Entry: e.path, Detail: "cannot be read", Err: err}
		}
		e.target = string(b)
		if e.target == "" || strings.ContainsRune(e.target, 0) {
			return &Error{Kind: Unsafe, Entry: e.path, Detail: "is a symbolic link with no valid target"}
		}
	}
	return nil
}

// checkTree adds the folders that names imply, and refuses what has a file or
// link in place of a folder, too many nodes, and links that lead out.
func (a *Archive) checkTree(limit int) error {
	for _, name := range mapKeys(a.entries) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if e := a.entries[dir]; e != nil {
				if !e.mode.IsDir() {
					return conflict(dir)
				}
				if e.placed {
					break
				}
				e.placed = true
				continue
			}
			a.entries[dir] = &entry{path: dir, mode: fs.ModeDir | 0o755, placed: true}
			if len(a.entries) > limit {
				return &Error{Kind: Unsafe, Detail: fmt.Sprintf("more than %d files and folders", limit)}
			}
		}
	}
	if len(a.entries) > limit {
		return &Error{Kind: Unsafe, Detail: fmt.Sprintf("more than %d files and folders", limit)}
	}
	for _, e := range a.entries {
		if e.mode.Type() == fs.ModeSymlink && !a.staysInside(e) {
			return &Error{Kind: Unsafe, Entry: e.path, Detail: "is a symbolic link that leads out of the archive"}
		}
	}
	a.order = mapKeys(a.entries)
	slices.Sort(a.order)
	return nil
}

// staysInside follows a link as the kernel would, through other links of the
// archive, and reports whether no step leaves the tree. Cleaning the target's
// text is not enough: "s/.." is outside where s is a link to the root.
func (a *Archive) staysInside(link *entry) bool {
	const maxSteps = 40 // links followed; Linux's own limit
	at := path.Dir(link.path)
	rest := []string{link.target}
	for steps := 0; len(rest) > 0; {
		text := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		if strings.HasPrefix(text, "/") {
			return false
		}
		part, more, found := strings.Cut(text, "/")
		if found && strings.Trim(more, "/") != "" {
			rest = append(rest, strings.TrimLeft(more, "/"))
		}
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return false
			}
			at = path.Dir(at)
			continue
		}
		at = path.Join(at, part)
		if e := a.entries[at]; e != nil && e.mode.Type() == fs.ModeSymlink {
			if steps++; steps > maxSteps {
				return false
			}
			rest = append(rest, e.target)
			at = path.Dir(at)
		}
	}
	return true
}

func mapKeys(m map[string]*entry) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// quote shows a name from an archive in a message: bounded, and without
// characters that would act on a terminal.
func quote(name string) string {
	const most = 120
	if len(name) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "…"
	}
	return strconv.Quote(name)
}
