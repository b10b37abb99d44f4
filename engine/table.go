package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"sync/atomic"
)

// Table format, version 1. A table holds versions, sorted by internal key,
// then by revision, newest first; no two are equal in both. It is written once
// and never changed. Integers are little-endian, checksums CRC-32 (IEEE).
//
//	header, 64 bytes
//	  offset  size  field
//	  0       8     0x89 "KVT" CR LF 0x1A LF: shows a transfer as text
//	  8       4     format version, 1
//	  12      4     flags, none so far
//	  16      8     table id
//	  24      16    database id
//	  40      8     time of creation, Unix milliseconds
//	  48      4     kind: 1 fold, 2 merge, 3 ingest, 4 snapshot, 5 increment
//	  52      8     zeros
//	  60      4     checksum of the bytes before
//
//	then, for each page of the index: its blocks, the page, its filter
//	  block   key run, value run; see block.go
//	  page    n u32; n descriptions of a block, 52 bytes each; their n bounds,
//	          as bytes one after the other; zeros up to an offset in the file
//	          that 64 divides, so that lines of the filter are lines of cache
//	            0   8  offset of the key run; the value run follows it
//	            8   4  stored length of the key run     12  4  its raw length
//	            16  4  stored length of the value run   20  4  its raw length
//	            24  4  checksum of the stored key run
//	            28  4  checksum of the stored value run
//	            32  4  number of versions, from 1
//	            36  8  revision of the bound
//	            44  4  end of the bound's key, counted from the first bound's
//	            48  1  codec of the key run: 0 none, 1 zstd
//	            49  1  codec of the value run
//	            50  2  zeros
//	  filter  over the distinct keys of these blocks; see filter.go
//
//	top index: n u32; n descriptions of a page, 44 bytes each; their n bounds
//	  0   8  offset of the page; the filter follows it
//	  8   4  length of the page             12  4  checksum of the page
//	  16  8  number of blocks before the page's first
//	  24  8  revision of the bound          32  4  end of the bound's key
//	  36  4  pages of the filter            40  4  lines in each of them
//
//	properties: see tableproperties.go
//
//	footer, 64 bytes
//	  0       8     size of the file
//	  8       8     table id
//	  16      8     offset of the top index; the properties follow it
//	  24      8     length of the top index
//	  32      4     checksum of the top index
//	  36      4     length of the properties; the footer follows them
//	  40      4     checksum of the properties
//	  44      4     checksum of the header, as it stands there
//	  48      4     format version, 1
//	  52      4     checksum of the bytes of the footer before
//	  56      8     0x89 "kvt" CR LF 0x1A LF
//
// The bound of a block is a position, a key and a revision: not before any
// version of the block, and before every version of later ones. Where a key
// goes on in the next block the bound is the last version's; else it has
// revision 0 and as few bytes as can tell the two blocks apart. The bound of a
// page is that of its last block.
//
// The parts lie one after the other without gaps, so every byte is under a
// checksum: of the runs in their page, of the page in the top index, of the
// filter in itself, of the rest in the footer. Where a run is stored with
// codec 0 its raw and its stored length are equal.
//
// A table made before its revision is known has revision, stamp and origin 0
// in all its versions, and whoever opens it says what they are.
const (
	tableVersion    = 1
	tableHeaderSize = 64
	tableFooterSize = 64
	blockEntrySize  = 52
	pageEntrySize   = 44
)

const (
	tableMagic = "\x89KVT\r\n\x1a\n"
	footMagic  = "\x89kvt\r\n\x1a\n"
)

// A tableKind says how a table came to be.
type tableKind uint32

// The kinds. The numbers stand in the header.
const (
	kindFold      tableKind = 1 // from the tail of the log
	kindMerge     tableKind = 2 // from other tables
	kindIngest    tableKind = 3 // from a bulk load
	kindSnapshot  tableKind = 4 // everything up to one revision
	kindIncrement tableKind = 5 // every version between two revisions
)

// assigned is what the versions of a table have that do not know it
// themselves, because they were written before their transaction.
type assigned struct {
	rev    Rev
	stamp  Stamp
	origin uint64
}

func (a assigned) revOf(stored uint64) Rev {
	if stored == 0 {
		return a.rev
	}
	return Rev(stored)
}

// A table is an open table. Its methods may be called from many goroutines,
// by whoever holds a reference. It goes on working when its file is removed.
//
// Opening reads the two ends of the file and the top index. Each page and run
// is verified when it is first used, and trusted from then on.
type table struct {
	name  string // for errors
	as    assigned
	fsys  FS // that has the file at path; nil: it may have no name
	path  string
	data  []byte // the file, mapped
	unmap func() error
	refs  atomic.Int64

	inf     tableInfo
	top     boundList // of pages
	topOff  int64     // where the top index begins, and so the last filter ends
	propOff int64

	pages []atomic.Pointer[indexPage] // those that were used twice

	// One bit each for what has been verified.
	pageOK   []atomic.Uint64
	keysOK   []atomic.Uint64
	valuesOK []atomic.Uint64
	filterOK []atomic.Uint64 // for each page of the index, a bit for each page of its filter

	scanned atomic.Bool // a scan looked for matches before, see keyBuffer

	unpacked atomic.Pointer[unpackedRuns] // of the last compressed block that get read

	// For so many gets that find their key the filter is asked, see get.
	doubt atomic.Int32
}

// openTable opens the table at path. name is what errors call it. What is
// wrong with the file itself is a *CorruptError; a format that this program
// does not know is ErrNewer. The caller owns the one reference.
func openTable(fsys FS, path, name string, as assigned) (*table, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a database can have more tables than a process may have files
	t, err := mapTable(f, name, as)
	if err != nil {
		return nil, err
	}
	t.fsys, t.path = fsys, path
	return t, nil
}

// mapTable opens the table in a file, which stays the caller's and may be
// closed then.
func mapTable(f File, name string, as assigned) (*table, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := fi.Size()
	if size < tableHeaderSize+tableFooterSize || size > math.MaxInt {
		return nil, &CorruptError{File: name, Offset: size, Reason: "too short for a table"}
	}
	t := &table{name: name, as: as}
	if t.data, t.unmap, err = f.Map(int(size), false); err != nil {
		return nil, err
	}
	t.refs.Store(1)
	t.doubt.Store(maxDoubt)
	if err := t.readEnds(); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

// retain adds a reference. It reports whether the table was still open, which
// whoever holds a reference knows.
func (t *table) retain() bool {
	for {
		n := t.refs.Load()
		if n <= 0 {
			return false
		}
		if t.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release drops a reference. With the last one the table closes, and all
// slices that it gave out become invalid.
func (t *table) release() {
	switch n := t.refs.Add(-1); {
	case n == 0:
		for i := range t.pages {
			if p := t.pages[i].Load(); p != nil {
				p.heads.release()
			}
		}
		// An error of munmap would be a bug here and changes nothing.
		_ = t.unmap()
	case n < 0:
		panic("engine: table released once too often")
	}
}

// info describes the table. Revisions, stamps and origins are as read.
func (t *table) info() tableInfo { return t.inf }

func (t *table) corrupt(offset int64, reason string) error {
	return &CorruptError{File: t.name, Offset: offset, Reason: reason}
}

// readEnds reads and verifies everything but blocks, pages and filters.
func (t *table) readEnds() error {
	header := t.data[:tableHeaderSize]
	if string(header[:8]) != tableMagic {
		return t.corrupt(0, "not a table")
	}
	le := binary.LittleEndian
	headerCRC := le.Uint32(header[60:])
	if crc32.ChecksumIEEE(header[:60]) != headerCRC {
		return t.corrupt(0, "checksum mismatch in the header")
	}
	// Every later version keeps the header so far that these two can be told.
	if v := le.Uint32(header[8:]); v != tableVersion {
		return fmt.Errorf("%s: table format %d: %w", t.name, v, ErrNewer)
	}
	if flags := le.Uint32(header[12:]); flags != 0 {
		return fmt.Errorf("%s: table flags %#x: %w", t.name, flags, ErrNewer)
	}
	size := int64(len(t.data))
	footOff := size - tableFooterSize
	foot := t.data[footOff:]
	switch {
	case string(foot[56:]) != footMagic:
		return t.corrupt(footOff, "the footer is not at the end of the file")
	case crc32.ChecksumIEEE(foot[:52]) != le.Uint32(foot[52:]):
		return t.corrupt(footOff, "checksum mismatch in the footer")
	case le.Uint64(foot) != uint64(size):
		return t.corrupt(footOff, "the file has another size than its footer says")
	case le.Uint32(foot[48:]) != tableVersion, le.Uint64(foot[8:]) != le.Uint64(header[16:]), le.Uint32(foot[44:]) != headerCRC:
		return t.corrupt(footOff, "the footer belongs to another table")
	}
	topOff, topLen, propLen := le.Uint64(foot[16:]), le.Uint64(foot[24:]), uint64(le.Uint32(foot[36:]))
	if topOff < tableHeaderSize || topOff > uint64(footOff) || topLen > uint64(footOff)-topOff ||
		propLen != uint64(footOff)-topOff-topLen {
		return t.corrupt(footOff, "the parts do not fill the file")
	}
	t.topOff, t.propOff = int64(topOff), int64(topOff+topLen)
	top, props := t.data[topOff:topOff+topLen], t.data[t.propOff:footOff]
	if crc32.ChecksumIEEE(top) != le.Uint32(foot[32:]) {
		return t.corrupt(t.topOff, "checksum mismatch in the top index")
	}
	if crc32.ChecksumIEEE(props) != le.Uint32(foot[40:]) {
		return t.corrupt(t.propOff, "checksum mismatch in the properties")
	}
	if err := t.readHeaderInfo(header); err != nil {
		return err
	}
	if err := t.inf.parse(props); err != nil {
		return t.corrupt(t.propOff, err.Error())
	}
	t.inf.sum = le.Uint32(foot[52:])
	t.inf.assign(t.as)
	return t.readTop(top)
}

func (t *table) readHeaderInfo(header []byte) error {
	le := binary.LittleEndian
	t.inf = tableInfo{
		id:      le.Uint64(header[16:]),
		size:    int64(len(t.data)),
		created: int64(le.Uint64(header[40:])),
		kind:    tableKind(le.Uint32(header[48:])),
	}
	copy(t.inf.database[:], header[24:])
	if t.inf.kind < kindFold || t.inf.kind > kindIncrement || le.Uint64(header[52:]) != 0 {
		return t.corrupt(48, "unknown kind of table")
	}
	return nil
}

// readTop checks the top index once, so that nothing it says needs a check
// later: pages lie in order, each ends where its filter begins, and the last
// filter ends where the top index begins.
func (t *table) readTop(raw []byte) error {
	if err := t.top.parse(raw, pageEntrySize, 24); err != nil {
		return t.corrupt(t.topOff, "top index: "+err.Error())
	}
	if t.top.end() != len(t.top.keys) {
		return t.corrupt(t.topOff, "top index: bytes left over")
	}
	end, blocks := int64(tableHeaderSize), uint64(0)
	for i := range t.top.n {
		p := t.pageEntry(i)
		if p.off < end || p.off > t.topOff || int64(p.size) > t.topOff-p.off {
			return t.corrupt(t.topOff, "top index: a page lies outside its place")
		}
		end = p.off + int64(p.size)
		if !p.filter.valid() || int64(p.filter.size()) > t.topOff-end {
			return t.corrupt(t.topOff, "top index: a filter lies outside its place")
		}
		end += int64(p.filter.size())
		if i == 0 && p.firstBlock != 0 || i > 0 && p.firstBlock <= blocks || p.firstBlock >= t.inf.blocks {
			return t.corrupt(t.topOff, "top index: blocks are counted wrong")
		}
		blocks = p.firstBlock
	}
	// A block has an entry in the index, so this bounds what follows by the
	// size of the file.
	if end != t.topOff || t.inf.blocks > uint64(len(t.data)/blockEntrySize) || (t.top.n == 0) != (t.inf.blocks == 0) {
		return t.corrupt(t.topOff, "top index: the pages do not fill the file")
	}
	t.top.fences = newFences(&t.top)
	t.pages = make([]atomic.Pointer[indexPage], t.top.n)
	t.pageOK = newBits(uint64(t.top.n))
	t.keysOK = newBits(t.inf.blocks)
	t.valuesOK = newBits(t.inf.blocks)
	t.filterOK = make([]atomic.Uint64, t.top.n)
	return nil
}

func newBits(n uint64) []atomic.Uint64 { return make([]atomic.Uint64, (n+63)/64) }

func hasBit(b []atomic.Uint64, i uint64) bool { return b[i/64].Load()>>(i%64)&1 != 0 }

func setBit(b []atomic.Uint64, i uint64) { b[i/64].Or(1 << (i % 64)) }

// maxDoubt is how many gets in a row must find their key before the filter is
// not asked any more.
const maxDoubt = 16

// get fills dst with the newest version of an internal key whose revision is
// at most at, a delete too, and reports whether there is one. The slices of
// dst point into the table.
//
// A filter costs one wait for memory, and spares the waits for a block only if
// the key is not there. So it is asked if one of the last gets found nothing:
// always in tables that hold what changed lately, and rarely in one that holds
// all keys.
func (t *table) get(key []byte, at Rev, dst *version) (bool, error) {
	pageNo := t.top.search(key, at)
	if pageNo == t.top.n {
		return false, nil
	}
	page := t.pages[pageNo].Load()
	if page == nil {
		page = new(indexPage)
		if err := t.page(pageNo, page); err != nil {
			return false, err
		}
	}
	// The bound of the page is not before the key, so that of a block is not.
	b := page.search(key, at)
	if b == page.n {
		return false, t.corrupt(page.off, "index page ends before its bound")
	}
	doubt := t.doubt.Load()
	if doubt > 0 {
		if may, err := t.mayHave(pageNo, filterHash(key)); !may {
			t.doubts(doubt, maxDoubt)
			return false, err
		}
	}
	found, err := t.getInBlock(pageNo, page, b, key, at, dst)
	switch {
	case err != nil:
	case !found:
		t.doubts(doubt, maxDoubt)
	case doubt > 0:
		t.doubts(doubt, doubt-1)
	}
	return found, err
}

// doubts sets doubt, if it has to: gets of several goroutines that find the
// same write nothing.
func (t *table) doubts(before, now int32) {
	if before != now {
		t.doubt.Store(now)
	}
}

// getInBlock is get in block b of page pageNo of the index.
func (t *table) getInBlock(pageNo int, page *indexPage, b int, key []byte, at Rev, dst *version) (bool, error) {
	e := page.block(b)
	head := page.heads.of(b)
	var part headPart
	if head != nil {
		part = head.find(key)
		t.prefetch(&e, head, part)
	}
	var run keyRun
	u := t.unpackedBlock(&e)
	if err := t.keyRun(&e, u, &run); err != nil {
		return false, err
	}
	// If the version is in the table, it is here: the bound of this block is
	// not before it, and that of the block before is.
	var i int
	if head != nil {
		i = head.search(part, &run, key, at, t.as)
	} else {
		i = run.search(key, at, t.as)
		if page.heads != nil {
			upper, _ := page.bound(b)
			page.heads.put(b, &run, e.keyRaw, t.lower(pageNo, page, b), upper)
		}
	}
	if i == run.n || !bytes.Equal(run.key(i), key) {
		return false, nil
	}
	run.load(i, t.as, dst)
	if dst.deleted {
		return true, nil
	}
	values, err := t.valueRun(&e, u)
	if err != nil {
		return false, err
	}
	begin, end := run.cols[colValueEnd].span(i)
	dst.value = values[begin:end:end]
	prefetch(dst.value[:min(len(dst.value), maxPrefetch)]) // while the caller makes room for a copy
	return true, nil
}

// prefetch fetches what get reads of a block behind the beginning of the key
// run, for which it waits: the part of the keys, and about where the value is,
// which is another page of memory.
func (t *table) prefetch(e *blockEntry, h *blockHead, p headPart) {
	if e.keyCodec != codecNone || e.valueCodec != codecNone {
		return
	}
	keys, values := t.data[e.off:][:e.keySize], t.data[e.off+int64(e.keySize):][:e.valueSize]
	keys = keys[h.keysAt.Load():]
	if part := keys[len(keys)*p.from/headParts : len(keys)*p.to/headParts]; len(part) <= maxPrefetch {
		prefetch(part)
	}
	if len(values) > 0 {
		prefetch(values[(len(values)-1)*(p.from+p.to)/(2*headParts):][:1])
	}
}

// maxPrefetch is the most bytes that get has fetched of the keys before it
// searches them, and of a value. Of more keys it would need few, and what comes
// later in a value the processor fetches by itself.
const maxPrefetch = 2 << 10
