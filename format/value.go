package format

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// WriteValue prints the value of one key.
//
// Raw prints exactly its bytes, and a newline after them if o.Newline; NUL ends
// it with a NUL byte and refuses one within (ErrNUL). Quoted prints the literal,
// Hex a dump, JSON and JSONL one object with key and value; the modes that are
// about rows print one. Pretty is the text for people: lines stay lines, tabs
// become blanks, what does not print is escaped, and the end is always that of a line.
func WriteValue(w io.Writer, o Options, key string, value []byte) error {
	switch o.resolve(1) {
	case Raw:
		// Two writes, so that a huge value is not copied for one byte.
		if _, err := w.Write(value); err != nil || !o.Newline {
			return err
		}
		_, err := w.Write(newline)
		return err
	case NUL:
		if bytes.IndexByte(value, 0) >= 0 {
			return ErrNUL
		}
		if _, err := w.Write(value); err != nil {
			return err
		}
		_, err := w.Write([]byte{0})
		return err
	case Pretty:
		return writeText(w, value)
	case Quoted:
		_, err := w.Write(append(AppendQuote(nil, value), '\n'))
		return err
	case Hex:
		return Hexdump(w, value)
	case JSON:
		o.Mode = JSONL
	}
	rows := NewRows(w, o, Column{"key", Bytes}, Column{"value", Bytes})
	if err := rows.Row(key, value); err != nil {
		return err
	}
	return rows.Close()
}

// writeText prints text for people.
func writeText(w io.Writer, text []byte) error {
	out := output{w: w}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, newline)
		column := 0
		for i, part := range bytes.Split(bytes.TrimSuffix(line, []byte{'\r'}), tab) {
			if i > 0 {
				n := 8 - column%8
				out.buf = append(out.buf, "        "[:n]...)
				column += n
			}
			from := len(out.buf)
			out.buf = appendEscaped(out.buf, part, false)
			if len(part) < 1<<10 {
				column += displaywidth.Bytes(out.buf[from:])
			}
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			out.buf = append(out.buf, `\r`...)
		}
		out.buf = append(out.buf, '\n')
		if err := out.ended(); err != nil {
			return err
		}
		text = rest
	}
	if out.buf == nil {
		out.buf = append(out.buf, '\n')
	}
	return out.flush()
}

// Hexdump prints bytes in the style of hexdump -C: offset, hex, characters,
// and at last the length. Equal lines are not left out.
func Hexdump(w io.Writer, b []byte) error {
	out := output{w: w}
	for at := 0; at < len(b); at += 16 {
		row := b[at:min(at+16, len(b))]
		out.buf = append(appendHex32(out.buf, at), ' ')
		for i := range 16 {
			if i%8 == 0 {
				out.buf = append(out.buf, ' ')
			}
			if i < len(row) {
				out.buf = append(out.buf, hexDigits[row[i]>>4], hexDigits[row[i]&15], ' ')
			} else {
				out.buf = append(out.buf, "   "...)
			}
		}
		out.buf = append(out.buf, " |"...)
		for _, c := range row {
			if c < 0x20 || c >= utf8.RuneSelf-1 {
				c = '.'
			}
			out.buf = append(out.buf, c)
		}
		out.buf = append(out.buf, "|\n"...)
		if err := out.ended(); err != nil {
			return err
		}
	}
	out.buf = append(appendHex32(out.buf, len(b)), '\n')
	return out.flush()
}

func appendHex32(dst []byte, n int) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&15])
	}
	return dst
}
