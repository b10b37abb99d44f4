// Package repl turns text into commands: it splits lines into words, reads
// scripts of any size, and holds the loop of the interactive shell. It knows
// no command and no data; what to do with a command is its caller's business.
//
// The grammar is one for every door. Words stand bare, in 'literal' quotes or
// in "escaped" ones, and adjacent parts join. A # at the start of a word begins
// a comment, ; or a newline ends a command, and a quote that is still open at
// the end of a line goes on with the next one. Split keeps the place of every
// word, so that an error can point at it.
//
// The editor for terminals keeps the library's raw mode and its loop that reads
// keys, and does the rest itself. What happens to a key:
//
//	terminal -> input (poll, one reader) -> decoder (bytes to keys) -> library
//	   ^                                                                  |
//	   +-- screen (what differs) <- view (rows) <- lineEditor (keys) <----+
//
// All of it after the library happens in the goroutine that is in ReadLine.
// Signals and completions come in by the same way as keys. The screen is drawn
// when no more input waits.
package repl
