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
// Full blocks go to another one, see tableOutput, so that whoever adds versions
// need not wait for checksums, compression and the file.
//
// The file is locked as long as it is written, so that whoever cleans up can
// tell what is under way from what a dead process left.
type tableWriter struct {
	fsys FS
	path string // empty: the file has no name
	file File   // nil when it is closed
	o    tableOptions
	e    error

	completed bool // all of it is in the file
	finished  bool // and on the disk

	info    tableInfo
	lastKey []byte // of the version added last
	lastRev Rev

	block *tableBlock // under way
	ended int64       // bytes of keys and values in the blocks before, and something for each version
	out   *tableOutput
}

// newTableWriter creates the file, which must not exist.
func newTableWriter(fsys FS, path string, o tableOptions) (*tableWriter, error) {
	f, err := createLocked(fsys, path)
	if err != nil {
		return nil, err
	}
	w, err := beginTable(fsys, path, f, o)
	if err != nil {
		_ = fsys.Remove(path)
		f.Close()
	}
	return w, err
}

// beginTable begins a table in an empty file, which the writer owns from then on.
func beginTable(fsys FS, path string, f File, o tableOptions) (*tableWriter, error) {
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
	w := &tableWriter{fsys: fsys, path: path, file: f, o: o, block: new(tableBlock)}
	w.info = tableInfo{
		id: o.id, database: o.database, created: o.created, kind: o.kind,
		snapshotRev: o.snapshotRev, snapshotStamp: o.snapshotStamp, historyFrom: o.historyFrom, afterStamp: o.afterStamp,
	}
	w.out = newTableOutput(f, o, enc, w.appendHeader(nil))
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
		if w.e = w.endBlock(v.key, newKey); w.e != nil {
			return w.e
		}
	}
	if w.info.entries == 0 {
		w.info.first = append([]byte(nil), v.key...)
	}
	w.block.add(v)
	w.block.repeats = w.block.repeats || !newKey
	w.info.count(v, newKey)
	if newKey {
		w.lastKey = append(w.lastKey[:0], v.key...)
	}
	w.lastRev = v.rev
	return nil
}

// endBlock hands the block under way over, next being the key that follows it.
func (w *tableWriter) endBlock(next []byte, newKey bool) error {
	b := w.block
	if newKey {
		b.bound = appendBound(b.bound[:0], w.lastKey, next)
	} else {
		b.bound, b.boundRev = append(b.bound[:0], w.lastKey...), w.lastRev
	}
	w.ended += int64(b.weight())
	var err error
	w.block, err = w.out.take(b)
	return err
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

// size is about the number of bytes the table has so far.
func (w *tableWriter) size() int64 {
	return tableHeaderSize + w.ended + int64(len(w.block.keys)+len(w.block.values))
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

// finish ends the table and makes it durable. The caller
// renames it and syncs the directory, then calls abort, which gives up the lock:
// until then nobody takes the file for one that a dead process left.
func (w *tableWriter) finish() (tableInfo, error) {
	info, err := w.complete()
	if err != nil {
		return info, err
	}
	if w.e = w.file.Sync(); w.e != nil {
		return tableInfo{}, w.e
	}
	w.finished = true
	return info, nil
}

// setDatabase says which database the table is for, if that was not known when
// it was begun.
func (w *tableWriter) setDatabase(id [16]byte) error {
	if w.e == nil && w.o.database != id {
		w.o.database, w.info.database = id, id
		w.e = w.out.replaceStart(w.appendHeader(nil))
	}
	return w.e
}

// complete ends the table for this process to read. It is removed in the end.
func (w *tableWriter) complete() (tableInfo, error) {
	if w.e == nil && (w.file == nil || w.completed) {
		w.e = ErrClosed
	}
	if w.e != nil {
		return tableInfo{}, w.e
	}
	w.info.last = append([]byte(nil), w.lastKey...)
	var last *tableBlock
	if w.block.len() > 0 {
		last = w.block
		last.bound = append(last.bound[:0], w.lastKey...)
	}
	if w.e = w.out.end(last); w.e != nil {
		return tableInfo{}, w.e
	}
	w.info.blocks = w.out.blocks
	top, props := w.out.top.appendTo(nil), w.info.appendProperties(nil)
	topOff := w.out.offset()
	w.out.put(top)
	w.out.put(props)
	w.info.size = w.out.offset() + tableFooterSize
	w.out.put(w.footer(topOff, top, props))
	w.out.flush()
	if w.e = w.out.e; w.e != nil {
		return tableInfo{}, w.e
	}
	w.completed = true
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
		w.out.wait()
		defer func() { _ = w.out.stop() }()
		if !w.finished && w.path != "" {
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
