package engine

import (
	"bytes"
	"sync"
)

// iterOptions select versions of a table.
type iterOptions struct {
	lo, hi   []byte // internal keys: from lo on, and before hi; nil: no end there
	reverse  bool
	keysOnly bool // leave values nil, and do not read them

	// match, if not nil, says of each user key whether to yield its versions.
	// It neither keeps nor changes the bytes, and may be called from several
	// goroutines at once.
	match func(userKey []byte) bool
}

// newestRev is above every revision that there will be.
const newestRev = Rev(1<<64 - 1)

// iter yields the versions that o selects. The source holds a reference to the
// table until it is closed.
func (t *table) iter(o iterOptions) source {
	if !t.retain() {
		return errorSource{ErrClosed}
	}
	it := tableIters.Get().(*tableIter)
	it.t, it.o, it.step = t, o, 1
	if o.reverse {
		it.step = -1
	}
	if o.match != nil {
		it.feed = t.newMatchFeed(o)
	}
	return it
}

// tableIters are those that were closed. They are of a kilobyte, and a scan of a
// few keys took as long to make one as to read.
var tableIters = sync.Pool{New: func() any { return new(tableIter) }}

// tableIter walks from block to block, and yields of each the versions from i
// on to before stop, in steps of 1 or -1; or those that hits lists.
type tableIter struct {
	t    *table
	o    iterOptions
	step int
	e    error

	started bool
	last    bool // no further block has anything
	pageNo  int
	page    indexPage
	blockNo int // within the page
	block   blockEntry

	run     keyRun
	uniform bool // all versions of the run have what v has, but for loadKey
	values  []byte
	hasVals bool // values are read
	i, stop int
	hits    []uint32 // with match: the versions of the block to yield
	v       version

	feed *matchFeed // if not nil, where blocks come from

	seen visible // see newVisible
}

func (it *tableIter) cur() *version { return &it.v }
func (it *tableIter) err() error    { return it.e }

func (it *tableIter) close() {
	if it.feed != nil {
		it.feed.close()
	}
	it.t.release()
	hits := it.hits[:0]
	if it.feed != nil {
		hits = nil // they are the feed's
	}
	// Nothing is left that points into the table, whose memory may be used for
	// something else from now on.
	*it = tableIter{hits: hits}
	tableIters.Put(it)
}

func (it *tableIter) next() bool {
	for it.e == nil {
		if it.i != it.stop {
			i := it.i
			it.i += it.step
			if it.o.match != nil {
				i = int(it.hits[i])
			}
			return it.load(i)
		}
		if it.last || !it.nextBlock() {
			return false
		}
	}
	return false
}

// load makes version i of the block current.
func (it *tableIter) load(i int) bool {
	from, to := it.run.loadKey(i, &it.v)
	if !it.uniform {
		it.run.loadMeta(i, it.t.as, &it.v)
	}
	if it.o.keysOnly || it.v.deleted {
		it.v.value = nil
		return true
	}
	if !it.hasVals {
		if it.values, it.e = it.t.valueRun(&it.block, nil); it.e != nil {
			return false
		}
		it.hasVals = true
	}
	it.v.value = it.values[from:to:to]
	return true
}

// nextBlock goes to the next block that may have something, and reports
// whether there is one.
func (it *tableIter) nextBlock() bool {
	if it.feed != nil {
		var found *blockHits
		if found, it.e = it.feed.next(); found == nil {
			it.last = true
			return false
		}
		it.block, it.run, it.hits = found.block, found.run, found.hits
		it.enter(0, len(it.hits))
		return true
	}
	if !it.move() {
		it.last = true
		return false
	}
	if bound, _ := it.page.bound(it.blockNo); it.o.reverse && bytes.Compare(bound, it.o.lo) < 0 {
		it.last = true // this one and all before it lie below the range
		return false
	}
	return it.read()
}

// read reads block blockNo of the page, and finds what to yield of it.
func (it *tableIter) read() bool {
	it.block = it.page.block(it.blockNo)
	if it.e = it.t.keyRun(&it.block, nil, &it.run); it.e != nil {
		return false
	}
	from, to := it.clip()
	if it.o.match != nil {
		it.hits = it.run.match(from, to, it.o.match, it.hits[:0])
		from, to = 0, len(it.hits)
	}
	it.enter(from, to)
	return true
}

// enter begins with the versions, or hits, from..to-1 of the block.
func (it *tableIter) enter(from, to int) {
	it.hasVals = false
	if it.uniform = it.run.uniform(); it.uniform {
		it.run.loadMeta(0, it.t.as, &it.v)
	}
	it.i, it.stop = from, to
	if it.o.reverse {
		it.i, it.stop = to-1, from-1
	}
}

// move goes to the next block, or to the first.
func (it *tableIter) move() bool {
	if !it.started {
		it.started = true
		return it.seek()
	}
	it.blockNo += it.step
	if it.blockNo >= 0 && it.blockNo < it.page.n {
		return true
	}
	it.pageNo += it.step
	if it.pageNo < 0 || it.pageNo >= it.t.top.n {
		return false
	}
	if it.e = it.t.page(it.pageNo, &it.page); it.e != nil {
		return false
	}
	it.blockNo = 0
	if it.o.reverse {
		it.blockNo = it.page.n - 1
	}
	return true
}

// seek goes to the first block that may have something: the one in which the
// first key from lo on lies, or in reverse the last one before hi, which may
// have to be looked for in the block before.
func (it *tableIter) seek() bool {
	key := it.o.lo
	if it.o.reverse {
		key = it.o.hi
	}
	n := it.t.top.n
	switch {
	case n == 0:
		return false
	case key != nil:
		it.pageNo = it.t.top.search(key, newestRev)
	case it.o.reverse:
		it.pageNo = n
	}
	past := it.pageNo == n // behind all blocks
	if past {
		if !it.o.reverse {
			return false
		}
		it.pageNo--
	}
	if it.e = it.t.page(it.pageNo, &it.page); it.e != nil {
		return false
	}
	switch {
	case past:
		it.blockNo = it.page.n - 1
	case key != nil:
		it.blockNo = min(it.page.search(key, newestRev), it.page.n-1)
	}
	return true
}

// clip returns which versions of the block lie in the range, and notes when
// that is the last block to have any.
func (it *tableIter) clip() (from, to int) {
	from, to = 0, it.run.n
	if it.o.hi != nil {
		if bound, _ := it.page.bound(it.blockNo); bytes.Compare(bound, it.o.hi) >= 0 {
			to = it.run.search(it.o.hi, newestRev, it.t.as)
			it.last = !it.o.reverse
		}
	}
	if it.o.lo != nil && bytes.Compare(it.run.key(0), it.o.lo) < 0 {
		from = it.run.search(it.o.lo, newestRev, it.t.as)
		it.last = it.last || it.o.reverse
	}
	return from, max(from, to)
}
