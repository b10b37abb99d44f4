package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

const (
	// tableBlockSize is the weight at which a block ends, and the size at
	// which a page of the index does. A get reads one of each.
	tableBlockSize = 32 << 10
	tablePageSize  = 8 << 10

	// tableBufferSize is what is collected before it is written.
	tableBufferSize = 512 << 10

	// tableWriteAhead is what is written before the system is asked to take it
	// to the disk: the sync at the end finds little left to wait for.
	tableWriteAhead = 8 << 20
)

// tableOptions say what a table is written for.
type tableOptions struct {
	id            uint64
	database      [16]byte
	kind          tableKind
	created       int64 // Unix milliseconds
	compress      bool  // with zstd, where it gains anything
	snapshotRev   Rev   // for kindSnapshot, with its stamp
	snapshotStamp Stamp
	historyFrom   Rev
	afterStamp    Stamp // for kindIncrement

	blockSize int // bytes of keys and values in a block; 0: tableBlockSize
	pageSize  int // bytes of a page of the index; 0: tablePageSize
}

// A tableWriter writes a table, in bounded memory whatever its size. After an
// error every call but abort returns that error. It is used by one goroutine.
//
// The file is locked as long as it is written, so that whoever cleans up can
// tell what is under way from what a dead process left.
type tableWriter struct {
	fsys FS
	path string
	file File // nil when it is closed
	o    tableOptions
	e    error

	finished bool

	info    tableInfo
	lastKey []byte // of the version added last
	lastRev Rev

	buf     []byte // bytes to be written at written
	written int64

	onTheWay int64 // to the disk: as many bytes from the start of the file

	run []byte // the key run under way
	enc *runEncoder

	block   blockBuilder
	pending []byte // the block that was written last, and waits for its bound
	page    boundWriter
	top     boundWriter
	hashes  []uint64 // of the distinct keys of the page
	bound   []byte
}

// newTableWriter creates the file, which must not exist.
func newTableWriter(fsys FS, path string, o tableOptions) (*tableWriter, error) {
	if o.blockSize == 0 {
		o.blockSize = tableBlockSize
	}
	if o.pageSize == 0 {
		o.pageSize = tablePageSize
	}
	enc, err := newRunEncoder(o.compress)
	if err != nil {
		return nil, err
	}
	f, err := createLocked(fsys, path)
	if err != nil {
		return nil, err
	}
	w := &tableWriter{fsys: fsys, path: path, file: f, o: o, enc: enc}
	w.info = tableInfo{
		id: o.id, database: o.database, created: o.created, kind: o.kind,
		snapshotRev: o.snapshotRev, snapshotStamp: o.snapshotStamp, historyFrom: o.historyFrom, afterStamp: o.afterStamp,
	}
	w.buf = w.appendHeader(make([]byte, 0, tableBufferSize+tableBufferSize/4))
	return w, nil
}

// createLocked creates a file for writing and takes its lock. A cleaner may
// come between the two, take the file for an orphan and remove it: then
// another one is made.
func createLocked(fsys FS, path string) (File, error) {
	for range 10 {
		f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		locked, err := f.Lock()
		if err == nil && locked {
			if _, err = fsys.Stat(path); err == nil {
				return f, nil
			}
		}
		_ = fsys.Remove(path) // as the cleaner is about to do, if it has not
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("create %s: %w", path, ErrBusy)
}

func (w *tableWriter) appendHeader(dst []byte) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, tableMagic...)
	dst = le.AppendUint32(dst, tableVersion)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint64(dst, w.o.id)
	dst = append(dst, w.o.database[:]...)
	dst = le.AppendUint64(dst, uint64(w.o.created))
	dst = le.AppendUint32(dst, uint32(w.o.kind))
	dst = le.AppendUint64(dst, 0)
	return le.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// add adds a version, which must come after all those before. It copies it.
// Either all versions of a table have a revision or none has.
func (w *tableWriter) add(v *version) error {
	if w.e != nil {
		return w.e
	}
	order := 1
	if w.info.entries > 0 {
		order = bytes.Compare(v.key, w.lastKey)
	}
	if err := w.check(v, order); err != nil {
		w.e = err
		return err
	}
	newKey := order > 0
	if n := w.block.len(); n > 0 && w.block.weight()+len(v.key)+len(v.value)+versionWeight > w.o.blockSize {
		w.endBlock()
	}
	if w.pending != nil {
		w.endBound(v.key, newKey)
	}
	if newKey || len(w.hashes) == 0 {
		w.hashes = append(w.hashes, filterHash(v.key))
	}
	if w.info.entries == 0 {
		w.info.first = append([]byte(nil), v.key...)
	}
	w.block.add(v)
	w.info.count(v, newKey)
	if newKey {
		w.lastKey = append(w.lastKey[:0], v.key...)
	}
	w.lastRev = v.rev
	return w.e
}

// check refuses a version that has no place in the table. order is how its key
// compares to the key before.
func (w *tableWriter) check(v *version, order int) error {
	switch {
	case len(v.key) == 0 || len(v.key) > maxIKeySize:
		return fmt.Errorf("write table: internal key of %d bytes: %w", len(v.key), ErrInvalid)
	case len(v.value) > MaxValueSize:
		return fmt.Errorf("write table: value of %d bytes: %w", len(v.value), ErrTooLarge)
	case len(v.value) != v.size:
		return fmt.Errorf("write table: value of %d bytes with size %d: %w", len(v.value), v.size, ErrInvalid)
	case v.deleted && v.size != 0:
		return fmt.Errorf("write table: delete with a value: %w", ErrInvalid)
	case order < 0 || order == 0 && v.rev >= w.lastRev:
		return fmt.Errorf("write table: key %q at revision %d after key %q at revision %d: %w", v.key, v.rev, w.lastKey, w.lastRev, ErrInvalid)
	case w.info.entries > 0 && (v.rev == 0) != (w.lastRev == 0):
		return fmt.Errorf("write table: versions with and without a revision: %w", ErrInvalid)
	}
	return nil
}

// size is the number of bytes the table has so far, but for the end of its
// index.
func (w *tableWriter) size() int64 {
	return w.written + int64(len(w.buf)+len(w.block.keys)+len(w.block.values)) + int64(len(w.page.entries)+len(w.page.keys))
}

func (w *tableWriter) offset() int64 { return w.written + int64(len(w.buf)) }

// put appends to the file.
func (w *tableWriter) put(b []byte) {
	if len(b) > tableBufferSize { // a huge value need not pass through the buffer
		w.flush()
		w.write(b)
		return
	}
	w.buf = append(w.buf, b...)
	if len(w.buf) >= tableBufferSize {
		w.flush()
	}
}

func (w *tableWriter) flush() {
	w.write(w.buf)
	w.buf = w.buf[:0]
}

func (w *tableWriter) write(b []byte) {
	if w.e != nil || len(b) == 0 {
		return
	}
	var n int
	n, w.e = w.file.Write(b)
	w.written += int64(n)
	if w.written-w.onTheWay >= tableWriteAhead {
		if f, ok := w.file.(writeStarter); ok {
			f.startWrite(w.onTheWay, w.written-w.onTheWay)
		}
		w.onTheWay = w.written
	}
}

// A writeStarter is a file that can have bytes go to the disk without waiting
// for them.
type writeStarter interface {
	startWrite(off, n int64)
}

// endBlock writes the block under way. Its bound comes with the next version.
func (w *tableWriter) endBlock() {
	off := w.offset()
	w.run = w.block.appendKeyRun(shrink(w.run))
	keys := w.enc.encode(w.run)
	w.put(keys.data)
	values := w.enc.encode(w.block.values)
	w.put(values.data)
	le := binary.LittleEndian
	b := make([]byte, blockEntrySize)
	le.PutUint64(b, uint64(off))
	le.PutUint32(b[8:], uint32(len(keys.data)))
	le.PutUint32(b[12:], keys.raw)
	le.PutUint32(b[16:], uint32(len(values.data)))
	le.PutUint32(b[20:], values.raw)
	le.PutUint32(b[24:], keys.crc)
	le.PutUint32(b[28:], values.crc)
	le.PutUint32(b[32:], uint32(w.block.len()))
	b[48], b[49] = keys.codec, values.codec
	w.pending = b
	w.info.blocks++
	w.block.reset()
}

// endBound gives the block that was written last its bound, next being the key
// that follows it, and ends the page of the index if it is full.
func (w *tableWriter) endBound(next []byte, newKey bool) {
	if newKey {
		w.bound = appendBound(w.bound[:0], w.lastKey, next)
		w.page.add(w.pending, 36, w.bound, 0)
	} else {
		w.page.add(w.pending, 36, w.lastKey, w.lastRev)
	}
	w.pending = nil
	// A block adds at most its own number of keys.
	if w.page.size() >= w.o.pageSize || len(w.hashes) >= maxFilterKeys-w.o.blockSize/versionWeight {
		w.endPage()
	}
}

// appendBound appends the shortest key that is not below last and below next.
func appendBound(dst, last, next []byte) []byte {
	n := 0
	for n < len(last) && last[n] == next[n] {
		n++
	}
	// next[:n+1] is above last; it will do unless it is all of next.
	if n+1 < len(next) && n+1 < len(last) {
		return append(dst, next[:n+1]...)
	}
	return append(dst, last...)
}

// endPage writes the page of the index under way, and the filter of its keys.
func (w *tableWriter) endPage() {
	off := w.offset()
	b := w.page.appendTo(nil)
	if over := (off + int64(len(b))) % filterLineSize; over != 0 {
		b = append(b, make([]byte, filterLineSize-over)...)
	}
	w.put(b)
	filter, shape := appendFilter(nil, w.hashes, w.o.id, w.offset())
	w.put(filter)

	le := binary.LittleEndian
	e := make([]byte, pageEntrySize)
	le.PutUint64(e, uint64(off))
	le.PutUint32(e[8:], uint32(len(b)))
	le.PutUint32(e[12:], crc32.ChecksumIEEE(b))
	le.PutUint64(e[16:], w.info.blocks-uint64(w.page.n))
	le.PutUint32(e[36:], shape.pages)
	le.PutUint32(e[40:], shape.lines)
	w.top.add(e, 24, w.page.lastKey(), w.page.lastRev)
	w.page.reset()
	w.hashes = w.hashes[:0]
}

// finish ends the table and makes it durable. The caller renames it and syncs
// the directory, then calls abort, which gives up the lock: until then nobody
// takes the file for one that a dead process left.
func (w *tableWriter) finish() (tableInfo, error) {
	if w.e == nil && (w.file == nil || w.finished) {
		w.e = ErrClosed
	}
	if w.e != nil {
		return tableInfo{}, w.e
	}
	if w.block.len() > 0 {
		w.endBlock()
		w.page.add(w.pending, 36, w.lastKey, 0)
		w.pending = nil
		w.endPage()
	}
	w.info.last = append([]byte(nil), w.lastKey...)
	top, props := w.top.appendTo(nil), w.info.appendProperties(nil)
	topOff := w.offset()
	w.put(top)
	w.put(props)
	w.info.size = w.offset() + tableFooterSize
	w.put(w.footer(topOff, top, props))
	w.flush()
	if w.e == nil {
		w.e = w.file.Sync()
	}
	if w.e != nil {
		return tableInfo{}, w.e
	}
	w.finished = true
	return w.info, nil
}

func (w *tableWriter) footer(topOff int64, top, props []byte) []byte {
	header := w.appendHeader(nil)
	le := binary.LittleEndian
	b := make([]byte, 0, tableFooterSize)
	b = le.AppendUint64(b, uint64(w.info.size))
	b = le.AppendUint64(b, w.o.id)
	b = le.AppendUint64(b, uint64(topOff))
	b = le.AppendUint64(b, uint64(len(top)))
	b = le.AppendUint32(b, crc32.ChecksumIEEE(top))
	b = le.AppendUint32(b, uint32(len(props)))
	b = le.AppendUint32(b, crc32.ChecksumIEEE(props))
	b = append(b, header[60:]...)
	b = le.AppendUint32(b, tableVersion)
	w.info.sum = crc32.ChecksumIEEE(b)
	b = le.AppendUint32(b, w.info.sum)
	return append(b, footMagic...)
}

// abort closes the file, and removes it unless finish has succeeded. It may be
// called more than once.
func (w *tableWriter) abort() {
	if w.file != nil {
		if !w.finished {
			// Removed under its lock: nobody takes it for something else.
			_ = w.fsys.Remove(w.path)
		}
		w.file.Close()
		w.file = nil
	}
	if w.e == nil {
		w.e = ErrClosed
	}
}

// A boundWriter makes what a boundList reads.
type boundWriter struct {
	n       int
	entries []byte
	keys    []byte
	lastAt  int // where the last bound's key begins
	lastRev Rev
}

// add appends an entry, whose bound goes to offset at in it.
func (b *boundWriter) add(entry []byte, at int, key []byte, rev Rev) {
	b.lastAt, b.lastRev = len(b.keys), rev
	b.keys = append(b.keys, key...)
	binary.LittleEndian.PutUint64(entry[at:], uint64(rev))
	binary.LittleEndian.PutUint32(entry[at+8:], uint32(len(b.keys)))
	b.entries = append(b.entries, entry...)
	b.n++
}

func (b *boundWriter) size() int       { return 4 + len(b.entries) + len(b.keys) }
func (b *boundWriter) lastKey() []byte { return b.keys[b.lastAt:] }
func (b *boundWriter) reset()          { *b = boundWriter{entries: b.entries[:0], keys: b.keys[:0]} }

func (b *boundWriter) appendTo(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.n))
	dst = append(dst, b.entries...)
	return append(dst, b.keys...)
}
