//go:build unix

package cmd

import (
	"os"

	"golang.org/x/sys/unix"
)

// unkilled is stdout or stderr under a number of its own. A write to a closed
// pipe by the numbers 1 and 2 would end the process in the middle of something,
// unless SIGPIPE is watched, which a short command has no time for.
func unkilled(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f
	}
	return os.NewFile(uintptr(fd), f.Name())
}
