package format

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"strings"
	"time"
)

// A redisImport reads FormatRESP and FormatRDB, of which the former may begin
// with the latter.
type redisImport struct {
	*importer
	yield func(Record) bool

	wantsDump   bool  // the input must begin with one
	skips       bool  // ImportOptions.SkipUnsupported
	nowMillis   int64 // from which expiries count that are not absolute
	isInMulti   bool
	args        [][]byte // of the command just read, in the window
	db          string   // the family that SELECT chose
	known       redisMemory
	unsupported *InputError // the first thing of another type, unless skips

	checksum uint64       // of the dump, so far
	unsummed int          // bytes before the window that are not yet in it
	table    *crc64.Table // for the checksum
	key      []byte       // of the dump's record
	value    []byte       // of the record, where it is not in the window
}

func newRedisImport(m *importer, f Format, o ImportOptions) *redisImport {
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	return &redisImport{
		importer:  m,
		wantsDump: f == FormatRDB,
		skips:     o.SkipUnsupported,
		nowMillis: now.UnixMilli(),
		db:        m.family,
	}
}

// records reads the whole file.
func (m *redisImport) records(yield func(Record) bool) error {
	m.yield = yield
	m.line = 0 // the format has no lines
	m.skipped = map[string]int64{}
	isDump, err := m.hasPrefix(rdbMagic)
	if err != nil {
		return err
	}
	if m.wantsDump && !isDump {
		return m.failAt(0, "want "+rdbMagic+", with which a Redis dump begins")
	}
	if isDump {
		if err := m.dump(); err != nil {
			return err
		}
		m.db = m.family
	}
	if err := m.commands(); err != nil {
		return err
	}
	if m.unsupported == nil {
		return nil
	}
	counts := make([]string, 0, len(m.skipped))
	for _, s := range m.Skipped() {
		counts = append(counts, fmt.Sprintf("%s (%d)", s.Name, s.Count))
	}
	m.unsupported.Reason += "; in all " + strings.Join(counts, ", ")
	return m.unsupported
}

// hasPrefix reports whether the rest of the input begins with text.
func (m *redisImport) hasPrefix(text string) (bool, error) {
	for m.end-m.start < len(text) && !m.eof {
		if err := m.more(); err != nil {
			return false, m.withoutLine(err)
		}
	}
	return bytes.HasPrefix(m.window(), []byte(text)), m.err
}

// failAt is fail for a format without lines.
func (m *redisImport) failAt(at int, reason string) *InputError {
	e := m.fail(at, reason)
	e.Line, e.Column = 0, 0
	return e
}

// withoutLine takes the line out of the place that an error of the source tells.
func (m *redisImport) withoutLine(err error) error {
	var bad *InputError
	if errors.As(err, &bad) {
		bad.Line, bad.Column = 0, 0
	}
	return err
}

// skip counts something of another type, named as Skipped has it. key is where
// it is.
func (m *redisImport) skip(name string, key []byte) {
	m.skipped[name]++
	if m.skips || m.unsupported != nil {
		return
	}
	m.unsupported = m.failAt(0, fmt.Sprintf("%s of key %s, and only strings can be imported", name, quoteStart(key)))
}

// put yields a key with a value that begins to be its own.
func (m *redisImport) put(key, value []byte, expires time.Time) error {
	r := Record{Family: m.db, Key: key, Value: value, Expires: expires}
	fault := recordFault(&r)
	if fault == "" && !expires.IsZero() {
		fault = expiryFault(expires)
	}
	if fault != "" {
		return m.failAt(0, fault)
	}
	m.known.remember(m.db, key, redisValue{value: value, expires: expires, isThere: true})
	return m.pass(r)
}

// remove yields that a key is deleted.
func (m *redisImport) remove(key []byte) error {
	r := Record{Family: m.db, Key: key, Delete: true}
	if fault := recordFault(&r); fault != "" {
		return m.failAt(0, fault)
	}
	m.known.remember(m.db, key, redisValue{})
	return m.pass(r)
}

// pass yields a record, unless it is clear already that all will be refused.
func (m *redisImport) pass(r Record) error {
	if m.unsupported == nil && !m.yield(r) {
		return errStopped
	}
	return nil
}

// find returns what the input has said of a key of the present database so
// far. The error says that it is too long ago.
func (m *redisImport) find(key []byte) (redisValue, error) {
	v, ok := m.known.find(m.db, key)
	if !ok {
		return v, m.failAt(0, fmt.Sprintf("%s needs what %s was before, more than %d MiB of keys and values ago",
			m.name0(), quoteStart(key), redisMemorySize>>20))
	}
	return v, nil
}

// removeAll deletes every key that the input has set, in one database or, with
// all, in each.
func (m *redisImport) removeAll(all bool) error {
	keys, ok := m.known.all()
	if !ok {
		return m.failAt(0, fmt.Sprintf("%s needs all keys set before, and there were more than %d MiB of keys and values",
			m.name0(), redisMemorySize>>20))
	}
	db := m.db
	defer func() { m.db = db }()
	for _, k := range keys {
		if m.db = k.family; !all && k.family != db {
			continue
		}
		if err := m.remove([]byte(k.key)); err != nil {
			return err
		}
	}
	return nil
}
