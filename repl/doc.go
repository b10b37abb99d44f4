// Package repl turns text into commands: it splits lines into words, reads
// scripts of any size, and holds the loop of the interactive shell. It knows
// no command and no data; what to do with a command is its caller's business.
//
// The grammar is one for every door. Words stand bare, in 'literal' quotes or
// in "escaped" ones, and adjacent parts join. A # at the start of a word begins
// a comment, ; or a newline ends a command, and a quote that is still open at
// the end of a line goes on with the next one. Split keeps the place of every
// word, so that an error can point at it.
package repl
