//go:build unix

package cmd

import (
	"errors"
	"os"
	"syscall"
)

// lockFlags open a file that is one, without following a link or waiting for the
// other end of a pipe.
const lockFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// flock takes the exclusive lock of a file, and waits for it or returns
// EWOULDBLOCK. A signal does not break it off.
func flock(f *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
