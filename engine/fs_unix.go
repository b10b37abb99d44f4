//go:build unix

package engine

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// noFollow is a flag of OpenFile for files within a database: whoever may write
// to its directory must not make others read or write elsewhere.
const noFollow = unix.O_NOFOLLOW

func (osFS) Open(name string) (File, error) { return osOpen(name, os.O_RDONLY, 0) }

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	return osOpen(name, flag, perm)
}

// osOpen opens a file or a folder and nothing else. O_NONBLOCK, which does
// nothing to those two, keeps the open of a pipe from waiting for its other end.
// It is taken back before package os sees the descriptor, which would else set
// up its poller, for files that cannot be polled.
func osOpen(name string, flag int, perm fs.FileMode) (File, error) {
	fd, err := unix.Open(name, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, uint32(perm.Perm()))
	for err == unix.EINTR {
		fd, err = unix.Open(name, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, uint32(perm.Perm()))
	}
	if err != nil {
		if flag&noFollow != 0 && isSymlinkError(err) {
			err = errors.New("a symbolic link, and none is followed within a database")
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flag); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return osFile{f}, nil
}

// isSymlinkError reports whether noFollow refused a symbolic link. Linux and macOS
// say ELOOP, FreeBSD says EMLINK.
func isSymlinkError(err error) bool { return errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) }

func (osFS) Mkdir(name string, perm fs.FileMode) error  { return os.Mkdir(name, perm) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }

// SyncDir is os.File's Sync, so on macOS F_FULLFSYNC: a name is as durable as
// what it names.
func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (f osFile) Map(size int, whole bool) ([]byte, func() error, error) {
	if size == 0 {
		return nil, func() error { return nil }, nil
	}
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	if !whole {
		// Reads jump about; reading ahead would fetch pages nobody asked for.
		_ = unix.Madvise(data, unix.MADV_RANDOM)
	}
	return data, func() error { return unix.Munmap(data) }, nil
}

func (f osFile) Lock() (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case nil:
			return true, nil
		case unix.EINTR:
			continue
		case unix.EWOULDBLOCK:
			return false, nil
		}
		return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

func (f osFile) Unlock() error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_UN); err != nil {
		return &fs.PathError{Op: "unlock", Path: f.Name(), Err: err}
	}
	return nil
}
