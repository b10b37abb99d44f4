//go:build !linux

package engine

func newLargeMemory(int) []byte { return nil }

func freeLargeMemory([]byte) {}

func dropPages([]byte) {}
