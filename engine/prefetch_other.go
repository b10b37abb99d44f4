//go:build !amd64 && !arm64

package engine

// prefetch does nothing here: it needs an instruction of the processor.
func prefetch([]byte) {}
