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
