package engine

import (
	"bytes"
	"sync"
	"sync/atomic"
)

// A blockHead is what a get looks at before the block: of 7 of its keys, which
// part it into eighths, 8 bytes as a number. The two keys between which the
// sought one lies leave few lines of memory to fetch where a binary search of
// the whole block waits for one after the other. A head takes 64 bytes, one
// line of cache, for a block of 32 KiB, and is made of a block when a get uses
// it and its page of the index has been used before.
type blockHead struct {
	numbers [headKeys]uint64 // of the keys n×1/8, n×2/8, … n×7/8
	keysAt  atomic.Uint32    // where the keys begin in the key run; 0: the head is not made
	shared  uint16           // bytes before those of the numbers, which all keys of the block share
}

const (
	headKeys  = 7
	headParts = headKeys + 1
	headSize  = 64 // bytes

	// maxHeads is the most bytes that the heads of a process take. That is
	// enough for 8 GiB of blocks that are in use; of more, gets are slower.
	maxHeads = 16 << 20
)

// headsTaken is the number of bytes that the heads of the process take.
var headsTaken atomic.Int64

// blockHeads are the heads of the blocks of a page of the index.
type blockHeads struct {
	mu    sync.Mutex // held to make a head
	heads []blockHead
}

// newBlockHeads has place for n heads, or is nil if there are too many.
func newBlockHeads(n int) *blockHeads {
	size := int64(n) * headSize
	if headsTaken.Add(size) > maxHeads {
		headsTaken.Add(-size)
		return nil
	}
	return &blockHeads{heads: make([]blockHead, n)}
}

// release says that the heads are not used any more.
func (b *blockHeads) release() {
	if b != nil {
		headsTaken.Add(-int64(len(b.heads)) * headSize)
	}
}

// of is the head of a block, or nil if it is not made.
func (b *blockHeads) of(block int) *blockHead {
	if b == nil || b.heads[block].keysAt.Load() == 0 {
		return nil
	}
	return &b.heads[block]
}

// put makes the head of a block of a key run that was checked and whose stored
// bytes are size. No key of it, and none that is sought in it, is before lower
// or behind upper.
func (b *blockHeads) put(block int, run *keyRun, size uint32, lower, upper []byte) {
	shared := 0
	for shared < min(len(lower), len(upper), 1<<16-1) && lower[shared] == upper[shared] {
		shared++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &b.heads[block]
	if h.keysAt.Load() != 0 {
		return
	}
	h.shared = uint16(shared)
	for i := range h.numbers {
		h.numbers[i] = keyPrefix(h.rest(run.key(run.n * (i + 1) / headParts)))
	}
	h.keysAt.Store(size - uint32(len(run.keys))) // last: it says that the rest is there
}

// rest is what of a key lies behind the bytes that all keys of the block share.
// Only in a forged table one does not have them all.
func (h *blockHead) rest(key []byte) []byte { return key[min(len(key), int(h.shared)):] }

// A headPart says in which eighths of its block a key is, if it is there.
type headPart struct {
	from, to int    // the first of the eighths, and the one behind the last
	number   uint64 // of the key
}

// find returns the part of the block in which key belongs.
func (h *blockHead) find(key []byte) headPart {
	p := headPart{to: 1, number: keyPrefix(h.rest(key))}
	for _, x := range h.numbers {
		if x < p.number {
			p.from++
		}
		if x <= p.number {
			p.to++
		}
	}
	return p
}

// search is keyRun.search in a part of the block.
func (h *blockHead) search(p headPart, r *keyRun, key []byte, at Rev, as assigned) int {
	key = h.rest(key)
	lo, hi := r.n*p.from/headParts, r.n*p.to/headParts
	if p.from > 0 {
		lo++ // the key before the part is before the one sought
	}
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		k := h.rest(r.key(m))
		x := keyPrefix(k)
		before := x < p.number
		if x == p.number {
			c := bytes.Compare(k, key)
			before = c < 0 || c == 0 && as.revOf(r.cols[colRev].at(m)) > at
		}
		if before {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}
