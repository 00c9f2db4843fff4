// Package archive opens a ZIP file that somebody uploaded, decides whether it
// may be unpacked, and unpacks it.
//
// An upload is hostile until shown otherwise: Open reads the directory of the
// archive and refuses names and links that lead out of the tree, devices,
// entries whose data overlap, and sizes over the limits; Unpack then writes no
// more than what Open counted, through an os.Root, so that nothing lands
// outside its folder even if a check were wrong.
//
// What an archive's entries mean follows AWS Lambda:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-zip.html
//
//   - Permission bits of files are kept as the archive has them. A file without
//     read permission for others is unpacked like that, and the function fails
//     with a permission error when it reads it, as on Lambda. Set-user-ID,
//     set-group-ID and sticky bits are dropped.
//   - Entries without Unix permissions (archives made on Windows, or by writers
//     that leave the field zero) become 0644, folders 0755.
//   - Folders always get at least 0755, so that a tree can be walked and removed.
//   - Of several files with one name the last wins, as with unzip -o; jar files
//     have such duplicates.
package archive

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
)

// Limits bound what an archive may hold.
type Limits struct {
	// Unzipped is the largest sum, in bytes, of the sizes of all entries.
	Unzipped int64
	// Entries is the largest number of files, links and folders together, the
	// folders that names merely imply included.
	Entries int
}

// Lambda are the limits of a Lambda deployment package: 250 MB unzipped
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
// AWS states no number of entries; ours only keeps one upload from using up a
// file system's inodes.
var Lambda = Limits{Unzipped: 262144000, Entries: 200_000}

const (
	// maxComponent is NAME_MAX of Linux and macOS file systems.
	maxComponent = 255
	// maxPath leaves room for the folder in front of it within PATH_MAX.
	maxPath = 1024
	// maxDepth bounds what walking to an entry costs.
	maxDepth = 128
	// maxTarget bounds a symbolic link's target.
	maxTarget = 1024
)

// Kind says why an archive was refused, as far as an API tells the difference.
type Kind uint8

const (
	Corrupt  Kind = iota // not a ZIP, or damaged
	Empty                // holds nothing
	TooLarge             // unzipped size over the limit
	Unsafe               // readable, but not to be unpacked: Detail says why
)

// Error says that an archive is not acceptable; the sender is at fault.
type Error struct {
	Kind   Kind
	Entry  string // the entry's name, quoted where it is shown; may be empty
	Detail string
	Err    error // the cause, or nil
}

func (e *Error) Error() string {
	s := "archive: " + e.Reason()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Reason is what is wrong in words for whoever made the archive, without the
// cause below it.
func (e *Error) Reason() string {
	if e.Entry != "" {
		return quote(e.Entry) + ": " + e.Detail
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Archive is a ZIP file that passed every check that its directory allows.
type Archive struct {
	// UnzippedSize is the sum of the entries' sizes in bytes. Unpack fails
	// rather than write more.
	UnzippedSize int64

	in      *faultReader
	entries map[string]*entry // by cleaned path
	order   []string          // paths of entries, sorted: parents first
}

type entry struct {
	path   string
	file   *zip.File // nil for a folder that names merely imply
	mode   fs.FileMode
	target string // of a symbolic link
	placed bool   // a folder whose parents are all among the entries
}

// Open checks the ZIP in r, which is size bytes long, and returns it ready to
// be unpacked. r must stay readable until then. The error of an archive that is
// refused is an *Error; any other comes from r.
//
// Damage within an entry's compressed data only shows in Unpack.
func Open(r io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	if size == 0 {
		return nil, &Error{Kind: Empty, Detail: "no bytes"}
	}
	in := &faultReader{r: r}
	if err := boundDirectory(in, size, limits.Entries); err != nil {
		return nil, err
	}
	zr, err := zip.NewReader(in, size)
	if in.err != nil {
		return nil, in.err
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, &Error{Kind: Corrupt, Detail: "not a ZIP archive", Err: err}
	}
	if len(zr.File) == 0 {
		return nil, &Error{Kind: Empty, Detail: "no entries"}
	}
	a := &Archive{in: in, entries: make(map[string]*entry, len(zr.File))}
	if err := a.collect(zr.File, limits); err != nil {
		return nil, in.or(err)
	}
	if err := checkOverlap(zr.File, size); err != nil {
		return nil, in.or(err)
	}
	if err := a.readLinks(); err != nil {
		return nil, in.or(err)
	}
	if err := a.checkTree(limits.Entries); err != nil {
		return nil, err
	}
	return a, nil
}

// faultReader remembers an error of the reader below it, so that an I/O fault
// of ours is not taken for a damaged archive.
type faultReader struct {
	r   io.ReaderAt
	err error
}

func (f *faultReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, io.ErrUnexpectedEOF // an offset that the archive made up
	}
	n, err := f.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && f.err == nil {
		f.err = err
	}
	return n, err
}

func (f *faultReader) or(err error) error {
	if f.err != nil {
		return f.err
	}
	return err
}
