package engine

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// imageFS serves an image for reading. Whatever would write fails the test
// that uses it.
type imageFS struct{ img image }

var errWrote = errors.New("a read wrote")

func (s imageFS) name(name string) string { return strings.TrimPrefix(filepath.ToSlash(name), "db/") }

func (s imageFS) Open(name string) (File, error) { return s.OpenFile(name, 0, 0) }

func (s imageFS) OpenFile(name string, flag int, _ fs.FileMode) (File, error) {
	if flag&^noFollow != 0 {
		return nil, errWrote
	}
	b, ok := s.img[s.name(name)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return imageFile{name: path.Base(s.name(name)), data: b}, nil
}

func (s imageFS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	dir := s.name(name) + "/"
	for f := range s.img {
		if rest, ok := strings.CutPrefix(f, dir); ok && rest != "" {
			entries = append(entries, fs.FileInfoToDirEntry(imageInfo{name: rest, size: int64(len(s.img[f]))}))
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (s imageFS) Stat(name string) (fs.FileInfo, error) {
	if name == "db" {
		return imageInfo{name: name, dir: true}, nil
	}
	if b, ok := s.img[s.name(name)]; ok {
		return imageInfo{name: path.Base(name), size: int64(len(b))}, nil
	}
	if _, ok := s.img[s.name(name)+"/"]; ok {
		return imageInfo{name: path.Base(name), dir: true}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (imageFS) Mkdir(string, fs.FileMode) error { return errWrote }
func (imageFS) Rename(string, string) error     { return errWrote }
func (imageFS) Remove(string) error             { return errWrote }
func (imageFS) SyncDir(string) error            { return errWrote }

type imageInfo struct {
	name string
	size int64
	dir  bool
}

func (i imageInfo) Name() string       { return i.name }
func (i imageInfo) Size() int64        { return i.size }
func (i imageInfo) ModTime() time.Time { return time.Time{} }
func (i imageInfo) IsDir() bool        { return i.dir }
func (i imageInfo) Sys() any           { return nil }
func (i imageInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

type imageFile struct {
	name string
	data []byte
}

func (f imageFile) ReadAt(b []byte, offset int64) (int, error) {
	if offset >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f imageFile) Stat() (fs.FileInfo, error) {
	return imageInfo{name: f.name, size: int64(len(f.data))}, nil
}

func (f imageFile) Map(size int, _ bool) ([]byte, func() error, error) {
	return f.data[:size:size], func() error { return nil }, nil
}
func (imageFile) WriteAt([]byte, int64) (int, error) { return 0, errWrote }
func (imageFile) Write([]byte) (int, error)          { return 0, errWrote }
func (imageFile) Sync() error                        { return errWrote }
func (imageFile) Truncate(int64) error               { return errWrote }
func (imageFile) Lock() (bool, error)                { return false, errWrote }
func (imageFile) Unlock() error                      { return errWrote }
func (imageFile) Close() error                       { return nil }
