package crashfs

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
)

// A Model says what a crash may do to what was written.
type Model uint8

const (
	// Kill is the end of a process. Every call that returned has its effect,
	// and of a write under way any part may be there.
	Kill Model = iota

	// Journal is the loss of power on a file system with a journal, such as
	// ext4 and XFS. Names come and go in the order of the calls, up to some
	// moment; a sync makes all those durable that were changed before what it
	// syncs was. Content that was not synced is there in part: missing, cut,
	// zeros, with holes.
	Journal

	// Posix is the loss of power where only that is sure which the standard
	// says: content by a sync of the file, names by a sync of their folder.
	// Every other change is there or not, each by itself, and a rename may
	// leave both names. Bytes that were never written may be anything.
	Posix
)

func (m Model) String() string { return [...]string{"kill", "journal", "posix"}[m] }

// sector is what a disk writes whole or not at all. Only a write within one
// relies on it.
const sector = 512

// page is the size of the holes that are made into content that was not
// synced. Those of real disks are larger.
const page = 64

// An Effort bounds the states of one moment.
type Effort struct {
	Cuts   int // writes of up to so many bytes are cut at every byte, others at about so many
	Random int // states with everything drawn at random
}

// A State is one disk that a crash may leave.
type State struct {
	// Sum is the same for equal disks, and, but for a chance of one in 2^64,
	// different for others. It holds within one process.
	Sum uint64

	// Done is, after a Kill, how many bytes of the write under way are there.
	Done int

	p     *point
	names *nameSet
	drawn map[Ino]content // what is not as it is now
}

// Disk makes the disk.
func (s *State) Disk() *Disk {
	d := &Disk{Names: s.names.names, Files: make(map[Ino][]byte, len(s.p.files))}
	for ino, f := range s.p.files {
		d.Files[ino] = f.now.data
	}
	for ino, c := range s.drawn {
		d.Files[ino] = c.data
	}
	return d
}

// String says what is not there of what was done.
func (s *State) String() string {
	text := fmt.Sprintf("names: %s", s.names.what)
	for ino, c := range s.drawn {
		text += fmt.Sprintf("; file %d: %s", ino, c.what)
	}
	return text
}

// Until is the history of a disk whose process was killed in state s, behind
// at calls: it goes on from there, with nothing more durable than it was.
func (h *History) Until(at int, s *State) *History {
	ops := h.Ops[:at:at]
	if s.Done > 0 {
		part := h.Ops[at]
		part.Data = part.Data[:s.Done]
		ops = append(ops, part)
	}
	return &History{Base: h.Base, Ops: ops}
}

// States calls f with the disks that a crash behind the first at calls may
// leave, until f returns false: all where they are few, else the ones at the
// borders (nothing, everything, each single change lost, each byte of the last
// write) and some drawn at random. Some come more than once.
func (h *History) States(at int, m Model, e Effort, r *rand.Rand, f func(*State) bool) {
	p := newPoint(h, at, m)
	if m == Kill {
		p.killed(e, r, f)
		return
	}
	p.unplugged(m, e, r, f)
}

var seed = maphash.MakeSeed()

// A content is what a file may hold.
type content struct {
	data []byte
	sum  uint64
	what string
}

func newContent(data []byte, what string) content {
	return content{data, maphash.Bytes(seed, data), what}
}

// A fileAt is a file behind some calls.
type fileAt struct {
	durable []byte // as of the last sync
	dirty   []*Op  // writes and truncations since
	last    int    // index of the last of these
	now     content
}

// A change of a name: at is ino, or is ino no more.
type change struct {
	op   int // index of the call
	at   Name
	ino  Ino
	gone bool
	with int // index of the change without which this one cannot be, or -1
}

// A point is a disk behind some calls, with what of it is durable.
type point struct {
	h       *History
	at      int
	files   map[Ino]*fileAt
	durable map[Name]Ino
	pending []change
}

func newPoint(h *History, at int, m Model) *point {
	p := &point{h: h, at: at, files: make(map[Ino]*fileAt, len(h.Base.Files)+8), durable: maps.Clone(h.Base.Names)}
	data := maps.Clone(h.Base.Files)
	for ino, b := range data {
		p.files[ino] = &fileAt{durable: b}
	}
	touched := map[Ino]int{} // the last call that changed a file or folder
	for i := range h.Ops[:at] {
		o := &h.Ops[i]
		switch o.Kind {
		case OpCreate:
			p.files[o.Ino] = &fileAt{}
			data[o.Ino] = nil
			p.named(i, o.At, o.Ino)
		case OpMkdir:
			p.named(i, o.At, o.Ino)
		case OpRename:
			p.named(i, o.At, o.Ino)
			p.pending = append(p.pending, change{op: i, at: o.From, ino: o.Ino, gone: true, with: len(p.pending) - 1})
			touched[o.From.Dir] = i
		case OpRemove:
			p.pending = append(p.pending, change{op: i, at: o.At, ino: o.Ino, gone: true, with: -1})
		case OpWrite, OpTruncate:
			data[o.Ino] = replay(data[o.Ino], o)
			if f := p.files[o.Ino]; f != nil {
				f.dirty, f.last = append(f.dirty, o), i
			}
		case OpSync:
			p.sync(o.Ino, data, m, touched)
			continue
		}
		touched[o.Ino] = i
		if o.Kind < OpWrite {
			touched[o.At.Dir] = i
		}
	}
	for ino, f := range p.files {
		f.now = newContent(data[ino], "all")
	}
	return p
}

func (p *point) named(op int, at Name, ino Ino) {
	p.pending = append(p.pending, change{op: op, at: at, ino: ino, with: -1})
}

// sync makes durable what a sync of ino does.
func (p *point) sync(ino Ino, data map[Ino][]byte, m Model, touched map[Ino]int) {
	f := p.files[ino]
	if f != nil {
		f.durable, f.dirty = data[ino], nil
	}
	last, seen := touched[ino]
	var left []change
	moved := map[int]int{-1: -1} // indexes in pending to those in left
	for i, c := range p.pending {
		switch {
		case m == Journal && seen && c.op <= last, m != Journal && f == nil && c.at.Dir == ino:
			c.apply(p.durable)
			moved[i] = -1
		default:
			moved[i] = len(left)
			c.with = moved[c.with]
			left = append(left, c)
		}
	}
	p.pending = left
}

func (c *change) apply(names map[Name]Ino) {
	switch {
	case !c.gone:
		names[c.at] = c.ino
	case names[c.at] == c.ino:
		delete(names, c.at)
	}
}

// A nameSet is one choice of the names that are there.
type nameSet struct {
	names map[Name]Ino
	files []entry
	sum   uint64 // of the folders
	what  string
}

type entry struct {
	ino Ino
	sum uint64 // of the name
}

func (p *point) nameSet(pick func(i int) bool, what string) *nameSet {
	n := &nameSet{names: maps.Clone(p.durable), what: what}
	picked := make([]bool, len(p.pending))
	for i := range p.pending {
		c := &p.pending[i]
		if picked[i] = pick(i) && (c.with < 0 || picked[c.with]); picked[i] {
			c.apply(n.names)
		}
	}
	for at, ino := range n.names {
		sum := mix(maphash.String(seed, at.Base), uint64(at.Dir))
		if p.files[ino] == nil {
			n.sum += mix(sum, uint64(ino))
		} else {
			n.files = append(n.files, entry{ino, sum})
		}
	}
	return n
}

// mix hashes two numbers into one.
func mix(a, b uint64) uint64 {
	x := (a ^ b*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	x ^= x >> 32
	return x * 0xc4ceb9fe1a85ec53
}

// state is one choice of names and contents. drawn must not change any more.
func (p *point) state(n *nameSet, drawn map[Ino]content) *State {
	sum := n.sum
	for _, e := range n.files {
		c, ok := drawn[e.ino]
		if !ok {
			c = p.files[e.ino].now
		}
		sum += mix(e.sum, c.sum)
	}
	return &State{Sum: sum, p: p, names: n, drawn: drawn}
}

// killed calls f with the states that the end of a process leaves.
func (p *point) killed(e Effort, r *rand.Rand, f func(*State) bool) {
	all := p.nameSet(func(int) bool { return true }, "all")
	if !f(p.state(all, nil)) || p.at == len(p.h.Ops) || p.h.Ops[p.at].Kind != OpWrite {
		return
	}
	o := &p.h.Ops[p.at]
	old := p.files[o.Ino]
	if old == nil || withinSector(o, old.now.data) {
		return
	}
	for _, n := range cuts(len(o.Data), e.Cuts, r) {
		c := newContent(write(old.now.data, o.Offset, o.Data[:n]), fmt.Sprintf("and %d bytes of the write under way", n))
		s := p.state(all, map[Ino]content{o.Ino: c})
		s.Done = n
		if !f(s) {
			return
		}
	}
}

// withinSector reports whether a write is there whole or not at all: one within a
// sector that the file has already.
func withinSector(o *Op, old []byte) bool {
	end := o.Offset + int64(len(o.Data))
	return end <= int64(len(old)) && o.Offset/sector == (end-1)/sector
}

// cuts are the places inside a write of size bytes at which it is cut.
func cuts(size, limit int, r *rand.Rand) []int {
	var all []int
	if size <= limit {
		for n := 1; n < size; n++ {
			all = append(all, n)
		}
		return all
	}
	third := max(limit/4, 1)
	for n := 1; n <= third; n++ {
		all = append(all, n, size-n)
	}
	for range third {
		n := 1 + r.IntN(size-1)
		all = append(all, n)
		if n = n / sector * sector; n > 0 {
			all = append(all, n)
		}
	}
	return all
}
