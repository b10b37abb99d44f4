//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives what root made in a folder of somebody's database to the
// owner of the folder, as SQLite does with its journals: one "sudo kvsh set"
// must not lock out whom the database belongs to. A file with a second name may
// be anybody's and stays as it is. What cannot be given away stays root's, which
// is no reason to fail a write.
func keepOwner(fsys FS, folder string) {
	if fsys != OS || os.Geteuid() != 0 {
		return
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return
	}
	entries, _ := os.ReadDir(folder) // as far as they can be read
	for _, e := range entries {
		giveAway(filepath.Join(folder, e.Name()), int(owner.Uid), int(owner.Gid))
	}
}

// giveAway gives a file to somebody if it is root's. It looks at the file it
// opened: whoever owns the folder may exchange names meanwhile.
func giveAway(path string, uid, gid int) {
	f, err := osOpen(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	if s := info.Sys().(*syscall.Stat_t); s.Uid == 0 && (s.Nlink == 1 || info.IsDir()) {
		_ = f.(osFile).Chown(uid, gid)
	}
}
