package engine

import (
	"context"
	"iter"
	"strings"
	"time"
	"unsafe"
)

func (t *dbTx) Scan(ctx context.Context, r Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s := entryScan{tx: t, Range: r, yield: yield, copies: scanCopy{left: r.Limit}}
		err := t.walk(ctx, &s.Range, visitor{s.one, s.many})
		if err != nil && !s.stopped {
			yield(Entry{}, err)
		}
	}
}

// An entryScan makes entries of versions and yields them.
type entryScan struct {
	Range
	tx      *dbTx
	yield   func(Entry, error) bool
	stopped bool // by yield

	copies scanCopy
	batch  [scanBatch]Entry // of a run, before they are yielded
}

// scanBatch is how many entries of a run are made at once, and then yielded. An
// entry that is yielded as soon as it is made has the processor wait until it is
// written before it can be copied to whom it is yielded, for longer than all
// else takes.
const scanBatch = 32

// one yields the entry of one version.
func (s *entryScan) one(v *version) bool {
	// In one place, and not by entryOf: an Entry is large, and each time it
	// is handed on costs as much as its key.
	e := Entry{Size: v.size, Rev: v.rev, Stamp: v.stamp}
	if v.expires != 0 {
		e.Expires = time.UnixMilli(v.expires)
	}
	if key := userKey(v.key); s.Lend {
		e.Key = lentString(key)
	} else {
		e.Key = s.copies.key(key)
	}
	switch {
	case s.KeysOnly:
	case s.Lend:
		e.Value = v.value[:len(v.value):len(v.value)]
	default:
		e.Value = s.copies.value(v.value)
	}
	s.stopped = !s.yield(e, nil)
	return !s.stopped
}

// many yields the entries of versions i to i+n-1 of the block that a table is
// in, which differ in nothing but key and value.
func (s *entryScan) many(it *tableIter, i, n int) bool {
	for n > 0 {
		some := s.fill(it, i, n)
		for k := range some {
			if !s.yield(s.batch[k], nil) {
				s.stopped = true
				return false
			}
			if s.tx.done {
				return true // walkOnce says what that means
			}
		}
		i += some
		n -= some
	}
	return true
}

// fill makes the entries of these versions, or of the first of them, and
// returns of how many. What is copied of them is one piece of memory for keys
// and one for values, as large as those of a scanCopy.
func (s *entryScan) fill(it *tableIter, i, n int) int {
	n = min(n, s.copies.grow(&s.copies.room.run), scanBatch)
	var keyEnds, valueEnds [scanBatch + 1]uint64 // the first one is where version i begins
	it.run.cols[colKeyEnd].bounds(i, keyEnds[:n+1])
	it.run.cols[colValueEnd].bounds(i, valueEnds[:n+1])
	if !s.Lend {
		for n > 1 && keyEnds[n]-keyEnds[0] > scanPieceSize {
			n /= 2
		}
		for n > 1 && !s.KeysOnly && valueEnds[n]-valueEnds[0] > scanPieceSize {
			n /= 2
		}
	}
	keys := lentString(it.run.keys[keyEnds[0]:keyEnds[n]])
	var values []byte
	if !s.KeysOnly {
		values = it.values[valueEnds[0]:valueEnds[n]]
	}
	if !s.Lend {
		keys = strings.Clone(keys)
		values = append(make([]byte, 0, len(values)), values...)
	}

	like := Entry{Rev: it.v.rev, Stamp: it.v.stamp}
	if it.v.expires != 0 {
		like.Expires = time.UnixMilli(it.v.expires)
	}
	prefix := uint64(len(s.tx.family) + 1)
	for k := range n {
		e := &s.batch[k]
		*e = like
		e.Key = keys[keyEnds[k]-keyEnds[0]+prefix : keyEnds[k+1]-keyEnds[0]]
		from, to := valueEnds[k]-valueEnds[0], valueEnds[k+1]-valueEnds[0]
		if e.Size = int(to - from); !s.KeysOnly {
			e.Value = values[from:to:to]
		}
	}
	return n
}

// lentString is a string of the bytes of b themselves, which nobody changes any
// more, for as long as they are there.
func lentString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// A scanCopy copies what a scan yields into pieces of memory that neighbouring
// entries share: a piece of memory for each key and each value would cost more
// than all else of a scan. No byte of a piece is used twice, so an entry is its
// owner's for ever.
//
// A piece is for as many entries as the scan may still yield, if it has a
// limit, and else for four times as many as the one before: who takes one entry
// pays for one. It has no more than scanPieceSize bytes, so that is also how
// much an entry that is kept may keep of others. What is larger has its own.
type scanCopy struct {
	keys   strings.Builder
	values []byte
	left   int // entries that the scan may still yield; 0: it has no limit
	room   struct{ keys, values, run int }
}

const (
	scanPieceSize    = 8 << 10
	scanPieceEntries = 64 // at most
)

func (c *scanCopy) key(key []byte) string {
	if c.keys.Cap()-c.keys.Len() < len(key) {
		c.keys.Reset() // the string of the piece before stays with those that have it
		c.keys.Grow(c.pieceSize(len(key), &c.room.keys))
	}
	from := c.keys.Len()
	c.keys.Write(key)
	return c.keys.String()[from:]
}

func (c *scanCopy) value(value []byte) []byte {
	if c.values == nil || cap(c.values)-len(c.values) < len(value) {
		if len(value) > scanPieceSize {
			return append(make([]byte, 0, len(value)), value...)
		}
		c.values = make([]byte, 0, c.pieceSize(len(value), &c.room.values))
	}
	from := len(c.values)
	c.values = append(c.values, value...)
	return c.values[from:len(c.values):len(c.values)]
}

// pieceSize is how many bytes a new piece has, of which the first entry takes
// size. room is for how many entries of that size the piece before was.
func (c *scanCopy) pieceSize(size int, room *int) int {
	return max(size, min(size*c.grow(room), scanPieceSize))
}

// grow returns for how many entries a new piece is, the one before having been
// for room, and puts that into room.
func (c *scanCopy) grow(room *int) int {
	if *room = min(max(*room*4, 1), scanPieceEntries); c.left > 0 {
		*room = min(c.left, scanPieceEntries)
	}
	return *room
}
