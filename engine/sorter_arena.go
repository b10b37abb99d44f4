package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Record, in the arena and in runs, little-endian:
//
//	size  field
//	4     length of the key in 24 bits; then 1 delete, 2 expires, 4 large
//	4     length of the value; of the reference to it, if large
//	8     expiry in Unix milliseconds, if expires
//	n     key
//	-     value, or the reference
const (
	recordDeleted = 1 << 24
	recordExpires = 1 << 25
	recordLarge   = 1 << 26

	sorterRecordHeaderSize = 8
)

func itemSize(key, value int, expires int64) int {
	n := sorterRecordHeaderSize + key + value
	if expires != 0 {
		n += 8
	}
	return n
}

func appendItem(dst []byte, v *version) []byte {
	head := uint32(len(v.key))
	if v.deleted {
		head |= recordDeleted
	}
	if v.expires != 0 {
		head |= recordExpires
	}
	if v.size != len(v.value) {
		head |= recordLarge
	}
	dst = binary.LittleEndian.AppendUint32(dst, head)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v.value)))
	if v.expires != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v.expires))
	}
	dst = append(dst, v.key...)
	return append(dst, v.value...)
}

// parseItem reads the record at the start of b, which is whole, and returns
// its length. The slices of v point into b.
func parseItem(b []byte, v *version) int {
	head, size := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint32(b[4:]))
	at := sorterRecordHeaderSize
	*v = version{deleted: head&recordDeleted != 0, size: size}
	if head&recordExpires != 0 {
		v.expires = int64(binary.LittleEndian.Uint64(b[at:]))
		at += 8
	}
	end := at + int(head&(1<<24-1))
	v.key = b[at:end:end]
	at, end = end, end+size
	if !v.deleted {
		v.value = b[at:end:end]
	}
	if head&recordLarge != 0 {
		v.size = int(binary.LittleEndian.Uint32(v.value[8:]))
	}
	return end
}

// itemKey is the key of the record at the start of b.
func itemKey(b []byte) []byte {
	head := binary.LittleEndian.Uint32(b)
	at := sorterRecordHeaderSize
	if head&recordExpires != 0 {
		at += 8
	}
	return b[at : at+int(head&(1<<24-1))]
}

// An arena holds records in memory: whole, one after the other, in chunks, so
// that it grows without copying and without an allocation for each record.
type arena struct {
	chunkSize int
	chunks    [][]byte
	spare     [][]byte // chunks that reset emptied
	large     [][]byte // chunks, used or spare, that close must free
	bytes     int64    // capacity of chunks
	count     int      // records
	shared    []byte   // what all keys begin with
	last      []byte   // key added last
	sorted    bool     // each key is above the one before
	items     []arenaItem
}

// An arenaItem is a record of the arena while it is sorted: bytes of its key,
// so that most comparisons need not look at it, and where it lies.
type arenaItem struct {
	prefix     uint64 // the 8 bytes after what all keys share, the first one highest; zeros past the end
	chunk, off uint32
}

const arenaItemSize = 16

// reset empties the arena. Its memory is used again.
func (a *arena) reset(chunkSize int) {
	spare := a.spare
	for _, c := range a.chunks {
		if cap(c) == chunkSize {
			spare = append(spare, c[:0])
		}
	}
	*a = arena{chunkSize: chunkSize, spare: spare, large: a.large, chunks: a.chunks[:0], last: a.last[:0], shared: a.shared[:0], sorted: true, items: a.items[:0]}
}

// largeMemoryFrom is the size, in bytes, from which on an arena takes large
// memory: a small one is not to pay for pages that it does not fill.
const largeMemoryFrom = 8 << 20

// close frees the memory of the arena. What its source yielded must not be
// touched any more.
func (a *arena) close() {
	for _, c := range a.large {
		freeLargeMemory(c)
	}
	*a = arena{}
}

// memory is what the arena would take with one more record of so many bytes.
func (a *arena) memory(record int) int64 {
	return a.bytes + int64(record) + int64(a.count+1)*arenaItemSize
}

func (a *arena) add(key, value []byte, size int, expires int64, deleted bool) {
	if a.count == 0 {
		a.shared = append(a.shared[:0], key...)
	} else {
		if a.sorted && bytes.Compare(key, a.last) <= 0 {
			a.sorted = false
		}
		if !bytes.HasPrefix(key, a.shared) {
			n := 0
			for n < len(key) && key[n] == a.shared[n] {
				n++
			}
			a.shared = a.shared[:n]
		}
	}
	if a.sorted {
		a.last = append(a.last[:0], key...)
	}
	v := version{key: key, value: value, size: size, expires: expires, deleted: deleted}
	c := a.room(itemSize(len(key), len(value), expires))
	*c = appendItem(*c, &v)
	a.count++
}

// room returns a chunk with room for n more bytes.
func (a *arena) room(n int) *[]byte {
	if i := len(a.chunks) - 1; i >= 0 && cap(a.chunks[i])-len(a.chunks[i]) >= n {
		return &a.chunks[i]
	}
	var c []byte
	switch last := len(a.spare) - 1; {
	case n > a.chunkSize:
		c = make([]byte, 0, n)
	case last >= 0:
		c, a.spare = a.spare[last], a.spare[:last]
	case a.bytes >= largeMemoryFrom:
		if c = newLargeMemory(a.chunkSize)[:0]; c != nil {
			a.large = append(a.large, c)
			break
		}
		fallthrough
	default:
		c = make([]byte, 0, a.chunkSize)
	}
	a.bytes += int64(cap(c))
	a.chunks = append(a.chunks, c)
	return &a.chunks[len(a.chunks)-1]
}

func (a *arena) record(it arenaItem) []byte { return a.chunks[it.chunk][it.off:] }

// first is the least key. The arena is not empty and source has been called.
func (a *arena) first() []byte {
	if a.sorted {
		return itemKey(a.chunks[0])
	}
	return itemKey(a.record(a.items[0]))
}

// source sorts the arena and yields each key once, with the record that was
// added last. The slices are valid until the arena is reset.
func (a *arena) source() source {
	if a.sorted {
		return &arenaSource{a: a}
	}
	a.items = slices.Grow(a.items[:0], a.count)
	skip := len(a.shared)
	for i, c := range a.chunks {
		var v version
		for off := 0; off < len(c); {
			n := parseItem(c[off:], &v)
			a.items = append(a.items, arenaItem{prefix: keyPrefix(v.key[skip:]), chunk: uint32(i), off: uint32(off)})
			off += n
		}
	}
	a.sort()
	return &arenaSource{a: a}
}

// keyPrefix is the first 8 bytes of b as a number that compares as they do: of
// two keys the lesser has no greater one.
func keyPrefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// compare orders items by key, and of one key the later record first.
func (a *arena) compare(x, y arenaItem) int {
	if x.prefix != y.prefix {
		return cmp.Compare(x.prefix, y.prefix)
	}
	if c := bytes.Compare(itemKey(a.record(x)), itemKey(a.record(y))); c != 0 {
		return c
	}
	if x.chunk != y.chunk {
		return cmp.Compare(y.chunk, x.chunk)
	}
	return cmp.Compare(y.off, x.off)
}

// sort sorts the items, on all processors.
func (a *arena) sort() {
	const parallelFrom = 1 << 14
	if len(a.items) < parallelFrom {
		a.radix(a.items, 56)
		return
	}
	ends := radixPass(a.items, 56)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				b := int(next.Add(1)) - 1
				if b >= len(ends) {
					return
				}
				from := 0
				if b > 0 {
					from = ends[b-1]
				}
				a.radix(a.items[from:ends[b]], 48)
			}
		})
	}
	wg.Wait()
}

// radix sorts items that agree in the bits of their prefixes above shift+8.
func (a *arena) radix(items []arenaItem, shift int) {
	const small = 64 // below, comparing is faster
	if len(items) < small || shift < 0 {
		slices.SortFunc(items, a.compare)
		return
	}
	ends := radixPass(items, shift)
	from := 0
	for _, end := range ends {
		if end-from > 1 {
			a.radix(items[from:end], shift-8)
		}
		from = end
	}
}

// radixPass brings items, in place, into the order of the 8 bits of their
// prefixes from shift on, and returns where each of the 256 groups ends.
// (McIlroy, Bostic, McIlroy, "Engineering Radix Sort", 1993: American flag.)
func radixPass(items []arenaItem, shift int) (ends [256]int) {
	var counts, heads [256]int
	for i := range items {
		counts[byte(items[i].prefix>>shift)]++
	}
	sum := 0
	for b, n := range counts {
		heads[b] = sum
		sum += n
		ends[b] = sum
	}
	for b := range heads {
		for heads[b] < ends[b] {
			it := items[heads[b]]
			for {
				to := byte(it.prefix >> shift)
				if int(to) == b {
					break
				}
				items[heads[to]], it = it, items[heads[to]]
				heads[to]++
			}
			items[heads[b]] = it
			heads[b]++
		}
	}
	return ends
}

// arenaSource walks the items, or the chunks if they are sorted as they lie.
type arenaSource struct {
	a     *arena
	i     int // of the next item, or chunk
	off   int // in the chunk
	v     version
	begun bool

	touched byte // keeps the reads of touch from being left out as of no use
}

func (s *arenaSource) cur() *version { return &s.v }
func (s *arenaSource) err() error    { return nil }
func (s *arenaSource) close()        {}

func (s *arenaSource) next() bool {
	if s.a.sorted {
		return s.nextSorted()
	}
	for s.i < len(s.a.items) {
		if s.i%touchAhead == 0 {
			s.touch()
		}
		b := s.a.record(s.a.items[s.i])
		s.i++
		if s.begun && bytes.Equal(itemKey(b), s.v.key) {
			continue // an earlier record of the same key
		}
		s.begun = true
		parseItem(b, &s.v)
		return true
	}
	return false
}

// touchAhead is how many records touch brings into the cache.
const touchAhead = 16

// touch reads a byte of each line of the next records. In the order of their
// keys records lie all over the memory; a processor waits for one after the
// other if each is read when its turn comes, but fetches many at once that do
// not depend on each other. It takes a third off the time of a random import.
func (s *arenaSource) touch() {
	const line = 64
	sum := byte(0)
	for _, it := range s.a.items[s.i:min(s.i+touchAhead, len(s.a.items))] {
		b := s.a.record(it)
		sum += b[0]
		for at := line; at < min(len(b), 3*line); at += line {
			sum += b[at]
		}
	}
	s.touched += sum
}

func (s *arenaSource) nextSorted() bool {
	for s.i < len(s.a.chunks) {
		if c := s.a.chunks[s.i]; s.off < len(c) {
			s.off += parseItem(c[s.off:], &s.v)
			return true
		}
		s.i, s.off = s.i+1, 0
	}
	return false
}
