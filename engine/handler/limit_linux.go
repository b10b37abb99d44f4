//go:build !race

package handler

import "golang.org/x/sys/unix"

// limitData has the kernel bound the memory of this process, in bytes. Beyond
// that the Go runtime ends the process. Where the kernel does not do it, the
// guard is what there is.
func limitData(most uint64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_DATA, &limit) == nil {
		limit.Cur = min(most, limit.Max)
		_ = unix.Setrlimit(unix.RLIMIT_DATA, &limit)
	}
}
