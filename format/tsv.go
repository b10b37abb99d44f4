package format

import (
	"bytes"
	"fmt"
	"strings"
)

// FormatTSV is a record a line, the fields split by tabs. No data is refused:
// the bytes \t \n \r \\ \0 are escaped so, and the bytes of whatever else does
// not print as \xHH. What kvsh writes begins with this header:
//
//	key	value	cf	expires
//
// The reader takes as a header a first line with fields key and value, in any
// order and among others, which it ignores. Without one, a line is a key and a
// value. It takes any byte that is not a tab or line feed as itself, and \" and
// \u{…} for what they are in a literal; another backslash is refused. A CR
// before the line feed belongs to the line end.
//
// A file with the very header above must end in a line feed, so it shows if
// its last record was cut; other files need not. A cut between two lines does
// not show, and an empty file has no records.
const tsvHeader = "key\tvalue\tcf\texpires"

type tsvExport struct{ *sink }

func newTSVExport(out *sink) *tsvExport {
	out.buf = append(out.buf, tsvHeader+"\n"...)
	return &tsvExport{out}
}

func (e *tsvExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	b := appendTSVCell(e.buf, r.Key)
	b = append(b, '\t')
	b = appendTSVCell(b, r.Value)
	b = append(b, '\t')
	b = append(b, r.Family...)
	b = append(b, '\t')
	if !r.Expires.IsZero() {
		b = appendTime(b, r.Expires)
	}
	e.buf = append(b, '\n')
	return e.flushIfFull()
}

func (e *tsvExport) Close() error { return e.flush() }

// A tsvImport reads FormatTSV.
type tsvImport struct {
	*importer
	rows rowReader

	fields  [][]byte // of the line just split, in the line or in escaped
	starts  []int    // where each field begins in the line
	escaped []byte   // fields that held escapes
}

// records reads the whole file.
func (m *tsvImport) records(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	m.rows.columns = columns{key: 0, value: 1, keyBase64: -1, valueBase64: -1, family: -1, expires: -1, count: 2}
	isOurs, isFirst := false, true
	for {
		n, ended, err := m.lineEnd()
		if err != nil {
			return err
		}
		if n == 0 && !ended {
			return nil
		}
		line := bytes.TrimSuffix(m.window()[:n], []byte{'\r'})
		if isFirst && !ended && strings.HasPrefix(tsvHeader, string(line)) {
			return m.fail(n, "cut off: no line feed after the header")
		}
		if isFirst && isTSVHeader(line) {
			isOurs = string(line) == tsvHeader
			var fault string
			if m.rows.columns, fault = columnsOf(bytes.Split(line, []byte{'\t'})); fault != "" {
				return m.fail(0, fault)
			}
		} else if len(line) > 0 { // a blank line is no record, for a key is not empty
			if isOurs && !ended {
				return m.fail(n, "cut off: no line feed at the end")
			}
			if err := m.record(line, yield); err != nil {
				return err
			}
		}
		isFirst = false
		if !ended {
			m.use(n, 0)
			continue
		}
		m.use(n+1, 1)
	}
}

// isTSVHeader reports whether a first line names its fields.
func isTSVHeader(line []byte) bool {
	var hasKey, hasValue bool
	for len(line) > 0 {
		var name []byte
		name, line, _ = bytes.Cut(line, []byte{'\t'})
		hasKey = hasKey || string(name) == "key"
		hasValue = hasValue || string(name) == "value"
	}
	return hasKey && hasValue
}

// record takes one line, which is not blank.
func (m *tsvImport) record(line []byte, yield func(Record) bool) error {
	if at, fault := m.split(line); fault != "" {
		return m.fail(at, fault)
	}
	if len(m.fields) != m.rows.count {
		return m.fail(0, fmt.Sprintf("%d fields split by tabs, want %d", len(m.fields), m.rows.count))
	}
	r, field, fault := m.rows.record(m.importer, m.fields)
	if fault != "" {
		return m.fail(m.starts[field], fault)
	}
	if !yield(r) {
		return errStopped
	}
	return nil
}

// split cuts a line into fields and takes the escapes out.
func (m *tsvImport) split(line []byte) (at int, fault string) {
	m.fields, m.starts, m.escaped = m.fields[:0], m.starts[:0], m.escaped[:0]
	for at = 0; ; {
		m.starts = append(m.starts, at)
		field := line[at:]
		tab := bytes.IndexByte(field, '\t')
		if tab >= 0 {
			field = field[:tab]
		}
		if i := bytes.IndexByte(field, '\\'); i >= 0 {
			start := len(m.escaped)
			if i, fault = m.unescape(field, i); fault != "" {
				return at + i, fault
			}
			m.fields = append(m.fields, m.escaped[start:])
		} else {
			m.fields = append(m.fields, field)
		}
		if tab < 0 {
			return 0, ""
		}
		at += tab + 1
	}
}

// unescape appends to escaped what field stands for, whose first backslash is
// at i. With a fault, at is where it is.
func (m *tsvImport) unescape(field []byte, i int) (at int, fault string) {
	start, from := 0, len(m.escaped)
	for {
		m.escaped = append(m.escaped, field[start:i]...)
		if len(m.escaped)-from > MaxValueSize {
			return i, faultLongField
		}
		if i+1 == len(field) {
			return i, `a single backslash at the end of a field (write \\)`
		}
		var n int
		if m.escaped, n, fault = appendUnescaped(m.escaped, field[i:]); fault != "" {
			return i, fault + ` (a backslash is written \\)`
		}
		start = i + n
		next := bytes.IndexByte(field[start:], '\\')
		if next < 0 {
			m.escaped = append(m.escaped, field[start:]...)
			return 0, ""
		}
		i = start + next
	}
}
