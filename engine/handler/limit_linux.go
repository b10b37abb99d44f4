package handler

import "golang.org/x/sys/unix"

// maxData is the bytes of memory that the kernel lets the process have: what
// the guard allows, with the largest input, and room for what is taken between
// two of its looks. Beyond it the Go runtime ends the process.
const maxData = MaxMemory + 4*MaxInputSize + 512<<20

// limitData has the kernel bound the memory of this process. Where it cannot,
// the guard is what there is.
func limitData() {
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: maxData, Max: maxData})
}
