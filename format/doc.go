// Package format turns keys, values and rows into bytes for people and
// programs, and files of records back into records. It knows no database, no
// command and no terminal: what it must know of them stands in Options.
//
// # Promises
//
// Outside the modes pretty and table, every byte of a key or value can be read
// back from the output: nothing is shortened, replaced or dropped. The one
// exception is nul, which refuses data that holds a NUL with ErrNUL instead of
// printing something ambiguous.
//
// The modes pretty, table and quoted, and the functions Quote, Word and Safe,
// never let a control byte, an escape sequence, invalid UTF-8 or a rune that
// reorders or hides text through to the terminal.
//
// Rows of any number are written in bounded memory, except in table mode, which
// holds a sample of the first rows to fix the widths of its columns and then
// streams too.
//
// Nothing here runs before main: a command that prints nothing pays nothing.
package format
