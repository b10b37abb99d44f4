//go:build !unix

package cmd

import "os"

// unkilled has nothing to do where there is no SIGPIPE.
func unkilled(f *os.File) *os.File { return f }
