package format

import (
	"bytes"
	"fmt"
	"io"
)

// WriteValue writes the value of one key. Raw writes its exact bytes, with a
// line feed after them if Options.Newline asks for it; NUL ends it in a NUL;
// at a terminal both show control bytes as escapes, as Rows do.
// Quoted is its literal; Hex a dump; Pretty shows it as text in which only line
// feeds are left of the controls, whole, and ends it with a line feed if it
// has none. The other modes write key and value as Rows do. Errors are those
// of the writer and of Row.
func WriteValue(w io.Writer, o Options, key string, value []byte) error {
	switch o.resolve(1) {
	case Raw:
		if o.Terminal {
			value = appendShown(nil, value, true)
		}
		return writeRaw(w, value, o.Newline)
	case NUL:
		if bytes.IndexByte(value, 0) >= 0 {
			return fmt.Errorf("value of %s %w", quoteStart([]byte(key)), ErrNUL)
		}
		if o.Terminal {
			return writeAll(w, append(appendShown(nil, value, false), `\0`...))
		}
		return writeAll(w, append(append(make([]byte, 0, len(value)+1), value...), 0))
	case Quoted:
		return writeAll(w, append(AppendQuote(nil, value), '\n'))
	case Hex:
		return Hexdump(w, value)
	case Pretty:
		return writeAll(w, appendLines(nil, value))
	}
	rows := NewRows(w, o, Column{Name: "key", Kind: Bytes}, Column{Name: "value", Kind: Bytes})
	err := rows.Row(key, value)
	if closing := rows.Close(); err == nil {
		err = closing
	}
	return err
}

// writeRaw writes a value and perhaps a line feed, in one write if that needs
// no big copy.
func writeRaw(w io.Writer, value []byte, newline bool) error {
	const small = 4096
	switch {
	case !newline:
		return writeAll(w, value)
	case len(value) < small:
		return writeAll(w, append(append(make([]byte, 0, small), value...), '\n'))
	}
	if err := writeAll(w, value); err != nil {
		return err
	}
	return writeAll(w, []byte{'\n'})
}

func writeAll(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// appendShown appends text with all that a terminal would not show as itself
// escaped, but for line feeds if they are to stay.
func appendShown(dst, text []byte, lines bool) []byte {
	for lines {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		dst = appendEscaped(dst, line, false)
		if !found {
			return dst
		}
		dst, text = append(dst, '\n'), rest
	}
	return appendEscaped(dst, text, false)
}

// appendLines appends text with its lines as lines and all else escaped.
func appendLines(dst, text []byte) []byte {
	for {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		dst = append(appendEscaped(dst, line, false), '\n')
		if text = rest; !found || len(text) == 0 {
			return dst
		}
	}
}

// Hexdump writes b in the form of hexdump -C: offset, 16 bytes in hexadecimal,
// and the printable ones as text. Lines that repeat the one before are a *; the
// last line is the length. Of no bytes it writes nothing.
func Hexdump(w io.Writer, b []byte) error { return HexdumpAt(w, 0, b) }

// HexdumpAt is Hexdump of bytes that stand at an offset of a file, which its
// lines show; the last line is the offset behind them.
func HexdumpAt(w io.Writer, offset int64, b []byte) error {
	const perLine, flushAt = 16, 32 << 10
	out := make([]byte, 0, flushAt+256)
	starred := false
	for at := 0; at < len(b); at += perLine {
		line := b[at:min(at+perLine, len(b))]
		if at > 0 && bytes.Equal(line, b[at-perLine:at]) {
			if !starred {
				out = append(out, "*\n"...)
			}
			starred = true
			continue
		}
		starred = false
		out = appendHexLine(out, offset+int64(at), line)
		if len(out) >= flushAt {
			if err := writeAll(w, out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	if len(b) > 0 {
		out = append(fmt.Appendf(out, "%08x", offset+int64(len(b))), '\n')
	}
	return writeAll(w, out)
}

// appendHexLine appends the line of a dump for up to 16 bytes at an offset.
func appendHexLine(dst []byte, at int64, line []byte) []byte {
	dst = fmt.Appendf(dst, "%08x ", at)
	for i := range 16 {
		if i%8 == 0 {
			dst = append(dst, ' ')
		}
		if i < len(line) {
			dst = append(dst, hexDigits[line[i]>>4], hexDigits[line[i]&15], ' ')
		} else {
			dst = append(dst, "   "...)
		}
	}
	dst = append(dst, " |"...)
	for _, c := range line {
		if c < ' ' || c >= 0x7f {
			c = '.'
		}
		dst = append(dst, c)
	}
	return append(dst, "|\n"...)
}
