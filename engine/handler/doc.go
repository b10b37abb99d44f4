// Package handler compiles and runs stored transaction handlers: small
// functions, written in Starlark, that compute the new values of a few keys
// from their old ones and an argument.
//
//	# Move an amount from one account to another.
//	def handle(kv, arg):
//	    source, target = kv
//	    left = int(kv[source] or 0) - arg
//	    if left < 0:
//	        fail("insufficient funds")
//	    return {source: left, target: int(kv[target] or 0) + arg}
//
// # What a handler is given
//
// kv is a dict of exactly the keys of the call, in the order of the call. A key
// is a string, and so is a value, if its bytes are UTF-8, and bytes otherwise;
// the value of a key that is not there is None. arg is the argument of the call,
// decoded from JSON, or None. Beside the built-in functions of Starlark there are
//
//	fail(message)             the handler says no: nothing is written
//	now()                     the time of the transaction, in ms since 1970
//	expiring(value, seconds)  a value that is gone after so long
//	json                      the module of encode, decode, indent
//	print(…)                  a remark for the caller
//
// # What it returns
//
// A dict of new values, or None to write nothing. A string or bytes is written
// as it is, an int in decimal digits, None deletes the key. A key that the call
// did not name is an error, and then nothing is written at all. A handler may
// also return a pair of such a dict and a result for the caller, of which JSON
// is made. A value that is what it was is not written again, so kv itself,
// changed in some places, may be returned.
//
// A handler has no input or output, no clock and no state: it is a function of
// the values, the argument and the time of the transaction. What the log of the
// database records is what it wrote, so a replay never runs it again.
//
// # Limits
//
// MaxSteps bounds the instructions of a call, exactly: the same call ends
// there every time. The built-in functions of Starlark are not counted in
// steps and not bounded in memory, and a few lines can make one of them run
// for ever, ask for terabytes, or recurse until the stack is full, any of
// which the Go runtime answers with the end of the process. So Run is for
// handlers that are trusted, and a [Worker] runs the others: a process of its
// own, held to MaxMemory and MaxTime, whose end is an error like any other.
package handler

import (
	"time"

	"kvsh/engine/handler/internal/quiet"
)

// The interpreter is initialised by now.
func init() { quiet.End() }

// The limits of a handler and of a call.
const (
	MaxSourceSize = 64 << 10        // bytes in the source of a handler
	MaxSteps      = 10_000_000      // instructions of one call
	MaxKeys       = 1000            // keys of one call
	MaxInputSize  = 64 << 20        // bytes in the values of those keys together
	MaxArgSize    = 1 << 20         // bytes in the JSON of the argument
	MaxResultSize = 1 << 20         // bytes in the JSON of the result
	MaxPrintSize  = 64 << 10        // bytes that one call prints; the rest is cut
	MaxDepth      = 100             // lists and objects within each other in the argument
	MaxMemory     = 256 << 20       // bytes a Worker may hold, apart from the input
	MaxTime       = 5 * time.Second // how long a call to a Worker may take
)
