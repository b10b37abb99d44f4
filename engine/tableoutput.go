package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync/atomic"
)

// A tableBlock is a block on its way into a table.
type tableBlock struct {
	blockBuilder
	bound    []byte // see table.go
	boundRev Rev
	repeats  bool // a version has the key of the one before, which may be in the block before
}

func (b *tableBlock) reset() {
	b.blockBuilder.reset()
	b.bound, b.boundRev, b.repeats = b.bound[:0], 0, false
}

// A tableOutput puts blocks into a file, with the index and the filters over
// them. A table of one block costs no more than that: the block is put where it
// is handed over. From the second one on a goroutine puts them, in the same
// order, so that they are packed and written while the next ones are collected.
// take, end and stop are called by the goroutine of the tableWriter; what lies
// below is touched by the other one while that runs.
type tableOutput struct {
	full chan *tableBlock // for the goroutine; nil before it runs
	free chan *tableBlock // that it has put
	made int              // blocks that there are
	done chan struct{}    // closed when it has ended

	failed atomic.Bool // e is set, or panicked: nothing more will be put
	panics any         // what the goroutine panicked with, which is for its caller

	file      File
	id        uint64
	blockSize int
	pageSize  int
	e         error

	buf      []byte // bytes to be written at written
	written  int64
	onTheWay int64 // to the disk: as many bytes from the start of the file

	run []byte // the key run under way
	enc *runEncoder

	blocks  uint64 // so far
	page    boundWriter
	top     boundWriter
	hashes  []uint64 // of the distinct keys of the page
	lastKey []byte   // of the block before, if the next one may repeat it
}

// tableBlocks is the number of blocks that there may be, under way and on their
// way, and hugeBlock the weight from which on none may wait: a block can be of
// one huge value.
const (
	tableBlocks = 4
	hugeBlock   = 1 << 20
)

func newTableOutput(f File, o tableOptions, enc *runEncoder, header []byte) *tableOutput {
	return &tableOutput{
		free: make(chan *tableBlock, tableBlocks), made: 1,
		file: f, id: o.id, blockSize: o.blockSize, pageSize: o.pageSize, enc: enc,
		buf: append(make([]byte, 0, tableBufferSize+tableBufferSize/4), header...),
	}
}

// take takes over a full block, which more will follow, and returns an empty
// one.
func (o *tableOutput) take(b *tableBlock) (*tableBlock, error) {
	if o.full == nil {
		if o.blocks == 0 && o.e == nil {
			o.putBlock(b)
			b.reset()
			return b, o.e
		}
		o.start()
	}
	if o.failed.Load() {
		return b, o.stop()
	}
	huge := b.weight() >= hugeBlock
	o.full <- b
	if huge {
		if err := o.stop(); err != nil {
			return b, err
		}
	}
	if o.made < tableBlocks && len(o.free) == 0 {
		o.made++
		return new(tableBlock), nil
	}
	return <-o.free, nil
}

// end puts the last block, if there is one, and ends the index.
func (o *tableOutput) end(last *tableBlock) error {
	if err := o.stop(); err != nil {
		return err
	}
	if last != nil {
		o.putBlock(last)
	}
	if o.page.n > 0 {
		o.endPage()
	}
	return o.e
}

// start starts the goroutine.
func (o *tableOutput) start() {
	o.full, o.done = make(chan *tableBlock, tableBlocks), make(chan struct{})
	go func() {
		defer close(o.done)
		defer func() {
			if o.panics = recover(); o.panics != nil {
				o.failed.Store(true)
				for b := range o.full { // nobody is to wait for a block
					o.free <- b
				}
			}
		}()
		for b := range o.full {
			if o.e == nil {
				o.putBlock(b)
				o.failed.Store(o.e != nil)
			}
			b.reset()
			o.free <- b
		}
	}()
}

// stop waits until all blocks are put. The next one may start the goroutine
// again. What that panicked with goes on here, once.
func (o *tableOutput) stop() error {
	o.wait()
	if p := o.panics; p != nil {
		o.panics = nil
		panic(p)
	}
	return o.e
}

// wait ends the goroutine, if it runs.
func (o *tableOutput) wait() {
	if o.full != nil {
		close(o.full)
		<-o.done
		o.full = nil
	}
}

// replaceStart writes other bytes over the first ones.
func (o *tableOutput) replaceStart(b []byte) error {
	if err := o.stop(); err != nil {
		return err
	}
	if o.written == 0 {
		copy(o.buf, b)
	} else {
		_, o.e = o.file.WriteAt(b, 0)
	}
	return o.e
}

// offset is where the next byte comes to lie.
func (o *tableOutput) offset() int64 { return o.written + int64(len(o.buf)) }

// put appends to the file.
func (o *tableOutput) put(b []byte) {
	if len(b) > tableBufferSize { // a huge value need not pass through the buffer
		o.flush()
		o.write(b)
		return
	}
	o.buf = append(o.buf, b...)
	if len(o.buf) >= tableBufferSize {
		o.flush()
	}
}

func (o *tableOutput) flush() {
	o.write(o.buf)
	o.buf = o.buf[:0]
}

func (o *tableOutput) write(b []byte) {
	if o.e != nil || len(b) == 0 {
		return
	}
	var n int
	n, o.e = o.file.Write(b)
	o.written += int64(n)
	if o.written-o.onTheWay >= tableWriteAhead {
		if f, ok := o.file.(writeStarter); ok {
			f.startWrite(o.onTheWay, o.written-o.onTheWay)
		}
		o.onTheWay = o.written
	}
}

// A writeStarter is a file that can have bytes go to the disk without waiting
// for them.
type writeStarter interface {
	startWrite(off, n int64)
}

// putBlock appends a block, and the page of the index if it fills it.
func (o *tableOutput) putBlock(b *tableBlock) {
	off := o.offset()
	o.run = b.appendKeyRun(shrink(o.run))
	keys := o.enc.encode(o.run)
	o.put(keys.data)
	values := o.enc.encode(b.values)
	o.put(values.data)
	le := binary.LittleEndian
	var e [blockEntrySize]byte
	le.PutUint64(e[:], uint64(off))
	le.PutUint32(e[8:], uint32(len(keys.data)))
	le.PutUint32(e[12:], keys.raw)
	le.PutUint32(e[16:], uint32(len(values.data)))
	le.PutUint32(e[20:], values.raw)
	le.PutUint32(e[24:], keys.crc)
	le.PutUint32(e[28:], values.crc)
	le.PutUint32(e[32:], uint32(b.len()))
	e[48], e[49] = keys.codec, values.codec
	o.blocks++
	o.addHashes(b)
	o.page.add(e[:], 36, b.bound, b.boundRev)
	// A block adds at most its own number of keys.
	if o.page.size() >= o.pageSize || len(o.hashes) >= maxFilterKeys-o.blockSize/versionWeight {
		o.endPage()
	}
}

// addHashes adds the distinct keys of a block to the filter of the page, and
// the first one if the page begins with the block.
func (o *tableOutput) addHashes(b *tableBlock) {
	last, from := o.lastKey, uint64(0)
	for _, end := range b.cols[colKeyEnd] {
		key := b.keys[from:end]
		if !b.repeats || len(o.hashes) == 0 || !bytes.Equal(key, last) {
			o.hashes = append(o.hashes, filterHash(key))
		}
		last, from = key, end
	}
	o.lastKey = append(o.lastKey[:0], last...)
}

// endPage writes the page of the index under way, and the filter of its keys.
func (o *tableOutput) endPage() {
	off := o.offset()
	b := o.page.appendTo(nil)
	if over := (off + int64(len(b))) % filterLineSize; over != 0 {
		b = append(b, make([]byte, filterLineSize-over)...)
	}
	o.put(b)
	filter, shape := appendFilter(nil, o.hashes, o.id, o.offset())
	o.put(filter)

	le := binary.LittleEndian
	e := make([]byte, pageEntrySize)
	le.PutUint64(e, uint64(off))
	le.PutUint32(e[8:], uint32(len(b)))
	le.PutUint32(e[12:], crc32.ChecksumIEEE(b))
	le.PutUint64(e[16:], o.blocks-uint64(o.page.n))
	le.PutUint32(e[36:], shape.pages)
	le.PutUint32(e[40:], shape.lines)
	o.top.add(e, 24, o.page.lastKey(), o.page.lastRev)
	o.page.reset()
	o.hashes = o.hashes[:0]
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
