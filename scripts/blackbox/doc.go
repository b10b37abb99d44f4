// Package blackbox tests the real program by the contract of its commands:
// real processes, real SIGKILL, full disks, flipped bits. It knows nothing of
// the engine but the names of the files of a database; only the comparison of
// its system calls with what the engine asks of its file system knows both.
//
//	go test ./scripts/blackbox/ -v                what CI runs
//	go test ./scripts/blackbox/ -v -rounds 20     fewer kills
//	go test ./scripts/blackbox/ -v -seed 7        the same choices again
//	go test ./scripts/blackbox/ -v -soak          every bit, every call: hours
//	go test ./scripts/blackbox/ -kvsh /usr/bin/kvsh   a program built elsewhere
//
// A random test prints its seed. The seed fixes what is written and where a
// bit is flipped; when a kill falls, the machine decides.
//
// The tests need Linux. Those that need root, a user namespace or strace skip
// with the reason where they are missing.
package blackbox
