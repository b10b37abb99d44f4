package format

import (
	"encoding/base64"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonRows writes each row as an object: with JSONL one a line, with JSON in
// an array, one a line too. Bytes that are UTF-8 are a string; others are
// base64 (RFC 4648, padded), and "_b64" is added to the name of the column.
// Absent cells are left out. TTL is a number of seconds.
type jsonRows struct {
	cols  []Column
	names [][2]string // of each column, quoted with the colon: plain, base64
	array bool
	any   bool // a row was written
}

func newJSONRows(mode Mode, cols []Column) *jsonRows {
	e := &jsonRows{cols: cols, array: mode == JSON}
	for _, c := range cols {
		plain := appendJSONLiteral(nil, []byte(c.Name))
		b64 := appendJSONLiteral(nil, []byte(c.Name+"_b64"))
		e.names = append(e.names, [2]string{string(append(plain, ':')), string(append(b64, ':'))})
	}
	return e
}

func (e *jsonRows) begin(dst []byte, _ [][]cell) []byte {
	if e.array {
		dst = append(dst, '[')
	}
	return dst
}

func (e *jsonRows) row(dst []byte, cells []cell) ([]byte, error) {
	if e.array {
		if e.any {
			dst = append(dst, ',')
		}
		dst = append(dst, '\n')
	}
	e.any = true
	dst = append(dst, '{')
	first := true
	for i := range cells {
		c := &cells[i]
		if c.absent {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = e.appendMember(dst, i, c)
	}
	dst = append(dst, '}')
	if !e.array {
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (e *jsonRows) appendMember(dst []byte, i int, c *cell) []byte {
	switch {
	case c.isBytes() && utf8.Valid(c.b):
		return appendJSONLiteral(append(dst, e.names[i][0]...), c.b)
	case c.isBytes():
		dst = append(append(dst, e.names[i][1]...), '"')
		return append(base64.StdEncoding.AppendEncode(dst, c.b), '"')
	case c.kind == Time || c.kind == Age:
		dst = append(append(dst, e.names[i][0]...), '"')
		return append(c.appendPlain(dst), '"')
	}
	return c.appendPlain(append(dst, e.names[i][0]...))
}

func (e *jsonRows) end(dst []byte) []byte {
	if e.array {
		if e.any {
			dst = append(dst, '\n')
		}
		dst = append(dst, "]\n"...)
	}
	return dst
}

// appendJSONLiteral appends b, which is UTF-8, as a JSON string. Runes that a
// terminal would not show as themselves are escaped too.
func appendJSONLiteral(dst, b []byte) []byte {
	dst = append(dst, '"')
	start := 0 // of the bytes that go over as they are
	for i := plainRun(b); i < len(b); i += plainRun(b[i:]) {
		r, n := utf8.DecodeRune(b[i:])
		if r >= utf8.RuneSelf && isPrintable(r) {
			i += n
			continue
		}
		dst = append(dst, b[start:i]...)
		dst = appendJSONEscape(dst, r)
		i += n
		start = i
	}
	return append(append(dst, b[start:]...), '"')
}

func appendJSONEscape(dst []byte, r rune) []byte {
	switch r {
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '"', '\\':
		return append(dst, '\\', byte(r))
	}
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendJSONEscape(appendJSONEscape(dst, high), low)
	}
	dst = append(dst, `\u`...)
	for digits := (bits.Len32(uint32(r)) + 3) / 4; digits < 4; digits++ {
		dst = append(dst, '0')
	}
	if r == 0 {
		return dst
	}
	return strconv.AppendInt(dst, int64(r), 16)
}
