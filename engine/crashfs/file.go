package crashfs

import (
	"bytes"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
)

// A File is an open file or folder. It has the methods of os.File that are
// needed, and those of a seam: Map and a lock.
type File struct {
	s        *FS
	n        *node
	path     string
	folder   bool
	silent   bool
	readOnly bool

	offset int64 // under s.mu, as all below
	closed bool
}

// Name is the path by which the file was opened.
func (f *File) Name() string { return f.path }

// begin locks the file system for a call. The caller unlocks it.
func (f *File) begin(op string, writes bool) error {
	f.s.mu.Lock()
	switch {
	case f.closed:
		return &fs.PathError{Op: op, Path: f.path, Err: fs.ErrClosed}
	case writes && f.folder:
		return &fs.PathError{Op: op, Path: f.path, Err: syscall.EISDIR}
	case writes && f.readOnly:
		return &fs.PathError{Op: op, Path: f.path, Err: syscall.EBADF}
	}
	return nil
}

// ReadAt is that of os.File.
func (f *File) ReadAt(b []byte, offset int64) (int, error) {
	f.s.reading()
	err := f.begin("read", false)
	defer f.s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if offset >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is that of os.File.
func (f *File) WriteAt(b []byte, offset int64) (int, error) {
	err := f.begin("write", true)
	defer f.s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	f.write(b, offset)
	return len(b), nil
}

// Write is that of os.File.
func (f *File) Write(b []byte) (int, error) {
	err := f.begin("write", true)
	defer f.s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	f.write(b, f.offset)
	f.offset += int64(len(b))
	return len(b), nil
}

func (f *File) write(b []byte, offset int64) {
	if len(b) == 0 {
		return
	}
	if f.silent {
		f.n.write(offset, b)
		return
	}
	f.s.change(Op{Kind: OpWrite, Ino: f.n.ino, Offset: offset, Data: bytes.Clone(b)})
}

// Seek is that of os.File.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	err := f.begin("seek", false)
	defer f.s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += int64(len(f.n.data))
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.path, Err: syscall.EINVAL}
	}
	f.offset = offset
	return offset, nil
}

// Truncate is that of os.File.
func (f *File) Truncate(size int64) error {
	err := f.begin("truncate", true)
	defer f.s.mu.Unlock()
	if err == nil && size != int64(len(f.n.data)) {
		f.s.change(Op{Kind: OpTruncate, Ino: f.n.ino, Size: size})
	}
	return err
}

// Sync is that of os.File.
func (f *File) Sync() error {
	err := f.begin("sync", false)
	defer f.s.mu.Unlock()
	if err == nil {
		f.s.change(Op{Kind: OpSync, Ino: f.n.ino})
	}
	return err
}

// Stat is that of os.File.
func (f *File) Stat() (fs.FileInfo, error) {
	f.s.reading()
	err := f.begin("stat", false)
	defer f.s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.s.info(filepath.Base(f.path), f.n.ino), nil
}

// Map returns the first size bytes. They never change.
func (f *File) Map(size int, _ bool) ([]byte, func() error, error) {
	f.s.reading()
	err := f.begin("mmap", false)
	defer f.s.mu.Unlock()
	if err == nil && size > len(f.n.data) {
		err = &fs.PathError{Op: "mmap", Path: f.path, Err: syscall.EINVAL}
	}
	if err != nil {
		return nil, nil, err
	}
	f.n.shared = true
	return f.n.data[:size:size], func() error { return nil }, nil
}

// Lock takes the exclusive lock of the file without waiting, and reports
// whether it was had. Closing the file releases it.
func (f *File) Lock() (bool, error) {
	err := f.begin("flock", false)
	defer f.s.mu.Unlock()
	if err != nil {
		return false, err
	}
	if f.n.locked != nil && f.n.locked != f {
		return false, nil
	}
	f.n.locked = f
	return true, nil
}

// Unlock releases the lock, if the file has it.
func (f *File) Unlock() error {
	err := f.begin("unlock", false)
	defer f.s.mu.Unlock()
	if err == nil {
		f.unlock()
	}
	return err
}

func (f *File) unlock() {
	if f.n.locked == f {
		f.n.locked = nil
	}
}

// Close is that of os.File.
func (f *File) Close() error {
	err := f.begin("close", false)
	defer f.s.mu.Unlock()
	if err == nil {
		f.closed = true
		f.unlock()
	}
	return err
}
