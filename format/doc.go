// Package format turns keys and values into bytes that people and programs
// read, and turns files of such bytes back into records. It knows no database,
// no command and no terminal: a caller says what stdout is in Options.
//
// Three parts share it:
//
//   - Literals. Quote writes any bytes as one line that is safe on a terminal
//     and that Unquote, and the shell of kvsh, read back as the same bytes.
//   - Output. Rows writes a table of cells in any Mode; WriteValue writes a
//     single value. Pretty and Table are for people and may shorten; all other
//     modes keep every byte or return an error.
//   - Exchange. An Exporter writes Records in a Format, an Importer reads them
//     back. Any bytes that went in come out the same; only FormatNUL refuses
//     some. A damaged file ends in an *InputError that says where.
//
// Everything streams: memory is bounded by the largest record, not by the file.
package format
