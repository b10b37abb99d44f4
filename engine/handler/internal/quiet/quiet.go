// Package quiet keeps the interpreter from writing to stderr at the start of
// every program that links it: where the address space is limited (ulimit -v),
// go.starlark.net logs that its integers will be slower, whether or not a
// handler is ever run.
//
// Packages that are ready are initialised in the order of their import paths.
// The interpreter has to wait for math/big, and this package only for log, so
// it comes first; the test of the program under a limit would show otherwise.
package quiet

import (
	"io"
	"log"
)

// before is where the log went.
var before = log.Writer()

func init() { log.SetOutput(io.Discard) }

// End lets the log be written again.
func End() { log.SetOutput(before) }
