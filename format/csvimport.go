package format

import (
	"bytes"
	"fmt"
)

// A csvImport reads FormatCSV.
type csvImport struct {
	*importer
	rows rowReader

	fields   [][]byte // of the row just split, in the window or in unquoted
	starts   []int    // where each field begins in the window
	unquoted []byte   // fields that held doubled quotes
}

// records reads the whole file.
func (m *csvImport) records(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	isOurs, isFirst := false, true
	for {
		n, lines, ended, err := m.row()
		if err != nil {
			return err
		}
		if n == 0 {
			if isFirst {
				return m.fail(0, "the input is empty: a CSV file begins with a header such as key,value")
			}
			return nil
		}
		switch {
		case isFirst:
			isFirst = false
			isOurs = string(bytes.TrimRight(m.window()[:n], "\r\n")) == csvHeader
			if !ended {
				return m.fail(n, "cut off: no line feed after the header")
			}
			var fault string
			if m.rows.columns, fault = columnsOf(m.fields); fault != "" {
				return m.fail(0, fault)
			}
		case isOurs && !ended:
			return m.fail(n, "cut off: no line feed at the end")
		case n <= 2 && len(bytes.Trim(m.window()[:n], "\r\n")) == 0:
			// A blank line: no record is one, for a key is not empty.
		default:
			if err := m.record(yield); err != nil {
				return err
			}
		}
		m.use(n, lines)
	}
}

// record takes the row just split.
func (m *csvImport) record(yield func(Record) bool) error {
	r, field, fault := m.rows.record(m.importer, m.fields)
	if fault != "" {
		return m.fail(m.starts[field], fault)
	}
	if !yield(r) {
		return errStopped
	}
	return nil
}

// row splits the row at the start of the window. It returns its length with
// its line end, how many line feeds that holds, and whether there is a line end
// rather than the end of the file. The length is 0 at the end of the file.
func (m *csvImport) row() (n int, lines int64, ended bool, err error) {
	for {
		n, lines, ended, fault := m.split(m.window())
		switch {
		case fault == "" && (ended || m.eof):
			return n, lines, ended, m.err
		case fault == "" || fault == faultOpenQuote && !m.eof:
			if err := m.more(); err != nil {
				return 0, 0, false, err
			}
		default:
			return 0, 0, false, m.fail(n, fault)
		}
	}
}

// faultOpenQuote may be mended by more bytes.
const faultOpenQuote = "a quote is still open at the end of the file"

// faultLongField is the fault of a field that nothing in a record has room for.
// It is found when its text must be copied; others cost no memory of their own.
var faultLongField = fmt.Sprintf("a field of more than %d bytes, and no value has more", MaxValueSize)

// maxColumns bounds the fields of a row, of which each costs more memory than
// its bytes.
const maxColumns = 100_000

// split cuts the first row of text into fields. With a fault, n is where it is.
func (m *csvImport) split(text []byte) (n int, lines int64, ended bool, fault string) {
	m.fields, m.starts, m.unquoted = m.fields[:0], m.starts[:0], m.unquoted[:0]
	end := bytes.IndexByte(text, '\n') // of the line that n is in
	for {
		if len(m.fields) == maxColumns {
			return n, lines, false, fmt.Sprintf("more than %d columns", maxColumns)
		}
		m.starts = append(m.starts, n)
		if n < len(text) && text[n] == '"' {
			length, inside, fault := m.quoted(text[n:])
			if fault != "" {
				return n, lines, false, fault
			}
			lines += inside
			n += length
			if inside > 0 {
				if end = bytes.IndexByte(text[n:], '\n'); end >= 0 {
					end += n
				}
			}
			rest := text[n:]
			switch {
			case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
				return len(text), lines, false, ""
			case rest[0] == ',':
				n++
				continue
			case rest[0] == '\n':
				return n + 1, lines + 1, true, ""
			case rest[0] == '\r' && rest[1] == '\n':
				return n + 2, lines + 1, true, ""
			}
			return n, lines, false, "text after a closing quote (a quote inside quotes is written twice)"
		}
		line := text[n:]
		if end >= 0 {
			line = text[n:end]
		}
		comma := bytes.IndexByte(line, ',')
		field := line
		if comma >= 0 {
			field = line[:comma]
		} else if k := len(field) - 1; k >= 0 && field[k] == '\r' {
			field = field[:k]
		}
		if at := bytes.IndexByte(field, '"'); at >= 0 {
			return n + at, lines, false, "a quote in a field without quotes"
		}
		if at := bytes.IndexByte(field, '\r'); at >= 0 {
			return n + at, lines, false, "a carriage return outside quotes that ends no line"
		}
		m.fields = append(m.fields, field)
		switch {
		case comma >= 0:
			n += comma + 1
		case end >= 0:
			return end + 1, lines + 1, true, ""
		default:
			return len(text), lines, false, ""
		}
	}
}

// quoted takes the field in quotes that text begins with. It returns its length
// with the quotes and the line feeds in it.
func (m *csvImport) quoted(text []byte) (n int, lines int64, fault string) {
	start := len(m.unquoted)
	n = 1
	for {
		i := bytes.IndexByte(text[n:], '"')
		if i < 0 {
			return 0, 0, faultOpenQuote
		}
		part := text[n : n+i]
		lines += int64(bytes.Count(part, lineFeed))
		n += i + 1
		isDoubled := n < len(text) && text[n] == '"'
		if !isDoubled {
			if len(m.unquoted) > start {
				m.unquoted = append(m.unquoted, part...)
				part = m.unquoted[start:]
			}
			m.fields = append(m.fields, part)
			return n, lines, ""
		}
		m.unquoted = append(m.unquoted, part...)
		m.unquoted = append(m.unquoted, '"')
		if len(m.unquoted)-start > MaxValueSize {
			return 0, 0, faultLongField
		}
		n++
	}
}
