package format

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

// A redisMemory holds what became of the keys that were touched last, in
// bounded memory. Most files only set keys, and never ask: so remembering is
// copying bytes to the end of a log, and what finds them there is made when the
// first question comes.
type redisMemory struct {
	recent, older redisLog
	hasForgotten  bool // keys have fallen out
}

// redisMemorySize bounds the memory for keys, in bytes.
const redisMemorySize = 32 << 20

type redisKey struct{ family, key string }

type redisValue struct {
	value   []byte
	expires time.Time // in milliseconds; zero: never
	isThere bool      // else it is known that the key is not
}

// remember takes a key, which it copies, and forgets the half that was not
// touched for longest when it holds too much. A key that is written again takes
// room again.
func (m *redisMemory) remember(family string, key []byte, v redisValue) {
	size := redisEntrySize + len(family) + len(key) + len(v.value)
	if have := len(m.recent.entries); have > 0 && have+size > redisMemorySize/2 {
		m.hasForgotten = m.hasForgotten || len(m.older.entries) > 0
		m.recent, m.older = m.older, m.recent
		m.recent.reset()
	}
	m.recent.add(family, key, v)
}

// find returns what a key is, and whether that is known. The caller owns the
// value.
func (m *redisMemory) find(family string, key []byte) (v redisValue, ok bool) {
	for _, l := range []*redisLog{&m.recent, &m.older} {
		if e, ok := l.find(family, key); ok {
			v = e.redisValue
			v.value = bytes.Clone(v.value) // what comes next may overwrite it
			return v, true
		}
	}
	return redisValue{}, !m.hasForgotten
}

// all returns the keys that are there, sorted, and whether none is forgotten.
func (m *redisMemory) all() (keys []redisKey, ok bool) {
	last := map[redisKey]bool{}
	for _, l := range []*redisLog{&m.older, &m.recent} {
		for at := 0; at < len(l.entries); {
			e := l.entry(at)
			last[redisKey{string(e.family), string(e.key)}] = e.isThere
			at += e.size
		}
	}
	for key, isThere := range last {
		if isThere {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b redisKey) int {
		return strings.Compare(a.family+"\x00"+a.key, b.family+"\x00"+b.key)
	})
	return keys, !m.hasForgotten
}

// A redisLog is entries, the newest last, and an index over the first of them.
//
//	size  field, little-endian
//	4     where the entry with the same hash before this one begins, plus 1; 0: there is none
//	1     1: the key is there; 2: it has an expiry
//	1     length of the family
//	2     length of the key
//	4     length of the value
//	8     expiry in Unix milliseconds
//	n     family, key, value
type redisLog struct {
	entries []byte
	newest  map[uint64]uint32 // by hash: where the last entry of the index begins, plus 1
	indexed int               // bytes of entries that are in the index
}

const (
	redisEntrySize = 20 // bytes, without those of n

	redisIsThere = 1
	redisExpires = 2
)

// A redisEntry is an entry read in place.
type redisEntry struct {
	redisValue
	before      int // plus 1
	family, key []byte
	size        int // of all of it
}

var redisSeed = maphash.MakeSeed()

func redisHash(family string, key []byte) uint64 {
	h := maphash.Bytes(redisSeed, key)
	if family != "" {
		h ^= maphash.String(redisSeed, family)
	}
	return h
}

// reset empties the log. Its memory is used again, unless one huge value has
// blown it up.
func (l *redisLog) reset() {
	if cap(l.entries) > redisMemorySize {
		l.entries = nil
	}
	l.entries, l.indexed = l.entries[:0], 0
	clear(l.newest)
}

func (l *redisLog) add(family string, key []byte, v redisValue) {
	var head [redisEntrySize]byte
	if v.isThere {
		head[4] |= redisIsThere
	}
	if !v.expires.IsZero() {
		head[4] |= redisExpires
		binary.LittleEndian.PutUint64(head[12:], uint64(v.expires.UnixMilli()))
	}
	head[5] = byte(len(family))
	binary.LittleEndian.PutUint16(head[6:], uint16(len(key)))
	binary.LittleEndian.PutUint32(head[8:], uint32(len(v.value)))
	if l.entries == nil {
		l.entries = make([]byte, 0, redisMemorySize/2) // the system gives it page by page
	}
	l.entries = append(l.entries, head[:]...)
	l.entries = append(l.entries, family...)
	l.entries = append(l.entries, key...)
	l.entries = append(l.entries, v.value...)
}

// entry reads the entry that begins at at.
func (l *redisLog) entry(at int) redisEntry {
	b := l.entries[at:]
	e := redisEntry{before: int(binary.LittleEndian.Uint32(b))}
	e.isThere = b[4]&redisIsThere != 0
	if b[4]&redisExpires != 0 {
		e.expires = time.UnixMilli(int64(binary.LittleEndian.Uint64(b[12:]))).UTC()
	}
	family := redisEntrySize + int(b[5])
	key := family + int(binary.LittleEndian.Uint16(b[6:]))
	e.size = key + int(binary.LittleEndian.Uint32(b[8:]))
	e.family, e.key, e.value = b[redisEntrySize:family], b[family:key], b[key:e.size]
	return e
}

// find returns the newest entry of a key.
func (l *redisLog) find(family string, key []byte) (e redisEntry, ok bool) {
	l.index()
	for at := int(l.newest[redisHash(family, key)]); at > 0; at = e.before {
		e = l.entry(at - 1)
		if string(e.family) == family && bytes.Equal(e.key, key) {
			return e, true
		}
	}
	return redisEntry{}, false
}

// index takes the entries into the index that are not in it yet.
func (l *redisLog) index() {
	if l.newest == nil {
		l.newest = map[uint64]uint32{}
	}
	for l.indexed < len(l.entries) {
		e := l.entry(l.indexed)
		hash := redisHash(string(e.family), e.key)
		binary.LittleEndian.PutUint32(l.entries[l.indexed:], l.newest[hash])
		l.newest[hash] = uint32(l.indexed) + 1
		l.indexed += e.size
	}
}
