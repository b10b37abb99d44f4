//go:build unix

package engine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"syscall"
)

// keepOwner gives a file that this process has just made in a database to the
// owner of its folder, if root made it for somebody else, as SQLite does with
// its journals: one "sudo kvsh set" must not lock out whom the database belongs
// to. Only an open file that is known to be new is given away: whoever owns the
// folder may put others in its place. What cannot be given away stays root's,
// which is no reason to fail a write.
func keepOwner(f File, folder string) {
	file, ok := f.(osFile)
	if !ok || os.Geteuid() != 0 {
		return
	}
	of, err := os.Stat(folder)
	if err != nil {
		return
	}
	info, err := file.Stat()
	if err != nil {
		return
	}
	owner, now := of.Sys().(*syscall.Stat_t), info.Sys().(*syscall.Stat_t)
	if owner.Uid != 0 && now.Uid == 0 && now.Nlink == 1 {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}

// keepOwnerEmpty is keepOwner for a file that may have been there before: then
// it is not empty.
func keepOwnerEmpty(f File, folder string) {
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		keepOwner(f, folder)
	}
}

// keepSegmentOwners is keepOwner for the segments behind one, which the library
// made: such a file is empty or begins with its record.
func keepSegmentOwners(fsys FS, logPath string, behind Rev) {
	if fsys != OS || os.Geteuid() != 0 {
		return
	}
	firsts, _, err := listSegments(fsys, logPath)
	if err != nil {
		return
	}
	for _, first := range firsts {
		if first <= behind {
			continue
		}
		f, err := fsys.OpenFile(filepath.Join(logPath, segmentName(first)), os.O_RDONLY|noFollow, 0)
		if err != nil {
			return
		}
		var head [32]byte
		n, _ := f.ReadAt(head[:], 0) // it may be shorter
		at, _, _, err := parseFrame(head[:n])
		if n == 0 || err == nil && at+12 <= n && Rev(binary.LittleEndian.Uint64(head[at+4:])) == first {
			keepOwner(f, logPath)
		}
		f.Close()
	}
}
