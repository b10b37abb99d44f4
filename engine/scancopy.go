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
	copies  scanCopy
	batch   scanBatch
}

// A scanBatch is the next entries of a run, before they are made.
type scanBatch struct {
	keys               string
	values             []byte
	keyEnds, valueEnds [scanBatchSize + 1]uint64 // in keys and values; the first one is where the first begins
	revs, stamps       [scanBatchSize]uint64     // not set if alike
	prefix             uint64                    // length of what stands before each key
	alike              bool                      // revisions and stamps are those of all the run
	keysOnly           bool
}

const scanBatchSize = 32

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
// in, which expire alike.
//
// Each entry is made while the one before is still to be yielded. A processor
// that is to copy what it has just written, in other pieces than it wrote it,
// waits until all is written: longer than all else takes.
func (s *entryScan) many(it *tableIter, i, n int) bool {
	even := Entry{Rev: it.v.rev, Stamp: it.v.stamp}
	if it.v.expires != 0 {
		even.Expires = time.UnixMilli(it.v.expires)
	}
	odd, b := even, &s.batch
	for n > 0 {
		some := s.fill(it, i, n)
		b.entry(0, &even)
		b.commit(0, &even)
		for k := 0; k < some; k += 2 {
			if k+1 < some {
				b.entry(k+1, &odd)
				b.commit(k+1, &odd)
			}
			if s.stopped = !s.yield(even, nil); s.stopped || s.tx.done {
				return !s.stopped // walkOnce says what the end of a transaction means
			}
			if k+1 == some {
				break
			}
			if k+2 < some {
				b.entry(k+2, &even)
				b.commit(k+2, &even)
			}
			if s.stopped = !s.yield(odd, nil); s.stopped || s.tx.done {
				return !s.stopped
			}
		}
		i += some
		n -= some
	}
	return true
}

// fill takes these versions into the batch, or the first of them, and returns
// how many. What is copied of them is one piece of memory for keys and one for
// values, as large as those of a scanCopy.
func (s *entryScan) fill(it *tableIter, i, n int) int {
	n = min(n, s.copies.grow(&s.copies.room.run), scanBatchSize)
	b := &s.batch
	it.run.cols[colKeyEnd].bounds(i, b.keyEnds[:n+1])
	it.run.cols[colValueEnd].bounds(i, b.valueEnds[:n+1])
	b.prefix, b.keysOnly = uint64(len(s.tx.family)+1), s.KeysOnly
	b.keys, b.values = lentString(it.run.keys), it.values
	if b.alike = it.uniform; !b.alike {
		it.run.cols[colRev].numbers(i, b.revs[:n])
		it.run.cols[colStamp].numbers(i, b.stamps[:n])
	}
	if s.Lend {
		return n
	}
	for n > 1 && b.keyEnds[n]-b.keyEnds[0] > scanPieceSize {
		n /= 2
	}
	for n > 1 && !s.KeysOnly && b.valueEnds[n]-b.valueEnds[0] > scanPieceSize {
		n /= 2
	}
	b.keys = strings.Clone(b.keys[b.keyEnds[0]:b.keyEnds[n]])
	startAt0(b.keyEnds[:n+1])
	if !s.KeysOnly {
		values := it.values[b.valueEnds[0]:b.valueEnds[n]]
		b.values = append(make([]byte, 0, len(values)), values...)
		startAt0(b.valueEnds[:n+1])
	}
	return n
}

// startAt0 subtracts the first number from all.
func startAt0(ends []uint64) {
	first := ends[0]
	for i := range ends {
		ends[i] -= first
	}
}

// entry makes e entry i, but for what all entries of the run have.
func (b *scanBatch) entry(i int, e *Entry) {
	e.Key = b.keys[b.keyEnds[i]+b.prefix : b.keyEnds[i+1]]
	from, to := b.valueEnds[i], b.valueEnds[i+1]
	if e.Size = int(to - from); !b.keysOnly {
		e.Value = b.values[from:to:to]
	}
}

// commit makes e of the commit that wrote entry i, where not all are of one.
func (b *scanBatch) commit(i int, e *Entry) {
	if b.alike {
		return
	}
	e.Rev, e.Stamp = Rev(b.revs[i]), Stamp(b.stamps[i])
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
