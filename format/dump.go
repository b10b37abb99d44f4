package format

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// FormatDump is the text that db_dump of Berkeley DB and mdb_dump of LMDB write
// and db_load and mdb_load read. What kvsh writes has this header, and then a
// line for each key and each value, of a space and hexadecimal digits:
//
//	VERSION=3
//	format=bytevalue
//	type=btree
//	HEADER=END
//	 61
//	 31
//	DATA=END
//
// Records of a column family stand in a block of their own, whose header has
// the line database=NAME: a named database. It refuses with ErrNotHeld, unless
// ExportOptions.Bare is set, a record that expires. Revision and time are left
// out. (mdb_load makes a map of 10 MiB unless the header says mapsize=BYTES,
// which db_load would not take; LMDB takes keys of up to 511 bytes.)
//
// The reader also takes format=print, where bytes that print stand for
// themselves and others as \HH, several blocks, and header lines it does not
// know. A database=NAME that names no column family is refused, and so are
// databases of numbers instead of keys (recno, queue) and one key twice in a
// row, of a database with duplicates: which value is meant?
//
// mdb_dump -p before LMDB 0.9.25 writes a backslash as it is. Where a dump of LMDB
// shows that, it is refused; but \00 in it may be a NUL or these three characters,
// and is taken for the NUL. mdb_dump without -p has one meaning always.
//
// Each block ends in DATA=END and a line feed, so a file cut anywhere in one is
// refused, and so is an empty one. A cut between two blocks does not show.
const (
	dumpVersion   = "VERSION=3"
	dumpHeaderEnd = "HEADER=END"
	dumpDataEnd   = "DATA=END"
)

type dumpExport struct {
	*sink
	bare   bool
	isOpen bool   // a block is
	family string // of the open block
}

func (e *dumpExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	if !e.bare {
		if err := e.refuseExpiry(&r); err != nil {
			return err
		}
	}
	if !e.isOpen || r.Family != e.family {
		e.end()
		e.begin(r.Family)
	}
	b := hex.AppendEncode(append(e.buf, ' '), r.Key)
	b = hex.AppendEncode(append(b, "\n "...), r.Value)
	e.buf = append(b, '\n')
	return e.flushIfFull()
}

// begin writes the header of a block.
func (e *dumpExport) begin(family string) {
	e.buf = append(e.buf, dumpVersion+"\nformat=bytevalue\n"...)
	if family != "" {
		e.buf = append(append(append(e.buf, "database="...), family...), '\n')
	}
	e.buf = append(e.buf, "type=btree\n"+dumpHeaderEnd+"\n"...)
	e.isOpen, e.family = true, family
}

// end ends the block that is open, if one is.
func (e *dumpExport) end() {
	if e.isOpen {
		e.buf = append(e.buf, dumpDataEnd+"\n"...)
	}
	e.isOpen = false
}

func (e *dumpExport) Close() error {
	if e.err != nil {
		return e.err
	}
	if e.family == "" && !e.isOpen {
		e.begin("") // no records make an empty database, not an empty file
	}
	e.end()
	return e.flush()
}

// A dumpImport reads FormatDump.
type dumpImport struct {
	*importer

	isPrint  bool   // format=print, else bytevalue
	isLMDB   bool   // the header is one of mdb_dump
	blockOf  string // the family of the records of this block
	hasKey   bool   // key is one that waits for its value
	hasLast  bool   // last is a key of this block
	key      []byte
	last     []byte // the key before
	value    []byte
	hasBlock bool // there was one
}

// records reads the whole file.
func (m *dumpImport) records(yield func(Record) bool) error {
	for {
		line, err := m.line()
		if err != nil {
			return err
		}
		if line == nil {
			if !m.hasBlock {
				return m.fail(0, "the input is empty: a dump begins with "+dumpVersion)
			}
			return nil
		}
		if len(line) > 0 || !m.hasBlock {
			if string(line) != dumpVersion {
				return m.fail(0, "want "+dumpVersion+", with which a dump of db_dump or mdb_dump begins")
			}
			m.useLine(line)
			if err := m.header(); err != nil {
				return err
			}
			if err := m.data(yield); err != nil {
				return err
			}
			m.hasBlock = true
			continue
		}
		m.useLine(line) // blank lines may follow a block
	}
}

// line returns the next line without its LF; it stays in the window until
// useLine. At the end of the input it is nil. A line that the end of the input
// cut is refused.
func (m *dumpImport) line() ([]byte, error) {
	n, ended, err := m.lineEnd()
	switch {
	case err != nil:
		return nil, err
	case !ended && n == 0:
		return nil, nil
	case !ended:
		return nil, m.fail(n, "cut off: no line feed at the end")
	}
	return m.window()[:n:n], nil
}

// useLine takes the line that line returned.
func (m *dumpImport) useLine(line []byte) { m.use(len(line)+1, 1) }

// maxDumpHeader is the lines of a header. db_dump writes a dozen.
const maxDumpHeader = 1000

// header reads the lines up to HEADER=END.
func (m *dumpImport) header() error {
	m.isPrint, m.isLMDB, m.blockOf, m.hasLast = false, false, m.family, false
	for n := 0; ; n++ {
		if n == maxDumpHeader {
			return m.fail(0, fmt.Sprintf("a header of more than %d lines", maxDumpHeader))
		}
		line, err := m.line()
		if err != nil {
			return err
		}
		if line == nil {
			return m.fail(0, "cut off: no "+dumpHeaderEnd)
		}
		if string(line) == dumpHeaderEnd {
			m.useLine(line)
			return nil
		}
		name, text, hasText := bytes.Cut(line, []byte{'='})
		if !hasText {
			return m.fail(0, "a line of the header without =")
		}
		if at, fault := m.setting(string(name), text); fault != "" {
			return m.fail(at, fault)
		}
		m.useLine(line)
	}
}

// setting takes a line of the header. With a fault, at is where that is.
func (m *dumpImport) setting(name string, text []byte) (at int, fault string) {
	switch name {
	case "format":
		m.isPrint = string(text) == "print"
		if !m.isPrint && string(text) != "bytevalue" {
			fault = "format is " + quoteStart(text) + ": want bytevalue or print"
		}
	case "type":
		if t := string(text); t != "btree" && t != "hash" {
			fault = "type is " + quoteStart(text) + ", which has no keys: want btree or hash"
		}
	case "database", "subdatabase":
		m.blockOf, fault = m.familyOf(text)
	case "mapsize", "maxreaders":
		m.isLMDB = true
	case "keys":
		if string(text) == "0" {
			fault = "a dump without keys"
		}
	}
	return len(name) + 1, fault
}

// data reads the lines up to DATA=END.
func (m *dumpImport) data(yield func(Record) bool) error {
	m.hasKey = false
	for {
		line, err := m.line()
		if err != nil {
			return err
		}
		switch {
		case line == nil:
			return m.fail(0, "cut off: no "+dumpDataEnd)
		case string(line) == dumpDataEnd && m.hasKey:
			return m.fail(0, "the last key has no value")
		case string(line) == dumpDataEnd:
			m.useLine(line)
			return nil
		case len(line) == 0 || line[0] != ' ':
			return m.fail(0, "want a line that begins with a space, or "+dumpDataEnd)
		}
		if err := m.item(line[1:], yield); err != nil {
			return err
		}
		m.useLine(line)
	}
}

// item takes the key or value on a line, whose first byte the window has at 1.
func (m *dumpImport) item(text []byte, yield func(Record) bool) error {
	dst := &m.value
	if !m.hasKey {
		m.last, m.key = m.key, m.last
		dst = &m.key
	}
	var at int
	var fault string
	if m.isPrint {
		*dst, at, fault = appendPrintDecoded((*dst)[:0], text, m.isLMDB)
	} else {
		*dst, at, fault = appendHexDecoded((*dst)[:0], text)
	}
	if fault != "" {
		return m.fail(1+at, fault)
	}
	if !m.hasKey {
		m.hasKey = true
		if fault := recordFault(&Record{Key: m.key}); fault != "" {
			return m.fail(1, fault)
		}
		if m.hasLast && bytes.Equal(m.key, m.last) {
			return m.fail(1, "the key "+quoteStart(m.key)+" a second time: this database holds duplicates, a key here has one value")
		}
		return nil
	}
	m.hasKey, m.hasLast = false, true
	r := Record{Family: m.blockOf, Key: m.key, Value: m.value}
	if fault := recordFault(&r); fault != "" {
		return m.fail(1, fault)
	}
	if !yield(r) {
		return errStopped
	}
	return nil
}

// appendHexDecoded appends the bytes of hexadecimal digits. With a fault, at is
// where that is.
func appendHexDecoded(dst, text []byte) (out []byte, at int, fault string) {
	if len(text)%2 != 0 {
		return dst, len(text), "an odd number of hexadecimal digits"
	}
	for i := 0; i < len(text); i += 2 {
		high, low := unhex(text[i]), unhex(text[i+1])
		if high > 15 || low > 15 {
			return dst, i, "no hexadecimal digit"
		}
		dst = append(dst, high<<4|low)
	}
	return dst, 0, ""
}

// appendPrintDecoded appends the bytes of text in format=print, of mdb_dump if
// isLMDB.
func appendPrintDecoded(dst, text []byte, isLMDB bool) (out []byte, at int, fault string) {
	for at < len(text) {
		i := bytes.IndexByte(text[at:], '\\')
		if i < 0 {
			return append(dst, text[at:]...), 0, ""
		}
		dst = append(dst, text[at:at+i]...)
		at += i
		rest := text[at+1:]
		if len(rest) >= 1 && rest[0] == '\\' && !isLMDB {
			dst = append(dst, '\\')
			at += 2
			continue
		}
		if len(rest) < 2 || unhex(rest[0]) > 15 || unhex(rest[1]) > 15 {
			return dst, at, printFault(isLMDB)
		}
		c := unhex(rest[0])<<4 | unhex(rest[1])
		if isLMDB && c >= ' ' && c < 0x7f && c != '\\' {
			return dst, at, printFault(isLMDB) // no mdb_dump escapes this
		}
		dst = append(dst, c)
		at += 3
	}
	return dst, 0, ""
}

// printFault says what is wrong with a backslash in format=print.
func printFault(isLMDB bool) string {
	if isLMDB {
		return "a backslash that is no escape, as mdb_dump -p before LMDB 0.9.25 writes it, so \\00 may mean two things: dump without -p"
	}
	return `a backslash without two hexadecimal digits (a backslash is written \\)`
}
