//go:build !unix

package engine

// Nobody is root here.

func keepOwner(File, string) {}

func keepOwnerEmpty(File, string) {}

func keepSegmentOwners(FS, string, Rev) {}
