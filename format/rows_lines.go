package format

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// lineRows are the modes in which a row is its cells with something after each:
// raw, quoted, TSV, NUL and hex. At a terminal raw and NUL show control bytes
// as escapes, NUL itself as \0; raw leaves line feeds alone.
type lineRows struct {
	mode     Mode
	cols     []Column
	header   bool
	terminal bool
}

func (e *lineRows) begin(dst []byte, _ [][]cell) []byte {
	if !e.header {
		return dst
	}
	for i, c := range e.cols {
		dst = appendTSVCell(dst, []byte(c.Name))
		dst = e.appendAfter(dst, i)
	}
	return dst
}

// appendAfter appends what stands after cell i of a row.
func (e *lineRows) appendAfter(dst []byte, i int) []byte {
	switch {
	case e.mode == NUL && e.terminal:
		return append(dst, `\0`...)
	case e.mode == NUL:
		return append(dst, 0)
	case i < len(e.cols)-1:
		return append(dst, '\t')
	}
	return append(dst, '\n')
}

func (e *lineRows) row(dst []byte, cells []cell) ([]byte, error) {
	for i := range cells {
		c := &cells[i]
		switch {
		case !c.isBytes():
			dst = c.appendPlain(dst)
		case c.absent:
		case e.mode == Quoted:
			dst = AppendQuote(dst, c.b)
		case e.mode == TSV, e.mode == Hex && c.kind == Text:
			dst = appendTSVCell(dst, c.b)
		case e.mode == Hex:
			dst = appendHexPairs(dst, c.b)
		case e.mode == NUL && bytes.IndexByte(c.b, 0) >= 0:
			return dst, fmt.Errorf("%s %s %w", e.cols[i].Name, quoteStart(c.b), ErrNUL)
		case e.terminal:
			dst = appendShown(dst, c.b, e.mode == Raw)
		default:
			dst = append(dst, c.b...)
		}
		dst = e.appendAfter(dst, i)
	}
	return dst, nil
}

func (e *lineRows) end(dst []byte) []byte { return dst }

// appendTSVCell appends a field of TSV: \t \n \r \0 and \\ for those bytes, and
// \xHH for other controls, bytes that are not UTF-8, and each byte of a rune
// that does not print. What is left is clean text on one line.
func appendTSVCell(dst, b []byte) []byte {
	start := 0 // of the bytes that go over as they are
	for i := 0; i < len(b); {
		c, n := b[i], 1
		if c >= ' ' && c < 0x7f && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			var r rune
			r, n = utf8.DecodeRune(b[i:])
			if (r != utf8.RuneError || n > 1) && isPrintable(r) {
				i += n
				continue
			}
		}
		dst = append(dst, b[start:i]...)
		for _, c := range b[i : i+n] {
			dst = appendEscapedByte(dst, c)
		}
		i += n
		start = i
	}
	return append(dst, b[start:]...)
}

// appendHexPairs appends b as pairs of hexadecimal digits split by spaces,
// which xxd -r -p reads back.
func appendHexPairs(dst, b []byte) []byte {
	for i, c := range b {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// quoteStart quotes b for a message, which names a thing and need not hold all
// of it.
func quoteStart(b []byte) string {
	const most = 64
	if len(b) <= most {
		return Quote(b)
	}
	return Quote(b[:most]) + "…"
}
