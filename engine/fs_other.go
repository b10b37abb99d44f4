//go:build !unix

package engine

import (
	"fmt"
	"io/fs"
	"runtime"
)

// noFollow has no meaning where nothing is opened.
const noFollow = 0

// errNoFiles is what every call of OS comes to here. A database replaces files
// that others have open and mapped, and syncs directories; Windows refuses the
// first and has no word for the second. A store in memory works.
var errNoFiles = fmt.Errorf("databases in a directory are not supported on %s", runtime.GOOS)

func refused(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: errNoFiles} }

func (osFS) Open(name string) (File, error) { return nil, refused("open", name) }

func (osFS) OpenFile(name string, _ int, _ fs.FileMode) (File, error) {
	return nil, refused("open", name)
}

func (osFS) Mkdir(name string, _ fs.FileMode) error     { return refused("mkdir", name) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return nil, refused("open", name) }
func (osFS) Stat(name string) (fs.FileInfo, error)      { return nil, refused("stat", name) }
func (osFS) Rename(from, _ string) error                { return refused("rename", from) }
func (osFS) Remove(name string) error                   { return refused("remove", name) }
func (osFS) SyncDir(name string) error                  { return refused("sync", name) }

func (f osFile) Map(int, bool) ([]byte, func() error, error) {
	return nil, nil, refused("mmap", f.Name())
}
func (f osFile) Lock() (bool, error) { return false, refused("lock", f.Name()) }
func (f osFile) Unlock() error       { return refused("unlock", f.Name()) }
