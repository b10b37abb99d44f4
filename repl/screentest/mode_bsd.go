//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package screentest

import "golang.org/x/sys/unix"

// getMode asks a terminal for its mode, setMode gives it another.
const getMode, setMode = unix.TIOCGETA, unix.TIOCSETA
