package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync/atomic"
)

// A sorter brings any number of records into the order of their keys within a
// fixed amount of memory. Records are collected in an arena; when that is full
// it is sorted and written to a temporary file, a run; in the end the runs are
// merged. A run whose keys all follow those of the one before is appended to
// it, so input that is sorted already is written once and read once. A table
// can be the first run, see adopt.
//
// Values of some size go to a file of their own at once, so that sorting does
// not move them, and merging does not hold one of each run in memory.
//
// Use: add any number of times, finish, read the source, close. It is used by
// one goroutine.
type sorter struct {
	fsys   FS
	dir    string
	budget int64 // bytes of memory in all
	block  int   // bytes that are read of a run at a time
	large  int   // bytes from which on a value goes to the file of values

	nameless bool // temporary files lose their names at once: nobody cleans dir

	arena  arena
	runs   []*sorterRun // oldest first
	table  *sorterTable // nil, or a run older than those
	values *sorterFile  // nil: no large value so far
	out    []byte       // the block of a run that is being written
	done   bool
	e      error
}

// sorterFiles makes the names of temporary files unique in the process.
var sorterFiles atomic.Uint64

// newSorter sorts with temporary files in dir, which are made when they are
// needed. budget is the memory it takes in all, in bytes; from about 32 MiB on
// it is fast.
func newSorter(fsys FS, dir string, budget int64) *sorter {
	s := &sorter{
		fsys: fsys, dir: dir, budget: budget,
		block: int(min(max(budget/256, 512), 256<<10)),
		large: int(min(max(budget/64, 256), 64<<10)),
	}
	s.arena.reset(int(min(max(budget/16, 1<<10), 4<<20)))
	return s
}

// add adds a record, which it copies. Of several records with one key the last
// one counts. expires is in Unix milliseconds, 0 for never.
func (s *sorter) add(ikey, value []byte, expires int64, deleted bool) error {
	switch {
	case s.e != nil:
		return s.e
	case s.done:
		return ErrClosed
	case len(ikey) == 0 || len(ikey) > maxIKeySize:
		return fmt.Errorf("sort: internal key of %d bytes: %w", len(ikey), ErrInvalid)
	case len(value) > MaxValueSize:
		return fmt.Errorf("sort: value of %d bytes: %w", len(value), ErrTooLarge)
	case deleted:
		value = nil
	}
	size := len(value)
	if size >= s.large {
		if value, s.e = s.writeLarge(value); s.e != nil {
			return s.e
		}
	}
	limit := s.budget - int64(len(s.runs)+2)*int64(s.block)
	if s.arena.count > 0 && s.arena.memory(len(ikey)+len(value)) > max(limit, s.budget/2) {
		if s.e = s.spill(); s.e != nil {
			return s.e
		}
	}
	s.arena.add(ikey, value, size, expires, deleted)
	return nil
}

// finish yields each distinct key once, in order, with the last record added
// for it and revision 0. The slices of a version are valid until the next call
// of next. The source is of no use after the sorter is closed.
func (s *sorter) finish() (source, error) {
	if s.e != nil {
		return nil, s.e
	}
	s.done = true
	sources := []source{s.arena.source()}
	for i := len(s.runs) - 1; i >= 0; i-- { // the newest first: it wins
		sources = append(sources, s.runs[i].source())
	}
	if s.table != nil {
		sources = append(sources, s.table.source())
	}
	return &sorterSource{source: newMergeSource(sources, false), s: s}, nil
}

// close removes all temporary files. It may be called at any time, and again.
func (s *sorter) close() {
	s.done = true
	for _, r := range s.runs {
		r.remove()
	}
	if s.table != nil {
		s.table.remove(s.fsys)
	}
	if s.values != nil {
		s.values.remove()
	}
	s.arena.close()
	s.runs, s.table, s.values = nil, nil, nil
}

// ascends reports whether each record so far came after all those before it,
// and all are in memory, but for large values.
func (s *sorter) ascends() bool {
	return s.e == nil && s.arena.sorted && len(s.runs) == 0 && s.table == nil
}

// restart empties a sorter that has no runs, and has it take records again.
func (s *sorter) restart() {
	if s.values != nil {
		s.values.remove()
		s.values = nil
	}
	s.arena.reset(s.arena.chunkSize)
	s.done = false
}

// adopt takes over a table that is complete, as the records that were added
// before all others. There is none of them yet, and no other table. After an
// error the table is still the caller's.
func (s *sorter) adopt(w *tableWriter) error {
	t, err := mapTable(w.file, "temporary file", assigned{})
	if err == nil {
		s.table = &sorterTable{w: w, t: t}
	}
	return err
}

// A sorterTable is a run in the format of a table.
type sorterTable struct {
	w *tableWriter
	t *table
}

func (t *sorterTable) source() source {
	src := t.t.iter(iterOptions{})
	if it, ok := src.(*tableIter); ok {
		return &sorterTableSource{tableIter: it}
	}
	return src // of an error
}

// sorterTableSource gives back the memory of what it has read: a mapped file is
// memory of the process as far as it was touched, and this one has any size. So
// its slices are valid, as those of a run, until the next call of next.
type sorterTableSource struct {
	*tableIter
	dropped int64 // bytes from the start of the file
}

// sorterDrop is how much is given back at a time, in bytes: whole pages.
const sorterDrop = 8 << 20

func (s *sorterTableSource) next() bool {
	if s.block.off-s.dropped > sorterDrop {
		dropPages(s.t.data[s.dropped : s.dropped+sorterDrop])
		s.dropped += sorterDrop
	}
	return s.tableIter.next()
}

func (t *sorterTable) remove(fsys FS) {
	t.t.release()
	discardTable(fsys, t.w)
}

// spill writes the arena to a run and empties it.
func (s *sorter) spill() error {
	src := s.arena.source()
	var r *sorterRun
	if n := len(s.runs); n > 0 && bytes.Compare(s.runs[n-1].last, s.arena.first()) < 0 {
		r = s.runs[n-1]
	}
	if r == nil {
		// Reading the runs takes a block of memory each.
		if int64(len(s.runs))*int64(s.block) >= s.budget/4 {
			if err := s.mergeRuns(); err != nil {
				return err
			}
		}
		var err error
		if r, err = s.newRun(); err != nil {
			return err
		}
		s.runs = append(s.runs, r)
	}
	if err := s.write(r, src); err != nil {
		return err
	}
	s.arena.reset(s.arena.chunkSize)
	return nil
}

// mergeRuns makes one run of all.
func (s *sorter) mergeRuns() error {
	var sources []source
	for i := len(s.runs) - 1; i >= 0; i-- {
		sources = append(sources, s.runs[i].source())
	}
	merged, err := s.newRun()
	if err != nil {
		return err
	}
	old := s.runs
	s.runs = []*sorterRun{merged}
	err = s.write(merged, newMergeSource(sources, false))
	for _, r := range old {
		r.remove()
	}
	return err
}

// Run format: blocks of a length u32, a CRC-32 (IEEE) u32 of what follows, and
// as many bytes of records (see arena). A run is read by the process that
// wrote it and by nobody else: it has no version, and its length is known.
const runBlockHeaderSize = 8

// write appends what src yields, which all comes after what is there, to a run.
func (s *sorter) write(r *sorterRun, src source) error {
	flush := func() error {
		if len(s.out) == runBlockHeaderSize {
			return nil
		}
		payload := s.out[runBlockHeaderSize:]
		binary.LittleEndian.PutUint32(s.out, uint32(len(payload)))
		binary.LittleEndian.PutUint32(s.out[4:], crc32.ChecksumIEEE(payload))
		n, err := r.file.Write(s.out)
		r.size += int64(n)
		s.out = s.out[:runBlockHeaderSize]
		return err
	}
	if s.out == nil {
		s.out = make([]byte, 0, s.block)
	}
	s.out = append(s.out[:0], make([]byte, runBlockHeaderSize)...)
	for src.next() {
		v := src.cur()
		if n := itemSize(len(v.key), len(v.value), v.expires); len(s.out)+n > s.block {
			if err := flush(); err != nil {
				return err
			}
		}
		s.out = appendItem(s.out, v)
		r.last = append(r.last[:0], v.key...)
	}
	if err := src.err(); err != nil {
		return err
	}
	return flush()
}

// A sorterFile is a temporary file.
type sorterFile struct {
	fsys FS
	path string
	file File
	size int64

	nameless bool
}

// newFile makes a temporary file and locks it, so that it can be told from one
// that a dead process left.
func (s *sorter) newFile() (*sorterFile, error) {
	path := filepath.Join(s.dir, fmt.Sprintf("import-%d-%d.tmp", os.Getpid(), sorterFiles.Add(1)))
	f, err := createLocked(s.fsys, path)
	if err != nil {
		return nil, err
	}
	if s.nameless {
		if err := s.fsys.Remove(path); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &sorterFile{fsys: s.fsys, path: path, file: f, nameless: s.nameless}, nil
}

// remove removes the file before it gives up the lock. What cannot be removed
// is an orphan, for a cleaner to find.
func (f *sorterFile) remove() {
	if !f.nameless {
		_ = f.fsys.Remove(f.path)
	}
	f.file.Close()
}

func (f *sorterFile) corrupt(offset int64) error {
	return &CorruptError{File: filepath.Base(f.path), Offset: offset, Reason: "temporary file does not read back as written"}
}

// A sorterRun is a file of records whose keys ascend.
type sorterRun struct {
	*sorterFile
	last []byte // its last key
}

func (s *sorter) newRun() (*sorterRun, error) {
	f, err := s.newFile()
	if err != nil {
		return nil, err
	}
	return &sorterRun{sorterFile: f}, nil
}

func (r *sorterRun) source() source { return &runSource{run: r} }

// runSource reads a run, a block at a time. Its slices are valid until the
// next call of next.
type runSource struct {
	run  *sorterRun
	off  int64  // of the next block
	buf  []byte // a block, if any
	rest []byte // of the block
	v    version
	e    error
}

func (r *runSource) cur() *version { return &r.v }
func (r *runSource) err() error    { return r.e }
func (r *runSource) close()        {}

func (r *runSource) next() bool {
	if r.e != nil || len(r.rest) == 0 && !r.read() {
		return false
	}
	r.rest = r.rest[parseItem(r.rest, &r.v):]
	return true
}

// read reads the next block.
func (r *runSource) read() bool {
	if r.off == r.run.size {
		return false
	}
	var h [runBlockHeaderSize]byte
	if !r.readAt(h[:]) {
		return false
	}
	size := int64(binary.LittleEndian.Uint32(h[:]))
	if size > r.run.size-r.off-runBlockHeaderSize {
		r.e = r.run.corrupt(r.off)
		return false
	}
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	at := r.off
	r.off += runBlockHeaderSize
	if !r.readAt(r.buf) {
		return false
	}
	if crc32.ChecksumIEEE(r.buf) != binary.LittleEndian.Uint32(h[4:]) {
		r.e = r.run.corrupt(at)
		return false
	}
	r.off += size
	r.rest = r.buf
	return true
}

func (r *runSource) readAt(b []byte) bool {
	if n, err := r.run.file.ReadAt(b, r.off); n < len(b) {
		r.e = errors.Join(r.run.corrupt(r.off), err)
		return false
	}
	return true
}

// largeRefSize is the size of what stands in a record in place of a large
// value: where it begins in the file of values u64, its length u32, its CRC-32
// (IEEE) u32.
const largeRefSize = 16

// writeLarge writes a value to the file of values and returns its reference.
func (s *sorter) writeLarge(value []byte) ([]byte, error) {
	if s.values == nil {
		var err error
		if s.values, err = s.newFile(); err != nil {
			return nil, err
		}
	}
	ref := make([]byte, 0, largeRefSize)
	ref = binary.LittleEndian.AppendUint64(ref, uint64(s.values.size))
	ref = binary.LittleEndian.AppendUint32(ref, uint32(len(value)))
	ref = binary.LittleEndian.AppendUint32(ref, crc32.ChecksumIEEE(value))
	n, err := s.values.file.Write(value)
	s.values.size += int64(n)
	return ref, err
}

// sorterSource puts large values in the place of their references. Where a
// version is as long as it says, the value is the value.
type sorterSource struct {
	source
	s   *sorter
	v   version
	buf []byte
	e   error
}

func (r *sorterSource) cur() *version { return &r.v }

func (r *sorterSource) err() error {
	if r.e != nil {
		return r.e
	}
	return r.source.err()
}

func (r *sorterSource) next() bool {
	if r.e != nil || !r.source.next() {
		return false
	}
	r.v = *r.source.cur()
	if r.v.size == len(r.v.value) {
		return true
	}
	ref, off := r.v.value, int64(binary.LittleEndian.Uint64(r.v.value))
	if cap(r.buf) < r.v.size {
		r.buf = make([]byte, r.v.size)
	}
	r.v.value = r.buf[:r.v.size]
	n, err := r.s.values.file.ReadAt(r.v.value, off)
	if n < r.v.size || crc32.ChecksumIEEE(r.v.value) != binary.LittleEndian.Uint32(ref[12:]) {
		r.e = errors.Join(r.s.values.corrupt(off), err)
		return false
	}
	return true
}
