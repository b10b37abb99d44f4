package format

import "encoding/base64"

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
	key, value := isCleanCSV(r.Key), isCleanCSV(r.Value)
	b := e.buf
	if key {
		b = appendCSVCell(b, r.Key)
	}
	b = append(b, ',')
	if value {
		b = appendCSVCell(b, r.Value)
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
