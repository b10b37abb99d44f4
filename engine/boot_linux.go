package engine

import (
	"encoding/hex"
	"strings"

	"golang.org/x/sys/unix"
)

// currentBoot returns what the kernel draws at every start of the machine.
func currentBoot() (id bootID) {
	// Not by package os: it would set up its poller, for a file that could be
	// polled, at every start.
	fd, err := unix.Open("/proc/sys/kernel/random/boot_id", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return id
	}
	defer unix.Close(fd)
	var text [64]byte // a UUID and a newline
	n, err := unix.Read(fd, text[:])
	for err == unix.EINTR {
		n, err = unix.Read(fd, text[:])
	}
	if err != nil {
		return id
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text[:n])), "-", ""))
	if err != nil || len(b) != len(id) {
		return id
	}
	return bootID(b)
}
