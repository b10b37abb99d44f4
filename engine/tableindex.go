package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A boundList is a page of the index, or the top index, read in place: n
// entries of one size, each with a bound, and the keys of the bounds.
type boundList struct {
	n       int
	entries []byte
	size    int     // of an entry
	at      int     // offset in an entry of the bound: revision u64, end of its key u32
	keys    []byte  // of the bounds, and what follows them
	fences  *fences // of the bounds, for search; nil: not made
}

// parse reads the list from raw and checks that the bounds lie within it.
func (l *boundList) parse(raw []byte, size, at int) error {
	if err := l.trust(raw, size, at); err != nil {
		return err
	}
	last := uint32(0)
	for i := range l.n {
		end := l.keyEnd(i)
		if end < last || int64(end) > int64(len(l.keys)) {
			return errors.New("a bound lies outside")
		}
		last = end
	}
	return nil
}

// trust is parse for what parse has accepted before.
func (l *boundList) trust(raw []byte, size, at int) error {
	if len(raw) < 4 {
		return errors.New("cut short")
	}
	n := int64(binary.LittleEndian.Uint32(raw))
	raw = raw[4:]
	if n*int64(size) > int64(len(raw)) {
		return errors.New("cut short")
	}
	*l = boundList{n: int(n), entries: raw[:n*int64(size)], keys: raw[n*int64(size):], size: size, at: at}
	return nil
}

func (l *boundList) entry(i int) []byte { return l.entries[i*l.size:][:l.size] }

func (l *boundList) keyEnd(i int) uint32 {
	return binary.LittleEndian.Uint32(l.entries[i*l.size+l.at+8:])
}

// end is where the keys of the bounds end.
func (l *boundList) end() int {
	if l.n == 0 {
		return 0
	}
	return int(l.keyEnd(l.n - 1))
}

// bound is the bound of entry i. The revision is as stored.
func (l *boundList) bound(i int) (key []byte, rev uint64) {
	from := uint32(0)
	if i > 0 {
		from = l.keyEnd(i - 1)
	}
	return l.keys[from:l.keyEnd(i)], binary.LittleEndian.Uint64(l.entry(i)[l.at:])
}

// search is the first entry whose bound is not before the position of key at
// revision at, or n.
func (l *boundList) search(key []byte, at Rev) int {
	lo, hi := 0, l.n
	if l.fences != nil {
		lo, hi = l.fences.find(key)
	}
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		bound, rev := l.bound(m)
		if c := bytes.Compare(bound, key); c < 0 || c == 0 && Rev(rev) > at {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// lower is the key of the bound before that of block b of page i: no key of the
// block is before it. It is empty for the first block of the table.
func (t *table) lower(i int, p *indexPage, b int) (key []byte) {
	switch {
	case b > 0:
		key, _ = p.bound(b - 1)
	case i > 0:
		key, _ = t.top.bound(i - 1)
	}
	return key
}

// A pageEntry describes a page of the index in the top index.
type pageEntry struct {
	off        int64
	size       int
	crc        uint32
	firstBlock uint64
	filter     filterShape
}

func (t *table) pageEntry(i int) pageEntry {
	b, le := t.top.entry(i), binary.LittleEndian
	// Where off is beyond an int64, size and order of the parts are wrong too.
	return pageEntry{
		off:        int64(le.Uint64(b)),
		size:       int(le.Uint32(b[8:])),
		crc:        le.Uint32(b[12:]),
		firstBlock: le.Uint64(b[16:]),
		filter:     filterShape{pages: le.Uint32(b[36:]), lines: le.Uint32(b[40:])},
	}
}

// blocksBefore is the number of blocks before page i, or all if there is no
// such page.
func (t *table) blocksBefore(i int) uint64 {
	if i == t.top.n {
		return t.inf.blocks
	}
	return t.pageEntry(i).firstBlock
}

// A blockEntry describes a block in its page of the index.
type blockEntry struct {
	no                   uint64 // number of the block in the table
	off                  int64  // of the key run
	keySize, keyRaw      uint32
	valueSize, valueRaw  uint32
	keyCRC, valueCRC     uint32
	n                    uint32 // versions
	keyCodec, valueCodec uint8
	reserved             uint16
}

// An indexPage is a page of the index, read in place.
type indexPage struct {
	boundList
	off   int64       // in the file
	first uint64      // number of its first block in the table
	heads *blockHeads // of its blocks, for get; nil: not made
}

func (p *indexPage) block(i int) blockEntry {
	b, le := p.entry(i), binary.LittleEndian
	return blockEntry{
		no:         p.first + uint64(i),
		off:        int64(le.Uint64(b)),
		keySize:    le.Uint32(b[8:]),
		keyRaw:     le.Uint32(b[12:]),
		valueSize:  le.Uint32(b[16:]),
		valueRaw:   le.Uint32(b[20:]),
		keyCRC:     le.Uint32(b[24:]),
		valueCRC:   le.Uint32(b[28:]),
		n:          le.Uint32(b[32:]),
		keyCodec:   b[48],
		valueCodec: b[49],
		reserved:   le.Uint16(b[50:]),
	}
}

// page reads page i of the index, and verifies it if nobody has so far. What
// makes searches fast is made when it is read for the second time.
func (t *table) page(i int, p *indexPage) error {
	if used := t.pages[i].Load(); used != nil {
		*p = *used
		return nil
	}
	d := t.pageEntry(i)
	raw := t.data[d.off:][:d.size]
	if !hasBit(t.pageOK, uint64(i)) {
		if err := t.checkPage(i, raw, p); err != nil {
			return err
		}
		setBit(t.pageOK, uint64(i))
		return nil
	}
	p.off, p.first = d.off, d.firstBlock
	if err := p.trust(raw, blockEntrySize, 36); err != nil {
		return err
	}
	p.fences, p.heads = newFences(&p.boundList), newBlockHeads(p.n)
	used := *p
	if !t.pages[i].CompareAndSwap(nil, &used) {
		p.heads.release() // those of another goroutine are in use
		*p = *t.pages[i].Load()
	}
	return nil
}

// checkPage verifies page i, whose bytes are raw, and reads it into p.
func (t *table) checkPage(i int, raw []byte, p *indexPage) error {
	d := t.pageEntry(i)
	p.off, p.first = d.off, d.firstBlock
	if crc32.ChecksumIEEE(raw) != d.crc {
		return t.corrupt(d.off, "checksum mismatch in an index page")
	}
	if err := p.parse(raw, blockEntrySize, 36); err != nil {
		return t.corrupt(d.off, "index page: "+err.Error())
	}
	if uint64(p.n) != t.blocksBefore(i+1)-d.firstBlock {
		return t.corrupt(d.off, "index page: blocks are counted wrong")
	}
	end := int64(tableHeaderSize)
	if i > 0 {
		before := t.pageEntry(i - 1)
		end = before.off + int64(before.size) + int64(before.filter.size())
	}
	for b := range p.n {
		e := p.block(b)
		switch {
		case e.off != end:
			return t.corrupt(d.off, "index page: the blocks do not follow each other")
		case e.keyRaw > maxRunSize || e.valueRaw > maxRunSize || e.n == 0:
			return t.corrupt(d.off, "index page: a block has an impossible size")
		case e.keyCodec > codecZstd || e.valueCodec > codecZstd || e.reserved != 0:
			return t.corrupt(d.off, "index page: unknown codec")
		case e.keyCodec == codecNone && e.keySize != e.keyRaw, e.valueCodec == codecNone && e.valueSize != e.valueRaw:
			return t.corrupt(d.off, "index page: a run has two lengths")
		}
		end += int64(e.keySize) + int64(e.valueSize)
		if end > d.off {
			return t.corrupt(d.off, "index page: a block lies outside its place")
		}
	}
	if end != d.off {
		return t.corrupt(d.off, "index page: the blocks do not fill their place")
	}
	return nil
}

// mayHave asks the filter of page i of the index about a hash.
func (t *table) mayHave(i int, hash uint64) (bool, error) {
	d := t.pageEntry(i)
	no := d.filter.page(hash)
	size := d.filter.pageSize()
	off := d.off + int64(d.size) + int64(no*size)
	page := t.data[off:][:size]
	if t.filterOK[i].Load()>>no&1 == 0 {
		if filterPageCRC(page, t.inf.id, off) != filterPageSum(page) {
			return false, t.corrupt(off, "checksum mismatch in a filter page")
		}
		t.filterOK[i].Or(1 << no)
	}
	return d.filter.has(page, hash), nil
}

// unpackedRuns are the runs of a compressed block that get has unpacked, kept
// for the next get. They are never changed.
type unpackedRuns struct {
	block        uint64
	keys, values []byte // nil: not unpacked so far
}

// unpackedBlock returns a copy of what is kept of a compressed block, to be
// handed to keyRun and valueRun; or nil if the block is not compressed.
func (t *table) unpackedBlock(e *blockEntry) *unpackedRuns {
	if e.keyCodec == codecNone && e.valueCodec == codecNone {
		return nil
	}
	if u := t.unpacked.Load(); u != nil && u.block == e.no {
		c := *u
		return &c
	}
	return &unpackedRuns{block: e.no}
}

// keyRun reads the key run of a block, and verifies it if nobody has so far.
// What it unpacks it keeps, if u is not nil.
func (t *table) keyRun(e *blockEntry, u *unpackedRuns, r *keyRun) error {
	trusted := hasBit(t.keysOK, e.no)
	raw, err := []byte(nil), error(nil)
	if u != nil && u.keys != nil {
		raw = u.keys
	} else if raw, err = t.readRun(e.keys(), trusted); err != nil {
		return err
	}
	if err := r.parse(raw, int(e.n)); err != nil {
		return t.corrupt(e.off, err.Error())
	}
	if !trusted {
		if err := r.check(int(e.valueRaw)); err != nil {
			return t.corrupt(e.off, err.Error())
		}
		setBit(t.keysOK, e.no)
	}
	if u != nil && u.keys == nil {
		u.keys = raw
		keep := *u
		t.unpacked.Store(&keep)
	}
	return nil
}

// valueRun reads the value run of a block, as keyRun the key run.
func (t *table) valueRun(e *blockEntry, u *unpackedRuns) ([]byte, error) {
	if u != nil && u.values != nil {
		return u.values, nil
	}
	trusted := hasBit(t.valuesOK, e.no)
	raw, err := t.readRun(e.values(), trusted)
	if err != nil {
		return nil, err
	}
	if !trusted {
		setBit(t.valuesOK, e.no)
	}
	if u != nil {
		u.values = raw
		keep := *u
		t.unpacked.Store(&keep)
	}
	return raw, nil
}

// A runEntry describes one run of a block.
type runEntry struct {
	off            int64
	size, raw, crc uint32
	codec          uint8
}

func (e *blockEntry) keys() runEntry {
	return runEntry{e.off, e.keySize, e.keyRaw, e.keyCRC, e.keyCodec}
}

func (e *blockEntry) values() runEntry {
	return runEntry{e.off + int64(e.keySize), e.valueSize, e.valueRaw, e.valueCRC, e.valueCodec}
}

// readRun returns the bytes of a run, unpacked. They are verified unless they
// are trusted.
func (t *table) readRun(e runEntry, trusted bool) ([]byte, error) {
	data := t.data[e.off:][:e.size:e.size]
	if !trusted && crc32.ChecksumIEEE(data) != e.crc {
		return nil, t.corrupt(e.off, "checksum mismatch in a block")
	}
	if e.codec == codecNone {
		return data, nil
	}
	out, err := decompressRun(data, int(e.raw))
	if err != nil {
		return nil, t.corrupt(e.off, err.Error())
	}
	return out, nil
}
