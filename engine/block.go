package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A block is two runs of bytes: the keys of some consecutive versions with all
// that is known of them but their values, and the values. Apart, so that a
// scan of keys touches nothing else.
//
// The value run is the values, one after the other. The key run is packed
// columns, one number per version in each, and then the keys:
//
//	size   field
//	4      number n of versions, from 1
//	7×13   for each column: base u64, slope i32, width u8
//	7×n×w  for each column: n deltas of its width w, which is 0, 1, 2, 4 or 8
//	-      the internal keys, one after the other, to the end of the run
//
// Number i of a column is base + slope×i + delta i, modulo 2^64, so a column
// that is constant, or grows evenly as do the ends of keys of one length,
// takes no space per version, and any number is found without reading others.
// The columns, in order: end of the key, counted from the first key; revision;
// stamp; origin; expiry in Unix milliseconds, 0 never; 1 for a delete, else 0;
// end of the value in the value run. All integers are little-endian.
const (
	colKeyEnd = iota
	colRev
	colStamp
	colOrigin
	colExpires
	colDeleted
	colValueEnd
	blockColumns
)

const (
	columnHeaderSize = 13
	keyRunHeaderSize = 4 + blockColumns*columnHeaderSize

	// maxRunSize is the most bytes a run may have, before compression. The
	// largest is one value of MaxValueSize after a block that was not full.
	maxRunSize = MaxValueSize + 4<<20
)

// The ways in which a run is stored. The numbers stand in the index.
const (
	codecNone = 0 // as it is
	codecZstd = 1 // one zstd frame, of less than the run's length
)

// A blockBuilder collects the versions of one block.
type blockBuilder struct {
	cols   [blockColumns][]uint64
	keys   []byte
	values []byte
}

func (b *blockBuilder) len() int { return len(b.cols[colRev]) }

// weight is what counts against the block size: the keys, the values, and
// something for each version lest a block has too many of them.
func (b *blockBuilder) weight() int { return len(b.keys) + len(b.values) + versionWeight*b.len() }

const versionWeight = 8

func (b *blockBuilder) add(v *version) {
	b.keys = append(b.keys, v.key...)
	b.values = append(b.values, v.value...)
	deleted := uint64(0)
	if v.deleted {
		deleted = 1
	}
	for i, x := range [blockColumns]uint64{
		colKeyEnd:   uint64(len(b.keys)),
		colRev:      uint64(v.rev),
		colStamp:    uint64(v.stamp),
		colOrigin:   v.origin,
		colExpires:  uint64(v.expires),
		colDeleted:  deleted,
		colValueEnd: uint64(len(b.values)),
	} {
		b.cols[i] = append(b.cols[i], x)
	}
}

func (b *blockBuilder) reset() {
	for i := range b.cols {
		b.cols[i] = b.cols[i][:0]
	}
	b.keys, b.values = shrink(b.keys), shrink(b.values)
}

// shrink empties a buffer, and lets it go if one huge value has blown it up.
func shrink(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b[:0]
}

// appendKeyRun appends the key run of the block to dst.
func (b *blockBuilder) appendKeyRun(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.len()))
	var plans [blockColumns]columnPlan
	for i, col := range b.cols {
		p := planColumn(col)
		plans[i] = p
		dst = binary.LittleEndian.AppendUint64(dst, p.base)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(int32(p.slope)))
		dst = append(dst, p.width)
	}
	for i, col := range b.cols {
		dst = plans[i].appendDeltas(dst, col)
	}
	return append(dst, b.keys...)
}

// A columnPlan is how the numbers of a column are written.
type columnPlan struct {
	base  uint64
	slope int64 // within int32
	width uint8
}

// planColumn finds the narrower of two ways: without a slope, and with that of
// the line from the first to the last number.
func planColumn(col []uint64) columnPlan {
	lo, hi := col[0], col[0]
	for _, x := range col {
		lo, hi = min(lo, x), max(hi, x)
	}
	flat := columnPlan{base: lo, width: widthOf(hi - lo)}
	if flat.width == 0 {
		return flat
	}
	slope := int64(col[len(col)-1]-col[0]) / int64(len(col)-1)
	if slope == 0 || slope != int64(int32(slope)) {
		return flat
	}
	// All of this wraps, and so does reading it: whatever the numbers are,
	// base + slope×i + delta gives them back.
	var least, most int64
	for i, x := range col {
		d := int64(x - col[0] - uint64(slope)*uint64(i))
		least, most = min(least, d), max(most, d)
	}
	sloped := columnPlan{base: col[0] + uint64(least), slope: slope, width: widthOf(uint64(most - least))}
	if sloped.width < flat.width {
		return sloped
	}
	return flat
}

// widthOf is the number of bytes that a delta takes.
func widthOf(delta uint64) uint8 {
	switch {
	case delta == 0:
		return 0
	case delta < 1<<8:
		return 1
	case delta < 1<<16:
		return 2
	case delta < 1<<32:
		return 4
	}
	return 8
}

func (p columnPlan) appendDeltas(dst []byte, col []uint64) []byte {
	if p.width == 0 {
		return dst
	}
	for i, x := range col {
		d := x - p.base - uint64(p.slope)*uint64(i)
		switch p.width {
		case 1:
			dst = append(dst, byte(d))
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(d))
		case 4:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(d))
		default:
			dst = binary.LittleEndian.AppendUint64(dst, d)
		}
	}
	return dst
}

// A column is one column of a key run, read in place.
type column struct {
	base   uint64
	slope  uint64 // two's complement
	deltas []byte
	width  uint8
}

func (c *column) at(i int) uint64 {
	x := c.base + c.slope*uint64(i)
	switch c.width {
	case 0:
	case 1:
		x += uint64(c.deltas[i])
	case 2:
		x += uint64(binary.LittleEndian.Uint16(c.deltas[2*i:]))
	case 4:
		x += uint64(binary.LittleEndian.Uint32(c.deltas[4*i:]))
	default:
		x += binary.LittleEndian.Uint64(c.deltas[8*i:])
	}
	return x
}

// constant reports whether every number of the column is its base.
func (c *column) constant() bool { return c.width == 0 && c.slope == 0 }

// A keyRun is a key run, read in place.
type keyRun struct {
	n    int
	cols [blockColumns]column
	keys []byte
}

// parse reads the columns of raw, whose bytes it keeps. n is the number of
// versions it must have. Only a run that check has passed may be read further.
func (r *keyRun) parse(raw []byte, n int) error {
	if len(raw) < keyRunHeaderSize {
		return errors.New("key run is cut short")
	}
	if n < 1 || int64(binary.LittleEndian.Uint32(raw)) != int64(n) {
		return errors.New("key run and index differ in the number of entries")
	}
	r.n = n
	rest := raw[keyRunHeaderSize:]
	for i := range r.cols {
		h := raw[4+i*columnHeaderSize:][:columnHeaderSize]
		c := &r.cols[i]
		c.base = binary.LittleEndian.Uint64(h)
		c.slope = uint64(int64(int32(binary.LittleEndian.Uint32(h[8:]))))
		c.width = h[12]
		switch c.width {
		case 0, 1, 2, 4, 8:
		default:
			return fmt.Errorf("column of width %d", c.width)
		}
		size := int64(n) * int64(c.width)
		if size > int64(len(rest)) {
			return errors.New("column is cut short")
		}
		c.deltas, rest = rest[:size:size], rest[size:]
	}
	r.keys = rest
	return nil
}

// check makes sure that every key and value lies within its run, of which the
// value run has valuesSize bytes. After that, reading needs no checks.
func (r *keyRun) check(valuesSize int) error {
	if err := checkEnds(&r.cols[colKeyEnd], r.n, 1, len(r.keys)); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := checkEnds(&r.cols[colValueEnd], r.n, 0, valuesSize); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	if d := &r.cols[colDeleted]; !d.constant() || d.base > 1 {
		for i := range r.n {
			if d.at(i) > 1 {
				return errors.New("delete mark is neither 0 nor 1")
			}
		}
	}
	return nil
}

// checkEnds checks a column of ends: each at least least after the one before,
// the last one at size.
func checkEnds(c *column, n, least, size int) error {
	if c.at(n-1) != uint64(size) {
		return errors.New("the last one does not end with the run")
	}
	if c.width == 0 && c.base <= uint64(size) && c.slope <= 1<<31 && c.base >= uint64(least) &&
		(c.slope >= uint64(least) || n == 1) {
		return nil // a rising line from within the run to its end
	}
	last := uint64(0)
	for i := range n {
		end := c.at(i)
		if end > uint64(size) || end < last || end-last < uint64(least) {
			return errors.New("the ends are not in order")
		}
		last = end
	}
	return nil
}

// span is where item i lies, by a column of ends.
func (c *column) span(i int) (from, to uint64) {
	if i > 0 {
		from = c.at(i - 1)
	}
	return from, c.at(i)
}

func (r *keyRun) key(i int) []byte {
	from, to := r.cols[colKeyEnd].span(i)
	return r.keys[from:to:to]
}

// search is the first version whose key is not below key, or whose key is key
// and whose revision is not above at; n if there is none.
func (r *keyRun) search(key []byte, at Rev, as assigned) int {
	lo, hi := 0, r.n
	for fetched := 0; lo < hi; fetched-- {
		if fetched <= 0 && hi-lo > fetchLeast {
			r.fetch(lo, hi)
			fetched = fetchSteps
		}
		m := int(uint(lo+hi) / 2)
		if c := bytes.Compare(r.key(m), key); c < 0 || c == 0 && as.revOf(r.cols[colRev].at(m)) > at {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// fetch fetches those of the keys lo to hi-1 that the next steps of a binary
// search may look at, so that memory brings them at once, and not one after the
// other.
func (r *keyRun) fetch(lo, hi int) {
	ends := &r.cols[colKeyEnd]
	for i := 1; i < 1<<fetchSteps; i++ {
		prefetch(r.keys[ends.at(lo+(hi-lo)*i>>fetchSteps-1):][:1])
	}
}

const (
	fetchSteps = 3
	fetchLeast = 16 // keys; fewer lie together in any case
)

// match appends to hits the versions from..to-1 whose user key ok accepts.
func (r *keyRun) match(from, to int, ok func([]byte) bool, hits []uint32) []uint32 {
	if from >= to {
		return hits
	}
	ends := &r.cols[colKeyEnd]
	start, _ := ends.span(from)
	if ends.width == 0 {
		// Keys of one length: no end has to be read. This loop is what a
		// suffix listing spends its time in.
		end := ends.at(from)
		for i := from; i < to; i++ {
			if ok(userKey(r.keys[start:end:end])) {
				hits = append(hits, uint32(i))
			}
			start, end = end, end+ends.slope
		}
		return hits
	}
	for i := from; i < to; i++ {
		end := ends.at(i)
		if ok(userKey(r.keys[start:end:end])) {
			hits = append(hits, uint32(i))
		}
		start = end
	}
	return hits
}

// load fills v with version i, without its value.
func (r *keyRun) load(i int, as assigned, v *version) {
	r.loadKey(i, v)
	v.value = nil
	r.loadMeta(i, as, v)
}

// loadKey fills in what all versions of a run have of their own but the value,
// and returns where in the value run that lies.
func (r *keyRun) loadKey(i int, v *version) (from, to uint64) {
	v.key = r.key(i)
	from, to = r.cols[colValueEnd].span(i)
	v.size = int(to - from)
	return from, to
}

// uniform reports whether loadMeta gives the same for every version.
func (r *keyRun) uniform() bool {
	for i := colRev; i <= colDeleted; i++ {
		if !r.cols[i].constant() {
			return false
		}
	}
	return true
}

// loadMeta fills in the rest.
func (r *keyRun) loadMeta(i int, as assigned, v *version) {
	v.rev = Rev(r.cols[colRev].at(i))
	v.stamp = Stamp(r.cols[colStamp].at(i))
	v.origin = r.cols[colOrigin].at(i)
	v.expires = int64(r.cols[colExpires].at(i))
	v.deleted = r.cols[colDeleted].at(i) != 0
	if v.rev == 0 {
		v.rev, v.stamp, v.origin = as.rev, as.stamp, as.origin
	}
}

// storedRun is a run as it goes into the file, and how the index describes it.
type storedRun struct {
	data  []byte
	raw   uint32 // length before compression
	crc   uint32 // CRC-32 (IEEE) of data
	codec uint8
}

// A runEncoder turns runs into stored runs.
type runEncoder struct {
	zstd *zstd.Encoder // nil: runs are stored as they are
	buf  []byte
}

func newRunEncoder(compress bool) (*runEncoder, error) {
	if !compress {
		return &runEncoder{}, nil
	}
	// The next level takes a quarter more time for 1 to 4 % less of a file.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	return &runEncoder{zstd: z}, nil
}

// encode returns the stored run of raw. Its data are valid until the next call.
func (e *runEncoder) encode(raw []byte) storedRun {
	s := storedRun{data: raw, raw: uint32(len(raw))}
	if e.zstd != nil && len(raw) > 0 {
		if e.buf = e.zstd.EncodeAll(raw, e.buf[:0]); len(e.buf) < len(raw) {
			s.data, s.codec = e.buf, codecZstd
		}
	}
	s.crc = crc32.ChecksumIEEE(s.data)
	return s
}

// runDecoder is the one decoder of the process, made when a compressed run is
// first read.
var runDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(maxRunSize))
})

// decompressRun returns the run of raw bytes that is stored compressed in data.
func decompressRun(data []byte, raw int) ([]byte, error) {
	d, err := runDecoder()
	if err != nil {
		return nil, err
	}
	out, err := d.DecodeAll(data, make([]byte, 0, raw))
	if err != nil {
		return nil, errors.New("compressed run does not unpack")
	}
	if len(out) != raw {
		return nil, errors.New("compressed run has another length than the index says")
	}
	return out, nil
}
