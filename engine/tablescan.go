package engine

import (
	"bytes"
	"hash/crc32"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// A matchFeed looks for keys that match in several pages of the index at once,
// and hands out what it finds in the order of the table. It works ahead of
// whoever takes, but only a few pages: the memory it needs is bounded, and a
// scan that ends early has wasted little.
type matchFeed struct {
	t     *table
	o     iterOptions
	first int // page that comes first
	count int // of pages

	file File // of the table, for keyBuffers; nil: blocks are read through the mapping

	claimed atomic.Int64     // pages that workers have taken up
	tickets chan *pageHits   // a worker takes one before it takes up a page
	slots   []chan *pageHits // what was found in page i comes in slot i modulo their number
	quit    chan struct{}    // closed by close
	workers sync.WaitGroup   // reading the table
	taken   int              // pages that next has had
	page    *pageHits        // the last of them
	block   int              // of page, that comes next
	started bool
}

// pageHits is what was found in the blocks of one page of the index.
type pageHits struct {
	blocks []blockHits // in the order of the scan, only those that have any
	err    error       // ended the page after those
}

// blockHits is what was found in one block.
type blockHits struct {
	block blockEntry
	run   keyRun
	hits  []uint32
}

// matchFeedPages is the number of pages from which on several workers find
// matches sooner than one, and how far they work ahead.
const (
	matchFeedPages   = 4
	maxMatchWorkers  = 8
	ticketsPerWorker = 2
)

// newMatchFeed returns a feed for o, or nil if the range is small or there is
// but one processor.
func (t *table) newMatchFeed(o iterOptions) *matchFeed {
	from, to := 0, t.top.n
	if o.lo != nil {
		from = t.top.search(o.lo, newestRev)
	}
	if o.hi != nil {
		to = min(to, t.top.search(o.hi, newestRev)+1)
	}
	workers := min(runtime.GOMAXPROCS(0), maxMatchWorkers)
	if to-from < matchFeedPages || workers < 2 {
		return nil
	}
	f := &matchFeed{t: t, o: o, first: from, count: to - from, quit: make(chan struct{})}
	if t.fsys != nil && !t.scanned.Swap(true) {
		// Where it is gone, or too many are open, the mapping has all the same.
		if file, err := t.fsys.OpenFile(t.path, os.O_RDONLY|noFollow, 0); err == nil {
			f.file = file
		}
	}
	if o.reverse {
		f.first = to - 1
	}
	n := workers * ticketsPerWorker
	f.tickets = make(chan *pageHits, n)
	for range n {
		f.tickets <- &pageHits{}
		f.slots = append(f.slots, make(chan *pageHits, 1))
	}
	return f
}

// next returns the next block with matches, or nil at the end or after an
// error. It is valid until the next call.
func (f *matchFeed) next() (*blockHits, error) {
	if !f.started {
		f.started = true
		for range len(f.slots) / ticketsPerWorker {
			f.workers.Go(f.work)
		}
	}
	for {
		if f.page != nil {
			if f.block < len(f.page.blocks) {
				f.block++
				return &f.page.blocks[f.block-1], nil
			}
			if f.page.err != nil {
				return nil, f.page.err
			}
			f.tickets <- f.page
			f.page = nil
		}
		if f.taken == f.count {
			return nil, nil
		}
		f.page = <-f.slots[f.taken%len(f.slots)]
		f.taken++
		f.block = 0
	}
}

// close ends the workers and waits until none reads the table.
func (f *matchFeed) close() {
	close(f.quit)
	f.workers.Wait()
	if f.file != nil {
		f.file.Close()
	}
}

// work takes up one page after the other. There are as many tickets as slots,
// and a ticket comes back when its page has been used up: so of the pages that
// are taken up no two have the same slot.
func (f *matchFeed) work() {
	var ahead *keyBuffer
	if f.file != nil {
		ahead = &keyBuffer{file: f.file}
	}
	for {
		var p *pageHits
		select {
		case <-f.quit:
			return
		case p = <-f.tickets:
		}
		i := int(f.claimed.Add(1)) - 1
		if i >= f.count {
			return
		}
		f.find(i, p, ahead)
		f.slots[i%len(f.slots)] <- p
	}
}

// find finds the matches in the page that comes as number i. ahead is nil where
// all blocks are read through the mapping.
func (f *matchFeed) find(i int, p *pageHits, ahead *keyBuffer) {
	it := tableIter{t: f.t, o: f.o, step: 1, pageNo: f.first + i}
	if f.o.reverse {
		it.step, it.pageNo = -1, f.first-i
	}
	p.blocks = p.blocks[:0]
	if p.err = f.t.page(it.pageNo, &it.page); p.err != nil {
		return
	}
	rare := true // where matches are, more may be: those blocks are read at once
	for b := range it.page.n {
		it.blockNo = b
		if f.o.reverse {
			it.blockNo = it.page.n - 1 - b
		}
		if f.outside(&it) {
			continue
		}
		// Take over what an earlier page left in this place.
		if n := len(p.blocks); n < cap(p.blocks) {
			it.hits = p.blocks[: n+1 : n+1][n].hits
		}
		if rare && ahead.passes(&it) {
			continue
		}
		if !it.read() {
			p.err = it.e
			return
		}
		if rare = len(it.hits) == 0; !rare {
			p.blocks = append(p.blocks, blockHits{it.block, it.run, it.hits})
			it.hits = nil
		}
	}
}

// outside reports whether the bounds show that nothing of the block lies in
// the range.
func (f *matchFeed) outside(it *tableIter) bool {
	if bound, _ := it.page.bound(it.blockNo); bytes.Compare(bound, f.o.lo) < 0 {
		return true
	}
	if it.blockNo == 0 || f.o.hi == nil {
		return false
	}
	before, _ := it.page.bound(it.blockNo - 1)
	return bytes.Compare(before, f.o.hi) >= 0
}

// A keyBuffer is where a worker reads keys that it only looks at.
type keyBuffer struct {
	file  File
	bytes []byte
	run   keyRun
	hits  []uint32
}

// keyBufferSize is what a keyBuffer begins with, in bytes: most blocks have
// fewer bytes of keys.
const keyBufferSize = 8 << 10

// passes reports whether the next block of it has no match, by reading its keys
// into the buffer. It knows nothing of a block that was used before, is stored in
// another way, or is damaged.
//
// A process that looks at all keys of a table once takes two thirds of the time
// so. Through the mapping each block costs a fault, for which the kernel maps
// sixteen pages, most of them of values, and takes them away in the end. Who
// does it again is better off with pages that are mapped. What was read here is
// not trusted there: only a mapping that was itself verified is.
func (b *keyBuffer) passes(it *tableIter) bool {
	if b == nil {
		return false
	}
	e := it.page.block(it.blockNo)
	if e.keyCodec != codecNone || hasBit(it.t.keysOK, e.no) {
		return false
	}
	if len(b.bytes) < int(e.keySize) {
		b.bytes = make([]byte, max(e.keySize, keyBufferSize))
	}
	raw := b.bytes[:e.keySize]
	if n, _ := b.file.ReadAt(raw, e.off); n < len(raw) || crc32.ChecksumIEEE(raw) != e.keyCRC {
		return false
	}
	if b.run.parse(raw, int(e.n)) != nil || b.run.check(int(e.valueRaw)) != nil {
		return false
	}
	b.hits = b.run.match(0, b.run.n, it.o.match, b.hits[:0])
	return len(b.hits) == 0
}
