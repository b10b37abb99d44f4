package format

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"
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
		known:     redisMemory{recent: map[redisKey]redisValue{}},
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
	m.known.remember(redisKey{m.db, string(key)}, redisValue{value: bytes.Clone(value), expires: expires, isThere: true})
	return m.pass(r)
}

// remove yields that a key is deleted.
func (m *redisImport) remove(key []byte) error {
	r := Record{Family: m.db, Key: key, Delete: true}
	if fault := recordFault(&r); fault != "" {
		return m.failAt(0, fault)
	}
	m.known.remember(redisKey{m.db, string(key)}, redisValue{})
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
	v, ok := m.known.find(redisKey{m.db, string(key)})
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

// A redisMemory holds what became of the keys that were touched last, in
// bounded memory.
type redisMemory struct {
	recent, older map[redisKey]redisValue
	size          int  // bytes of recent
	hasForgotten  bool // keys have fallen out
}

// redisMemorySize bounds the memory for keys, in bytes.
const redisMemorySize = 32 << 20

// redisEntrySize is what an entry takes in a map besides its bytes, about.
const redisEntrySize = 128

type redisKey struct{ family, key string }

type redisValue struct {
	value   []byte
	expires time.Time
	isThere bool // else it is known that the key is not
}

// remember takes a key, and forgets the half that was not touched for longest
// when it holds too much.
func (k *redisMemory) remember(key redisKey, v redisValue) {
	size := len(key.key) + len(v.value) + redisEntrySize
	if k.size+size > redisMemorySize/2 && len(k.recent) > 0 {
		k.hasForgotten = k.hasForgotten || len(k.older) > 0
		k.recent, k.older, k.size = map[redisKey]redisValue{}, k.recent, 0
	}
	// A key that is written again counts again: the bound holds all the same.
	k.recent[key] = v
	k.size += size
}

// find returns what a key is, and whether that is known.
func (k *redisMemory) find(key redisKey) (redisValue, bool) {
	if v, ok := k.recent[key]; ok {
		return v, true
	}
	if v, ok := k.older[key]; ok {
		return v, true
	}
	return redisValue{}, !k.hasForgotten
}

// all returns the keys that are there, sorted, and whether none is forgotten.
func (k *redisMemory) all() (keys []redisKey, ok bool) {
	for key, v := range k.recent {
		if v.isThere {
			keys = append(keys, key)
		}
	}
	for key, v := range k.older {
		if _, again := k.recent[key]; v.isThere && !again {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b redisKey) int {
		return strings.Compare(a.family+"\x00"+a.key, b.family+"\x00"+b.key)
	})
	return keys, !k.hasForgotten
}
