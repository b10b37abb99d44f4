package format

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// csvRows writes RFC 4180 with a header, and LF at the end of lines as other
// Unix programs do.
//
// Bytes that are not clean (not UTF-8, or holding CR or NUL, which other
// programs change or choke on) stand as base64 in a column of their own, named
// key_b64 for the column key, which is empty then. Those columns come last, and
// only if they are needed: the first rows, up to 200 or 1 MiB, decide it. If a
// later row is the first that is not clean, its bytes stand in quotes as they
// are. Nothing is lost then either, for a reader that leaves quoted bytes alone,
// as that of kvsh does.
//
// At a terminal also control bytes are not clean, and a row that comes too late
// for a column shows them escaped: nobody reads that back.
type csvRows struct {
	cols     []Column
	twin     []bool // which columns have a base64 twin
	terminal bool
}

func (e *csvRows) begin(dst []byte, sample [][]cell) []byte {
	e.twin = make([]bool, len(e.cols))
	for _, row := range sample {
		for i := range row {
			if row[i].isBytes() && !e.isClean(row[i].b) {
				e.twin[i] = true
			}
		}
	}
	for i, c := range e.cols {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCSVCell(dst, []byte(c.Name))
	}
	for i, c := range e.cols {
		if e.twin[i] {
			dst = appendCSVCell(append(dst, ','), []byte(c.Name+"_b64"))
		}
	}
	return append(dst, '\n')
}

func (e *csvRows) row(dst []byte, cells []cell) ([]byte, error) {
	start := len(dst)
	for i := range cells {
		c := &cells[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case !c.isBytes():
			dst = c.appendPlain(dst)
		case e.isClean(c.b):
			dst = appendCSVCell(dst, c.b)
		case !e.twin[i] && e.terminal:
			dst = appendCSVCell(dst, []byte(Safe(string(c.b))))
		case !e.twin[i]:
			dst = appendCSVCell(dst, c.b)
		}
	}
	for i := range cells {
		if e.twin[i] {
			dst = append(dst, ',')
			if !e.isClean(cells[i].b) {
				dst = base64.StdEncoding.AppendEncode(dst, cells[i].b)
			}
		}
	}
	if len(dst) == start {
		dst = append(dst, `""`...) // an empty line is no row to many readers
	}
	return append(dst, '\n'), nil
}

func (e *csvRows) end(dst []byte) []byte { return dst }

// isClean reports whether a field can stand as it is.
func (e *csvRows) isClean(b []byte) bool {
	return isCleanCSV(b) && (!e.terminal || bytes.IndexFunc(b, func(r rune) bool { return r != '\n' && r != '\t' && !isPrintable(r) }) < 0)
}

// isCleanCSV reports whether other programs take b as a field and give it back
// equal.
func isCleanCSV(b []byte) bool {
	return bytes.IndexByte(b, '\r') < 0 && bytes.IndexByte(b, 0) < 0 && utf8.Valid(b)
}

// appendCSVCell appends a field, in quotes where it needs them. Blanks at its ends
// and a byte order mark need them too, because some readers take those off.
func appendCSVCell(dst, b []byte) []byte {
	quote := len(b) > 0 && (b[0] == ' ' || b[0] == 0xef || b[0] == '\t' || b[len(b)-1] == ' ' || b[len(b)-1] == '\t') ||
		bytes.ContainsAny(b, ",\"\r\n")
	if !quote {
		return append(dst, b...)
	}
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return append(append(dst, b...), '"')
		}
		dst = append(append(dst, b[:i+1]...), '"')
		b = b[i+1:]
	}
}
