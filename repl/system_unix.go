//go:build unix

package repl

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// terminalSignals tell of the terminal: its size is another, the process goes on
// after it was stopped.
var terminalSignals = []os.Signal{unix.SIGWINCH, unix.SIGCONT}

func isResize(s os.Signal) bool { return s == unix.SIGWINCH }

// stopGroup stops the process and those that run with it.
func stopGroup() error { return unix.Kill(0, unix.SIGTSTP) }

// tryLock takes the exclusive lock of a file without waiting and reports whether
// it was had. Closing the file releases it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}
