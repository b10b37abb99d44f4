package engine

import "golang.org/x/sys/unix"

// newLargeMemory returns n bytes of memory, n being some megabytes, that the
// collector of garbage does not know, in large pages where the system has them:
// touching it for the first time, and at random, costs far less. It returns nil
// if there is none. freeLargeMemory gives it back; it must not be touched then.
func newLargeMemory(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // small pages do, too
	return b
}

func freeLargeMemory(b []byte) { _ = unix.Munmap(b[:cap(b)]) }

// dropPages takes the pages of a mapped file, of which b begins with one, out of
// the memory of the process. They are read again when they are touched.
func dropPages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
