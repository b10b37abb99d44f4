// Most commands end within milliseconds: the number of processors is asked for
// once, at the start, and not followed by a goroutine of its own.
//
//go:debug updatemaxprocs=0

// Command kvsh is a durable key-value database that lives in a directory and
// is driven from the shell.
package main

import (
	"os"

	"kvsh/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:]))
}
