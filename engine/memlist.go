package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"sync/atomic"
)

// memListLevels is the height of a memList. A node reaches each further level
// with probability 1/4, so 12 levels keep searches short up to 4^12 keys.
const memListLevels = 12

// A memList is the keys of one family, sorted, each with its versions: a skip
// list. One goroutine at a time may add; any number may read meanwhile without
// a lock. Keys are never removed, so a node once found stays a valid place to
// go on from.
type memList struct {
	head memNode // before the first key; its own key and versions mean nothing
}

type memNode struct {
	key      string
	versions atomic.Pointer[[]memVersion] // oldest first; nil until the first is added
	next     []atomic.Pointer[memNode]
}

// A memVersion is what one commit made of a key. In the writes of a
// transaction rev is the number of the write instead, and there is no stamp.
type memVersion struct {
	memWrite
	rev   Rev
	stamp Stamp
}

// A memWrite is a value for a key, or its deletion.
type memWrite struct {
	value   []byte // never changes
	expires int64  // milliseconds since the Unix epoch; 0: never
	deleted bool
}

// liveAt reports whether a reader sees the value at now, in milliseconds.
func (w *memWrite) liveAt(now int64) bool {
	return !w.deleted && (w.expires == 0 || w.expires > now)
}

func newMemList() *memList {
	l := &memList{}
	l.head.next = make([]atomic.Pointer[memNode], memListLevels)
	return l
}

// following is the next node in key order, or nil.
func (n *memNode) following() *memNode { return n.next[0].Load() }

// descend returns the last node whose key is less than key, or the head. If
// path is not nil it is filled with the last such node on each level.
func (l *memList) descend(key string, path *[memListLevels]*memNode) *memNode {
	n := &l.head
	for level := memListLevels - 1; level >= 0; level-- {
		for next := n.next[level].Load(); next != nil && next.key < key; next = n.next[level].Load() {
			n = next
		}
		if path != nil {
			path[level] = n
		}
	}
	return n
}

// seek returns the first node whose key is not less than key, or nil.
func (l *memList) seek(key string) *memNode {
	return l.descend(key, nil).following()
}

// before returns the last node whose key is less than key, or nil.
func (l *memList) before(key string) *memNode {
	if n := l.descend(key, nil); n != &l.head {
		return n
	}
	return nil
}

// last returns the node with the greatest key, or nil.
func (l *memList) last() *memNode {
	n := &l.head
	for level := memListLevels - 1; level >= 0; level-- {
		for next := n.next[level].Load(); next != nil; next = n.next[level].Load() {
			n = next
		}
	}
	if n == &l.head {
		return nil
	}
	return n
}

// find returns the node of a key, or nil. A nil list holds nothing.
func (l *memList) find(key string) *memNode {
	if l == nil {
		return nil
	}
	if n := l.seek(key); n != nil && n.key == key {
		return n
	}
	return nil
}

// put returns the node of a key, and links one in first if there is none.
func (l *memList) put(key string) *memNode {
	var path [memListLevels]*memNode
	if n := l.descend(key, &path).following(); n != nil && n.key == key {
		return n
	}
	height := 1
	for height < memListLevels && rand.Uint32()&3 == 0 {
		height++
	}
	n := &memNode{key: key, next: make([]atomic.Pointer[memNode], height)}
	for level := range n.next {
		n.next[level].Store(path[level].next[level].Load())
	}
	// From the bottom up: a reader that meets the node on a level finds it
	// complete on all levels below.
	for level := range n.next {
		path[level].next[level].Store(n)
	}
	return n
}

// add appends the newest version of the key. Readers hold slices that end
// before it, so it may take the place behind them in the same array.
func (n *memNode) add(v memVersion) {
	var vs []memVersion
	if old := n.versions.Load(); old != nil {
		vs = *old
	}
	vs = append(vs, v)
	n.versions.Store(&vs)
}

// at is the version that holds at rev, be it a deletion; nil if there was none
// so far. A nil node has no versions.
func (n *memNode) at(rev Rev) *memVersion {
	if n == nil {
		return nil
	}
	p := n.versions.Load()
	if p == nil {
		return nil // the key is just being written for the first time
	}
	vs := *p
	i := len(vs) - 1
	if vs[i].rev > rev { // nearly every read is of the newest
		i = sort.Search(len(vs), func(i int) bool { return vs[i].rev > rev }) - 1
	}
	if i < 0 {
		return nil
	}
	return &vs[i]
}

// liveAt is the version that a reader sees at rev and now, or nil.
func (n *memNode) liveAt(rev Rev, now int64) *memVersion {
	if v := n.at(rev); v != nil && v.memWrite.liveAt(now) {
		return v
	}
	return nil
}

// A memSpan is a part of the keys of one family, read in one direction. The
// zero memSpan is all of them; one whose lo is not below its hi is none.
type memSpan struct {
	lo, hi  string // from lo to below hi; an empty hi has no upper end
	reverse bool
}

// newMemSpan is the part of the keys that a range selects by its From, To and
// Prefix.
func newMemSpan(r Range) memSpan {
	s := memSpan{lo: max(r.From, r.Prefix), hi: r.To, reverse: r.Reverse}
	if end := memPrefixEnd(r.Prefix); end != "" && (s.hi == "" || end < s.hi) {
		s.hi = end
	}
	return s
}

// memPrefixEnd is the first key after all that begin with prefix, or "" if
// there is none.
func memPrefixEnd(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// A memCursor walks the keys of a list that lie in a span.
type memCursor struct {
	list *memList
	span memSpan
	node *memNode // where the cursor stands; nil at the end
}

// newMemCursor stands on the first node of the span, in its direction. A nil
// list holds nothing.
func newMemCursor(l *memList, s memSpan) memCursor {
	c := memCursor{list: l, span: s}
	switch {
	case l == nil:
		return c
	case !s.reverse:
		c.node = l.seek(s.lo)
	case s.hi == "":
		c.node = l.last()
	default:
		c.node = l.before(s.hi)
	}
	c.stopAtEnd()
	return c
}

func (c *memCursor) advance() {
	if c.span.reverse {
		c.node = c.list.before(c.node.key)
	} else {
		c.node = c.node.following()
	}
	c.stopAtEnd()
}

func (c *memCursor) stopAtEnd() {
	if c.node == nil {
		return
	}
	if c.node.key < c.span.lo || c.span.hi != "" && c.node.key >= c.span.hi {
		c.node = nil
	}
}

// isNotAfter reports whether c comes first, or stands on the same key as d.
// One of them, walking the same span, has not ended.
func (c *memCursor) isNotAfter(d memCursor) bool {
	switch {
	case c.node == nil:
		return false
	case d.node == nil || c.node.key == d.node.key:
		return true
	}
	return (c.node.key < d.node.key) != c.span.reverse
}

// eachNode calls f with the keys of all families that lie in a range of
// internal keys, in order, until it returns false.
func (m *Mem) eachNode(o *iterOptions, f func(family string, n *memNode) (bool, error)) error {
	m.mu.RLock()
	lists := maps.Clone(m.families)
	m.mu.RUnlock()
	names := slices.Sorted(maps.Keys(lists))
	if o.reverse {
		slices.Reverse(names)
	}
	for _, name := range names {
		for c := newMemCursor(lists[name], memSpan{reverse: o.reverse}); c.node != nil; c.advance() {
			ikey := string(appendIKey(nil, name, c.node.key))
			if ikey < string(o.lo) || o.hi != nil && ikey >= string(o.hi) {
				continue
			}
			if more, err := f(name, c.node); !more || err != nil {
				return err
			}
		}
	}
	return nil
}
