package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// MapLive implements liveMapper, on file systems of which a file is one and the
// same for all who open it. On overlayfs it is not: the first who writes gets a
// copy, and whoever mapped the file before goes on looking at the original.
func (f osFile) MapLive(size int) ([]byte, func() error, error) {
	var system unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &system); err != nil {
		return nil, nil, &fs.PathError{Op: "statfs", Path: f.Name(), Err: err}
	}
	switch uint32(system.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
	default:
		return nil, nil, errors.New("a file system of which that is not known")
	}
	if info, err := f.Stat(); err != nil || info.Size() != int64(size) {
		return nil, nil, errors.Join(err, errors.New("the file has another size"))
	}
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "mmap", Path: f.Name(), Err: err}
	}
	return data, func() error { return unix.Munmap(data) }, nil
}

// createNameless implements namelessFS.
func (osFS) createNameless(dir string) (File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return osFile{os.NewFile(uintptr(fd), dir)}, nil
}

// link implements namelessFS.
func (osFS) link(f File, name string) error {
	file, ok := f.(osFile)
	if !ok {
		return &fs.PathError{Op: "link", Path: name, Err: errors.ErrUnsupported}
	}
	self := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &fs.PathError{Op: "link", Path: name, Err: err}
	}
	return nil
}
