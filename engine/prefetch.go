//go:build amd64 || arm64

package engine

// prefetch has the processor bring data into its caches, and does not wait: of
// several places in memory that are needed, all come in the time of one. To
// look at a byte of each does not do the same, for what comes after a look
// waits for it before long.
//
//go:noescape
func prefetch(data []byte)
