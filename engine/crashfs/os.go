package crashfs

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// What follows has the names and signatures of packages os and io/ioutil, as
// far as tidwall/wal uses them, on the FS in whose mount a path lies.

// FileMode is os.FileMode.
type FileMode = fs.FileMode

// FileInfo is os.FileInfo.
type FileInfo = fs.FileInfo

// Flags of OpenFile, as in package os.
const (
	O_RDONLY = os.O_RDONLY //nolint:revive // the name is that of package os
	O_WRONLY = os.O_WRONLY
	O_RDWR   = os.O_RDWR
	O_CREATE = os.O_CREATE
	O_TRUNC  = os.O_TRUNC
	O_EXCL   = os.O_EXCL
)

// at returns the FS of a path. An unknown mount is a mistake of a test, and
// must not end in an innocent "no such file": it panics.
func at(path string) *FS {
	rest, ok := strings.CutPrefix(path, mountPoint)
	id, _, _ := strings.Cut(rest, "/")
	s, known := mounts.Load(id)
	if !ok || !known {
		panic("crashfs: nothing is mounted at " + path)
	}
	return s.(*FS)
}

// OpenFile is os.OpenFile.
func OpenFile(path string, flag int, perm FileMode) (*File, error) {
	return at(path).OpenFile(path, flag, perm)
}

// Remove is os.Remove.
func Remove(path string) error { return at(path).Remove(path) }

// RemoveAll is os.RemoveAll, of a file.
func RemoveAll(path string) error {
	err := at(path).Remove(path)
	if e, ok := err.(*fs.PathError); ok && e.Err == syscall.ENOENT {
		return nil
	}
	return err
}

// Rename is os.Rename.
func Rename(from, to string) error { return at(from).Rename(from, to) }

// MkdirAll is os.MkdirAll, where only the last folder may be missing.
func MkdirAll(path string, perm FileMode) error {
	err := at(path).Mkdir(path, perm)
	if e, ok := err.(*fs.PathError); ok && e.Err == syscall.EEXIST {
		return nil
	}
	return err
}

// ReadDir is ioutil.ReadDir.
func ReadDir(path string) ([]FileInfo, error) { return at(path).readDir(path) }

// ReadFile is ioutil.ReadFile.
func ReadFile(path string) ([]byte, error) {
	f, err := OpenFile(path, O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := f.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.folder {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	}
	return slices.Clone(f.n.data), nil
}
