package format

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// FormatCSV is RFC 4180. No data is refused. What kvsh writes has this header,
// and lines that end in LF:
//
//	key,value,key_b64,value_b64,cf,expires
//	a,"1, 2",,,,
//	b,,,/w==,pictures,2026-12-01T00:00:00.000Z
//
// A key or value that is not UTF-8, or that holds a CR or NUL, which many
// programs would change, stands as standard base64 in the column named so, and
// the plain column is empty then. Both are empty for an empty value.
//
// The reader takes the columns in any order, wants key or key_b64 and value or
// value_b64, and ignores columns of other names. Lines may end in CRLF; inside
// quotes CR, LF and any other byte are data and stay as they are. A quote in a
// field without quotes is refused, and so is a line with more or fewer fields
// than the header.
//
// A file with the very header above must end in a line feed, so it shows if
// its last record was cut; other files need not. A cut between two lines does
// not show: use a JSON format where that matters.
const csvHeader = "key,value,key_b64,value_b64,cf,expires"

type csvExport struct{ *sink }

func newCSVExport(out *sink) *csvExport {
	out.buf = append(out.buf, csvHeader+"\n"...)
	return &csvExport{out}
}

func (e *csvExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	key, value := isCSVText(r.Key), isCSVText(r.Value)
	b := e.buf
	if key {
		b = appendCSVField(b, r.Key)
	}
	b = append(b, ',')
	if value {
		b = appendCSVField(b, r.Value)
	}
	b = append(b, ',')
	if !key {
		b = base64.StdEncoding.AppendEncode(b, r.Key)
	}
	b = append(b, ',')
	if !value {
		b = base64.StdEncoding.AppendEncode(b, r.Value)
	}
	b = append(b, ',')
	b = append(b, r.Family...)
	b = append(b, ',')
	if !r.Expires.IsZero() {
		b = appendTime(b, r.Expires)
	}
	e.buf = append(b, '\n')
	return e.flushIfFull()
}

func (e *csvExport) Close() error { return e.flush() }

// isCSVText reports whether other programs leave b alone in a field.
func isCSVText(b []byte) bool {
	return bytes.IndexByte(b, '\r') < 0 && bytes.IndexByte(b, 0) < 0 && utf8.Valid(b)
}

// appendCSVField appends a field, in quotes if it needs them. Blanks at the
// ends, and a byte order mark, need them too: some programs take them off.
func appendCSVField(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	first, last := b[0], b[len(b)-1]
	isPlain := first != ' ' && first != '\t' && first != 0xef && last != ' ' && last != '\t' &&
		bytes.IndexByte(b, '"') < 0 && bytes.IndexByte(b, ',') < 0 && bytes.IndexByte(b, '\n') < 0
	if isPlain {
		return append(dst, b...)
	}
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			dst = append(dst, b...)
			return append(dst, '"')
		}
		dst = append(dst, b[:i+1]...)
		dst = append(dst, '"')
		b = b[i+1:]
	}
}
