package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// An overlayFS is a file system on top of another one that is only read: what
// is written to it is kept aside and seen by nobody else. A plan of a repair is
// that repair made on an overlay, so it cannot say anything else than what the
// repair will do.
//
// What is written goes to temporary files without a name, not to memory: a
// table that is written anew may be large. They are gone with close, or with
// the process. Locks are always had.
type overlayFS struct {
	FS

	mu    sync.Mutex // guards all below
	files map[string]*overlayNode
	dirs  map[string]bool
	nodes []*overlayNode // all there ever were
}

// An overlayNode is a file that was written to, or, with no file, a name of
// the file system below that was removed.
type overlayNode struct{ file *os.File }

func newOverlay(lower FS) *overlayFS {
	return &overlayFS{FS: lower, files: make(map[string]*overlayNode), dirs: make(map[string]bool)}
}

func (s *overlayFS) close() {
	for _, n := range s.nodes {
		n.file.Close()
	}
}

func (s *overlayFS) node() (*overlayNode, error) {
	f, err := os.CreateTemp("", "kvsh-plan-")
	if err != nil {
		return nil, err
	}
	n := &overlayNode{f}
	s.nodes = append(s.nodes, n)
	return n, os.Remove(f.Name())
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

func (s *overlayFS) Open(name string) (File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s *overlayFS) OpenFile(name string, flag int, _ fs.FileMode) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = filepath.Clean(name)
	n, known := s.files[name]
	if known && n.file != nil {
		if flag&os.O_EXCL != 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
		}
		if flag&os.O_TRUNC != 0 {
			if err := n.file.Truncate(0); err != nil {
				return nil, err
			}
		}
		return &overlayFile{File: osFile{n.file}, name: name}, nil
	}
	writing := flag&(os.O_WRONLY|os.O_RDWR) != 0
	if !known {
		_, err := s.FS.Stat(name)
		switch {
		case err == nil && flag&os.O_EXCL != 0:
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
		case err == nil && !writing:
			f, err := s.FS.Open(name)
			if err != nil {
				return nil, err
			}
			return lowerFile{f}, nil
		case err == nil:
			return s.copyUp(name, flag)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if flag&os.O_CREATE == 0 {
		return nil, notExist("open", name)
	}
	n, err := s.node()
	if err != nil {
		return nil, err
	}
	s.files[name] = n
	return &overlayFile{File: osFile{n.file}, name: name}, nil
}

// copyUp makes a file of the file system below one that can be written to.
func (s *overlayFS) copyUp(name string, flag int) (File, error) {
	n, err := s.node()
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC == 0 {
		data, err := readFileFrom(s.FS, name, 0)
		if err != nil {
			return nil, err
		}
		if _, err := n.file.WriteAt(data, 0); err != nil {
			return nil, err
		}
	}
	s.files[name] = n
	return &overlayFile{File: osFile{n.file}, name: name}, nil
}

func (s *overlayFS) Mkdir(name string, _ fs.FileMode) error {
	if _, err := s.Stat(name); err == nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[filepath.Clean(name)] = true
	return nil
}

func (s *overlayFS) Stat(name string) (fs.FileInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = filepath.Clean(name)
	if n, ok := s.files[name]; ok {
		if n.file == nil {
			return nil, notExist("stat", name)
		}
		return (&overlayFile{File: osFile{n.file}, name: name}).Stat()
	}
	if s.dirs[name] {
		return overlayInfo{name: filepath.Base(name)}, nil
	}
	return s.FS.Stat(name)
}

func (s *overlayFS) ReadDir(name string) ([]fs.DirEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = filepath.Clean(name)
	entries, err := s.FS.ReadDir(name)
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || !s.dirs[name]) {
		return nil, err
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool {
		_, ok := s.files[filepath.Join(name, e.Name())]
		return ok
	})
	for path, n := range s.files {
		if filepath.Dir(path) == name && n.file != nil {
			info, err := (&overlayFile{File: osFile{n.file}, name: path}).Stat()
			if err != nil {
				return nil, err
			}
			entries = append(entries, fs.FileInfoToDirEntry(info))
		}
	}
	for path := range s.dirs {
		if filepath.Dir(path) == name {
			entries = append(entries, fs.FileInfoToDirEntry(overlayInfo{name: filepath.Base(path)}))
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (s *overlayFS) Rename(from, to string) error {
	f, err := s.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	f.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[filepath.Clean(to)] = s.files[filepath.Clean(from)]
	s.files[filepath.Clean(from)] = &overlayNode{}
	return nil
}

func (s *overlayFS) Remove(name string) error {
	if _, err := s.Stat(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[filepath.Clean(name)] = &overlayNode{}
	return nil
}

func (s *overlayFS) SyncDir(string) error { return nil }

// An overlayFile is one opening of a file that was written to.
type overlayFile struct {
	File
	name string
	at   int64 // where Write goes on
}

func (f *overlayFile) Write(b []byte) (int, error) {
	n, err := f.WriteAt(b, f.at)
	f.at += int64(n)
	return n, err
}

func (f *overlayFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return overlayInfo{FileInfo: info, name: filepath.Base(f.name)}, nil
}

func (f *overlayFile) Sync() error         { return nil }
func (f *overlayFile) Close() error        { return nil }
func (f *overlayFile) Lock() (bool, error) { return true, nil }
func (f *overlayFile) Unlock() error       { return nil }

// A lowerFile is a file of the file system below, which is left alone.
type lowerFile struct{ File }

func (lowerFile) Sync() error         { return nil }
func (lowerFile) Lock() (bool, error) { return true, nil }
func (lowerFile) Unlock() error       { return nil }

// overlayInfo is a FileInfo under its name in the overlay. Without a file it is
// that of a folder.
type overlayInfo struct {
	fs.FileInfo
	name string
}

func (i overlayInfo) Name() string { return i.name }
func (i overlayInfo) IsDir() bool  { return i.FileInfo == nil }

func (i overlayInfo) Mode() fs.FileMode {
	if i.FileInfo == nil {
		return fs.ModeDir | 0o700
	}
	return 0o600
}
