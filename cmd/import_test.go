package cmd

import (
	"math"
	"runtime/debug"
	"testing"
)

// Ensure that an import bounds the memory of the process while it runs, and
// leaves a lower bound of the environment alone.
func TestLimitMemory(t *testing.T) {
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	end := limitMemory(importMemory)
	if got := limit(); got != importMemory {
		t.Errorf("the limit of an import = %d, want %d", got, int64(importMemory))
	}
	if end(); limit() != math.MaxInt64 {
		t.Errorf("the limit after an import = %d, want none", limit())
	}
	debug.SetMemoryLimit(importMemory / 2)
	end = limitMemory(importMemory)
	if got := limit(); got != importMemory/2 {
		t.Errorf("the limit of an import in a process with a lower one = %d, want that: %d", got, int64(importMemory/2))
	}
	if end(); limit() != importMemory/2 {
		t.Errorf("the limit after that import = %d, want %d", limit(), int64(importMemory/2))
	}
}
