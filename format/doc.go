// Package format turns keys, values and rows into bytes for people and
// programs, and files of records back into records. It knows no database, no
// command and no terminal: what it must know of them stands in Options.
//
// # Promises
//
// Outside the modes pretty and table, nothing is shortened, replaced or
// dropped: the bytes of a key or value can be had back from the output. Two
// modes pay for that. nul refuses data that holds a NUL, with ErrNUL, and raw
// writes bytes as they are, so that only the reader can know where an item ends
// if items may hold line feeds.
//
// The modes pretty, table, quoted, jsonl, json, tsv, hex and kvsh, and the functions Quote,
// Word and Safe, never let a control byte, an escape sequence, invalid UTF-8 or
// a rune that reorders or hides text through to the terminal; the colours of
// pretty are the only escape sequences, and only where Options.Color asks for
// them.
//
// Rows of any number are written in bounded memory: modes that need to see
// data before they begin, to align it, hold a bounded sample of the first rows.
//
// # Files of records
//
// An Exporter writes records to a file and an Importer reads them back; the
// same bytes come back through every format that is both written and read, and
// any bytes go through all but nul and env. Both stream, in memory that the largest record decides. An Importer
// refuses what it cannot take for exactly one meaning, and says where; a file
// of jsonl or json that kvsh wrote, and any compressed file, is refused if it was
// cut anywhere. The layout of each format stands beside its exporter.
//
// Nothing here runs before main: a command that prints nothing pays nothing.
package format
