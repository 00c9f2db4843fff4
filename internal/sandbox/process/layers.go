package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// mergedLayers makes one folder of several layers, later ones over earlier ones,
// as Lambda extracts them into /opt. A list of layers is merged once for a driver.
type mergedLayers struct {
	dir string

	mu    sync.Mutex
	known map[string]string // joined layer folders → merged folder
}

func (m *mergedLayers) folder(layers []string) (string, error) {
	key := strings.Join(layers, "\x00")
	m.mu.Lock()
	defer m.mu.Unlock()
	if folder, ok := m.known[key]; ok {
		return folder, nil
	}
	folder := filepath.Join(m.dir, strconv.Itoa(len(m.known)))
	// What a merge that failed (disk full) left behind must not show through.
	if err := removeAll(folder); err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for _, layer := range layers {
		if err := mergeInto(folder, layer); err != nil {
			return "", err
		}
	}
	if m.known == nil {
		m.known = map[string]string{}
	}
	m.known[key] = folder
	return folder, nil
}

// mergeInto puts a layer's files into folder: hard links, because symbolic links
// would be resolved to the layer's own folder by module loaders; copies where
// the file systems differ.
func mergeInto(folder, layer string) error {
	return filepath.WalkDir(layer, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(layer, path)
		if err != nil {
			return err
		}
		target := filepath.Join(folder, relative)
		present, err := os.Lstat(target)
		exists := err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if exists && !(present.IsDir() && entry.IsDir()) {
			if err := removeAll(target); err != nil {
				return err
			}
			exists = false
		}
		switch {
		case entry.IsDir() && exists:
			return nil
		case entry.IsDir():
			return os.Mkdir(target, 0o755)
		case entry.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case entry.Type().IsRegular():
			if os.Link(path, target) == nil {
				return nil
			}
			return copyFile(path, target)
		}
		return nil // a layer's archive holds no devices or sockets
	})
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
