package cmd

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// diskTypes are the names of file systems by the number that the kernel gives,
// and those of them that are reached over a network.
var diskTypes = map[int64]struct {
	name   string
	remote bool
}{
	unix.EXT4_SUPER_MAGIC:      {"ext4", false},
	unix.XFS_SUPER_MAGIC:       {"xfs", false},
	unix.BTRFS_SUPER_MAGIC:     {"btrfs", false},
	unix.F2FS_SUPER_MAGIC:      {"f2fs", false},
	unix.TMPFS_MAGIC:           {"tmpfs", false},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlay", false},
	unix.NFS_SUPER_MAGIC:       {"nfs", true},
	unix.SMB_SUPER_MAGIC:       {"smb", true},
	unix.CIFS_SUPER_MAGIC:      {"cifs", true},
	unix.SMB2_SUPER_MAGIC:      {"smb2", true},
	unix.V9FS_MAGIC:            {"9p", true},
	unix.CEPH_SUPER_MAGIC:      {"ceph", true},
	unix.AFS_FS_MAGIC:          {"afs", true},
	unix.FUSE_SUPER_MAGIC:      {"fuse", false},
	unix.MSDOS_SUPER_MAGIC:     {"fat", false},
	0x2fc12fc1:                 {"zfs", false},
}

// diskOf says what the file system is on which a path lies.
func diskOf(path string) (d disk, known bool) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return d, false
	}
	kind, ok := diskTypes[int64(uint32(st.Type))]
	if !ok {
		kind.name = fmt.Sprintf("file system %#x", uint32(st.Type))
	}
	block := int64(st.Frsize)
	if block == 0 {
		block = int64(st.Bsize)
	}
	return disk{
		kind: kind.name, remote: kind.remote, readOnly: st.Flags&unix.ST_RDONLY != 0,
		free: int64(st.Bavail) * block, size: int64(st.Blocks) * block,
	}, true
}

// mayWrite reports whether this process may make files in a directory.
func mayWrite(path string) bool { return unix.Access(path, unix.W_OK|unix.X_OK) == nil }

// holderOf says which process holds the advisory lock of a file, without
// taking it: the kernel keeps a list. pid 0: nobody does.
func holderOf(path string) (pid int, known bool) {
	var st unix.Stat_t
	list, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Stat(path, &st) != nil {
		return 0, false
	}
	// Layered file systems have two numbers for a device: then the pid in the
	// file decides.
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	device := fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev))
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		// "1: FLOCK ADVISORY WRITE 1234 08:01:131090 0 EOF"; one that waits
		// has "->" as its second word.
		if len(words) < 6 || words[1] != "FLOCK" || !strings.HasSuffix(words[5], inode) {
			continue
		}
		if pid, err := strconv.Atoi(words[4]); err == nil && (strings.HasPrefix(words[5], device) || lastHolderIs(path, pid)) {
			return pid, true
		}
	}
	return 0, true
}

// lastHolderIs reports whether a LOCK names a process.
func lastHolderIs(path string, pid int) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(b), strconv.Itoa(pid)+"\n")
}

// processName is what a process is called, or empty if there is none.
func processName(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
