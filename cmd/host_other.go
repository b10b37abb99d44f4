//go:build !linux

package cmd

// Only Linux is asked about file systems, locks and processes.

func diskOf(string) (d disk, known bool)    { return d, false }
func mayWrite(string) bool                  { return true }
func holderOf(string) (pid int, known bool) { return 0, false }
func processName(int) string                { return "" }
