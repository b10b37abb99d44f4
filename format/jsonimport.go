package format

import (
	"bytes"
	"fmt"
)

// A jsonImport reads either JSON format.
type jsonImport struct {
	*importer
	parser jsonParser

	hasObject bool // one was seen
	hasHeader bool // the first was the header
	hasEnd    bool // the last was the end
	count     uint64
	checksum  uint32
}

// lines reads FormatJSONL.
func (m *jsonImport) lines(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	for {
		n, ended, err := m.lineEnd()
		if err != nil {
			return err
		}
		if n == 0 && !ended {
			return m.finish()
		}
		line := m.window()[:n]
		if len(bytes.TrimSpace(line)) > 0 {
			if err := m.line(line, ended, yield); err != nil {
				return err
			}
		}
		if ended {
			m.use(n+1, 1)
		} else {
			m.use(n, 0)
		}
	}
}

// line takes one line, which is not blank.
func (m *jsonImport) line(line []byte, ended bool, yield func(Record) bool) error {
	p := &m.parser
	p.buf, p.pos = line, 0
	fault := p.object()
	if fault == "" {
		if p.space(); p.pos < len(line) {
			fault = "text after the object"
		}
	}
	if fault != "" {
		if fault == errShort {
			fault = "the line is cut off"
		}
		return m.fail(p.pos, "bad JSON: "+fault)
	}
	if err := m.object(bytes.TrimSpace(line), yield); err != nil {
		return err
	}
	if m.hasEnd && !ended {
		return m.fail(len(line), "cut off: no line feed after the end record")
	}
	return nil
}

// array reads FormatJSON.
func (m *jsonImport) array(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	if err := m.skipSpace(); err != nil {
		return err
	}
	if len(m.window()) == 0 {
		return m.finish()
	}
	if m.window()[0] != '[' {
		return m.fail(0, "bad JSON: want one array of records (one object a line is the format jsonl)")
	}
	m.use(1, 0)
	for {
		c, err := m.next()
		if err != nil {
			return err
		}
		if c == ']' && !m.hasObject {
			break
		}
		if err := m.element(yield); err != nil {
			return err
		}
		if c, err = m.next(); err != nil {
			return err
		}
		if c == ']' {
			break
		}
		if c != ',' {
			return m.fail(0, "bad JSON: want , or ] after an element")
		}
		m.use(1, 0)
	}
	m.use(1, 0)
	return m.afterArray()
}

// afterArray checks what follows the array.
func (m *jsonImport) afterArray() error {
	if len(m.window()) == 0 {
		if err := m.more(); err != nil {
			return err
		}
	}
	if m.hasHeader && !bytes.HasPrefix(m.window(), []byte("\n")) && !bytes.HasPrefix(m.window(), []byte("\r")) {
		return m.fail(0, "cut off: no line feed after the array")
	}
	if err := m.skipSpace(); err != nil {
		return err
	}
	if len(m.window()) > 0 {
		return m.fail(0, "bad JSON: text after the array")
	}
	if !m.hasObject {
		return nil // an empty array is whole
	}
	return m.finish()
}

// next is the next byte that is not white space, which the file must have. It
// is not taken.
func (m *jsonImport) next() (byte, error) {
	if err := m.skipSpace(); err != nil {
		return 0, err
	}
	if len(m.window()) == 0 {
		return 0, m.fail(0, "bad JSON: the array is cut off")
	}
	return m.window()[0], nil
}

// skipSpace takes white space, to the end of the file if nothing else comes.
func (m *jsonImport) skipSpace() error {
	p := &m.parser
	for {
		p.buf, p.pos = m.window(), 0
		p.space()
		m.useCounting(p.pos)
		if len(m.window()) > 0 || m.eof {
			return m.err
		}
		if err := m.more(); err != nil {
			return err
		}
	}
}

// element takes one element of the array.
func (m *jsonImport) element(yield func(Record) bool) error {
	p := &m.parser
	for {
		p.buf, p.pos = m.window(), 0
		fault := p.object()
		if fault == "" {
			break
		}
		if fault != errShort {
			return m.fail(p.pos, "bad JSON: "+fault)
		}
		if m.eof {
			return m.fail(p.pos, "bad JSON: the array is cut off")
		}
		if err := m.more(); err != nil {
			return err
		}
	}
	n := p.pos
	if err := m.object(p.buf[:n], yield); err != nil {
		return err
	}
	m.useCounting(n)
	return nil
}

// object acts on the object just parsed, whose text is given.
func (m *jsonImport) object(text []byte, yield func(Record) bool) error {
	p := &m.parser
	isFirst := !m.hasObject
	m.hasObject = true
	if m.hasEnd {
		return m.fail(0, "an object after the end record")
	}
	if p.kvsh != nil && !p.hasKey {
		return m.frame(isFirst)
	}
	r := Record{Key: p.key, Value: p.value, Rev: p.rev}
	if fault := m.complete(&r); fault != "" {
		return m.fail(0, fault)
	}
	if m.hasHeader {
		m.count++
		m.checksum = jsonChecksum(m.checksum, text)
	}
	if !yield(r) {
		return errStopped
	}
	return nil
}

// complete checks the fields of the object just parsed and moves them into r.
func (m *jsonImport) complete(r *Record) (fault string) {
	p := &m.parser
	switch {
	case !p.hasKey:
		return `no field "key"`
	case !p.hasValue:
		return `no field "value"`
	}
	if fault := recordFault(r); fault != "" {
		return fault
	}
	if r.Family, fault = m.familyOf(p.family); fault != "" {
		return fault
	}
	if len(p.time) > 0 {
		// Nothing hangs on it, and other programs have fields of that name.
		r.Time, _ = parseTime(p.time)
	}
	if p.expires != nil {
		if r.Expires, fault = expiryOf(p.expires); fault != "" {
			return fault
		}
	}
	return ""
}

// frame acts on a header or an end record.
func (m *jsonImport) frame(isFirst bool) error {
	p := &m.parser
	switch string(p.kvsh) {
	case jsonHeader:
		if !isFirst {
			return m.fail(0, "a header after the first object: two exports in one file?")
		}
		if p.version != jsonVersion {
			return m.fail(0, fmt.Sprintf("export version %d, this program reads %d: written by a newer kvsh?", p.version, jsonVersion))
		}
		m.hasHeader = true
		return nil
	case jsonEnd:
	default:
		return m.fail(0, fmt.Sprintf("unknown sort of object: kvsh is %q", p.kvsh))
	}
	switch {
	case !m.hasHeader:
		return m.fail(0, "an end record without a header: the start of the file is missing")
	case p.count != m.count:
		return m.fail(0, fmt.Sprintf("the file holds %d records and was written with %d; %s", m.count, p.count, jsonSpareWord))
	case string(p.checksum) != string(appendChecksum(nil, m.checksum)):
		return m.fail(0, "checksum mismatch: the records are not as they were written; "+jsonSpareWord)
	}
	m.hasEnd = true
	return nil
}

// finish is the verdict at the end of the file.
func (m *jsonImport) finish() error {
	switch {
	case !m.hasObject:
		return m.fail(0, "the input is empty")
	case m.hasHeader && !m.hasEnd:
		return m.fail(0, "cut off: no end record")
	}
	return nil
}
