package format

import (
	"bytes"
	"fmt"
)

// FormatEnv is a file of assignments that sh reads with ".", one a line:
//
//	NAME='value'
//	QUOTE='it'\''s'
//
// Line feeds stand in the quotes as they are. It refuses with ErrEnvName a key
// that is no name of a variable, with ErrNUL a value that holds a NUL, and,
// unless ExportOptions.Bare is set, with ErrNotHeld a record that has a family
// or an expiry, which would be lost. Revision and time are left out.
//
// The reader takes what sh would read to one and the same value everywhere:
// words NAME=value, several in a line or not, with or without export before
// them, with quotes '…' and "…" and backslashes; comments; and semicolons. It
// refuses whatever sh would work out or run: $ and ` outside of '…', ~ where it
// is a directory, patterns and braces after export, other commands.
//
// A blank, a line feed or a semicolon must follow each assignment, so a cut
// inside one shows. A cut between two does not, and an empty file has no
// records.
type envExport struct {
	*sink
	bare bool
}

func (e *envExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	if !e.bare {
		if err := e.refuseFamily(&r); err != nil {
			return err
		}
		if err := e.refuseExpiry(&r); err != nil {
			return err
		}
	}
	b, err := appendEnv(e.buf, r.Key, r.Value)
	if err != nil {
		return e.refuse(err)
	}
	e.buf = b
	return e.flushIfFull()
}

func (e *envExport) Close() error { return e.flush() }

// refuseFamily refuses a record with a family, where a format has no room for it.
func (s *sink) refuseFamily(r *Record) error {
	if r.Family == "" {
		return nil
	}
	return s.refuse(fmt.Errorf("%s is in column family %s: %w", quoteStart(r.Key), r.Family, ErrNotHeld))
}

// refuseExpiry refuses a record that expires, where a format has no room for it.
func (s *sink) refuseExpiry(r *Record) error {
	if r.Expires.IsZero() {
		return nil
	}
	return s.refuse(fmt.Errorf("%s expires: %w", quoteStart(r.Key), ErrNotHeld))
}

// An envImport reads FormatEnv.
type envImport struct {
	*importer

	isExport bool   // after the word export, until the command ends
	hasWord  bool   // the command has an assignment
	value    []byte // of the assignment just read, without its quotes
}

// records reads the whole file.
func (m *envImport) records(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	for {
		if m.start == m.end && !m.eof {
			if err := m.more(); err != nil {
				return err
			}
		}
		n, err := m.token(yield)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		m.useCounting(n)
	}
}

// token takes what the window begins with: blanks, a comment, an end of a
// command or a word. It returns its length, and 0 at the end of the input.
func (m *envImport) token(yield func(Record) bool) (n int, err error) {
	w := m.window()
	if len(w) == 0 {
		if m.err == nil && m.isExport && !m.hasWord {
			return 0, m.fail(0, faultNoLineFeed)
		}
		return 0, m.err
	}
	switch w[0] {
	case ' ', '\t':
		return 1, nil
	case '\n', ';':
		if !m.hasWord && (m.isExport || w[0] == ';') {
			return 0, m.fail(0, faultEnvWord)
		}
		m.isExport, m.hasWord = false, false
		return 1, nil
	case '#':
		n, ended, err := m.lineEnd()
		if err == nil && !ended {
			err = m.fail(n, faultNoLineFeed)
		}
		return n, err
	}
	return m.command(yield)
}

// command takes the word that the window begins with: an assignment, or export.
func (m *envImport) command(yield func(Record) bool) (n int, err error) {
	for {
		w := m.window()
		n, name, fault := m.word(w)
		switch {
		case fault == faultNoLineFeed && !m.eof:
			if err := m.more(); err != nil {
				return 0, err
			}
			continue
		case fault != "":
			return 0, m.fail(n, fault)
		case name < 0 && (m.isExport || m.hasWord):
			return 0, m.fail(0, faultEnvWord)
		case name < 0:
			m.isExport = true
			return n, nil
		}
		r := Record{Family: m.family, Key: w[:name], Value: m.value}
		if fault := recordFault(&r); fault != "" {
			return 0, m.fail(0, fault)
		}
		if !yield(r) {
			return 0, errStopped
		}
		m.hasWord = true
		return n, nil
	}
}

// faultNoLineFeed may be mended by more bytes.
const faultNoLineFeed = "cut off: no line feed at the end, or an open quote"

// word reads the word that text begins with into value. It returns its length
// and that of the name before the =, which is -1 for the word export. With a
// fault, n is where that is.
func (m *envImport) word(text []byte) (n, name int, fault string) {
	for name < len(text) && isEnvNameByte(text[name]) {
		name++
	}
	switch {
	case name == len(text):
		return len(text), 0, faultNoLineFeed
	case string(text[:name]) == "export" && (text[name] == ' ' || text[name] == '\t'):
		return name, -1, ""
	case !isEnvName(text[:name]) || text[name] != '=':
		return 0, 0, faultEnvWord
	}
	m.value = m.value[:0]
	n = name + 1
	for n < len(text) {
		size, fault := 0, ""
		switch text[n] {
		case ' ', '\t', '\n', ';':
			return n, name, ""
		case '\'':
			size = bytes.IndexByte(text[n+1:], '\'') + 2
			if size == 1 {
				return len(text), 0, faultNoLineFeed
			}
			m.value = append(m.value, text[n+1:n+size-1]...)
			if bytes.IndexByte(text[n:n+size], 0) >= 0 {
				fault = faultEnvNUL
			}
		case '"':
			size, fault = m.doubleQuoted(text[n:])
		default:
			size, fault = m.bare(text[n:])
		}
		if n += size; fault != "" {
			return n, 0, fault
		}
	}
	return n, 0, faultNoLineFeed
}

// isEnvNameByte reports whether a name of a variable can hold c.
func isEnvNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// The faults that a word can have.
const (
	faultEnvWord   = "want NAME=value, where a name has letters, digits and _"
	faultEnvNUL    = "a NUL byte, which no variable can hold"
	faultEnvExpand = "sh would replace this: put it in '…'"
)

// bare takes the byte that text begins with, outside of quotes, and the one
// after a backslash.
func (m *envImport) bare(text []byte) (size int, fault string) {
	switch c := text[0]; c {
	case '\\':
		switch {
		case len(text) == 1:
			return 1, faultNoLineFeed
		case text[1] == 0:
			return 1, faultEnvNUL
		case text[1] != '\n': // which joins two lines
			m.value = append(m.value, text[1])
		}
		return 2, ""
	case 0:
		return 0, faultEnvNUL
	case '$', '`':
		return 0, faultEnvExpand
	case '|', '&', '<', '>', '(', ')':
		return 0, "sh would run this: put it in '…'"
	case '\r':
		return 0, "a carriage return, which sh takes as part of the value (put it in '…', or end the lines in LF alone)"
	case '~':
		if len(m.value) == 0 || m.value[len(m.value)-1] == ':' { // a directory
			return 0, faultEnvExpand
		}
	case '*', '?', '[', '{':
		if m.isExport { // some shells look for files then
			return 0, faultEnvExpand
		}
	}
	m.value = append(m.value, text[0])
	return 1, ""
}

// doubleQuoted takes the "…" that text begins with. With a fault, size is where
// that is.
func (m *envImport) doubleQuoted(text []byte) (size int, fault string) {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return i + 1, ""
		case 0:
			return i, faultEnvNUL
		case '$', '`':
			return i, faultEnvExpand
		case '\\':
			if i+1 == len(text) {
				return i, faultNoLineFeed
			}
			switch next := text[i+1]; next {
			case '\n': // joins two lines
				i++
			case '$', '`', '"', '\\':
				m.value = append(m.value, next)
				i++
			default:
				m.value = append(m.value, c)
			}
		default:
			m.value = append(m.value, c)
		}
	}
	return len(text), faultNoLineFeed
}
