package engine

import (
	"io"
	"io/fs"
	"os"
)

// FS is what the engine asks of a file system, and the seam at which crash
// tests put another one. Paths are those of package os. All errors are those
// of package os.
type FS interface {
	Open(name string) (File, error)                                 // for reading
	OpenFile(name string, flag int, perm fs.FileMode) (File, error) // as os.OpenFile
	Mkdir(name string, perm fs.FileMode) error
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
	Stat(name string) (fs.FileInfo, error)
	Rename(from, to string) error // replaces to
	Remove(name string) error
	SyncDir(name string) error // makes names created, renamed and removed in it durable
}

// A File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Writer // at the file's own position
	io.Closer
	Stat() (fs.FileInfo, error)

	// Sync makes the contents and the size durable. On macOS that is
	// F_FULLFSYNC, which empties the cache of the disk too; fsync there does not.
	Sync() error
	Truncate(size int64) error

	// Map maps the first size bytes for reading, which will be read here and
	// there, or, if whole is set, from end to end. The bytes stay valid until
	// unmap, also after Close and after the file is removed. Nothing may cut
	// them off meanwhile: only what is never written again is mapped.
	Map(size int, whole bool) (data []byte, unmap func() error, err error)

	// Lock takes the advisory exclusive lock of the file without waiting and
	// reports whether it was had. Closing the file, and the end of the process
	// however it ends, release it.
	Lock() (bool, error)
	Unlock() error
}

// OS is the real file system. Where that lacks what a database needs, as on
// Windows, every call is refused.
var OS FS = osFS{}

type osFS struct{}

type osFile struct{ *os.File }

// A namelessFS is an FS with files that have no name until link gives them one,
// and of which nothing is left if that never happens. Not every directory can
// have them: createNameless returns an error then.
type namelessFS interface {
	createNameless(dir string) (File, error) // for reading and writing, as of mode 0600
	link(f File, name string) error          // name must not exist
}
