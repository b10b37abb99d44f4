package crashfs

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// unplugged calls f with the states that a loss of power leaves.
func (p *point) unplugged(m Model, e Effort, r *rand.Rand, f func(*State) bool) {
	names := p.nameSets(m, e, r)
	nothing := map[Ino]content{} // of what was not synced
	variants := map[Ino][]content{}
	var dirty []Ino
	for ino, file := range p.files {
		if len(file.dirty) > 0 {
			dirty = append(dirty, ino)
		}
	}
	// The last written first, and always in the same order, so that a seed draws
	// the same again.
	slices.SortFunc(dirty, func(a, b Ino) int { return cmp.Or(p.files[b].last-p.files[a].last, int(a-b)) })
	for _, ino := range dirty {
		nothing[ino] = newContent(p.files[ino].durable, "as it was synced")
		variants[ino] = p.files[ino].variants(m, e, r)
	}
	for _, n := range names {
		if !f(p.state(n, nil)) || !f(p.state(n, nothing)) {
			return
		}
	}
	all, none := names[0], names[1%len(names)]
	for _, ino := range dirty[:min(len(dirty), recentFiles)] {
		for _, c := range variants[ino] {
			alone := make(map[Ino]content, len(nothing))
			for other, old := range nothing {
				alone[other] = old
			}
			alone[ino] = c
			only := map[Ino]content{ino: c}
			if !f(p.state(all, only)) || !f(p.state(all, alone)) || (len(names) > 1 && !f(p.state(none, only))) {
				return
			}
		}
	}
	if len(dirty) == 0 || len(dirty)+len(names) < 3 {
		return // there was nothing to combine
	}
	for range e.Random {
		drawn := make(map[Ino]content, len(dirty))
		for _, ino := range dirty {
			drawn[ino] = variants[ino][r.IntN(len(variants[ino]))]
		}
		if !f(p.state(names[r.IntN(len(names))], drawn)) {
			return
		}
	}
}

// nameSets are choices of the names that are there: all changes first, then
// none, then others.
func (p *point) nameSets(m Model, e Effort, r *rand.Rand) []*nameSet {
	n := len(p.pending)
	sets := []*nameSet{p.nameSet(func(int) bool { return true }, "all")}
	if n == 0 {
		return sets
	}
	sets = append(sets, p.nameSet(func(int) bool { return false }, "none of those not synced"))
	// The two halves of a rename are one change to a journal.
	for i := 1; i < n; i++ {
		if m == Journal && p.pending[i].op == p.pending[i-1].op {
			continue
		}
		sets = append(sets, p.nameSet(func(j int) bool { return j < i }, fmt.Sprintf("up to call %d", p.pending[i-1].op)))
	}
	if m == Journal {
		return sets
	}
	for i := range min(n, 24) {
		i = n - 1 - i
		sets = append(sets,
			p.nameSet(func(j int) bool { return j != i }, fmt.Sprintf("all but %s of call %d", p.pending[i].at.Base, p.pending[i].op)),
			p.nameSet(func(j int) bool { return j == i }, fmt.Sprintf("only %s of call %d", p.pending[i].at.Base, p.pending[i].op)))
	}
	if n > 2 {
		for range min(e.Random, 1<<n) {
			bits := r.Uint64()
			sets = append(sets, p.nameSet(func(j int) bool { return bits>>(j%64)&1 == 1 }, fmt.Sprintf("drawn by %#x", bits)))
		}
	}
	return sets
}

// Of so many files, those written last, and of so many of their last writes, one
// is lost, cut and so on while all others are there, or none. What is older takes
// part in the states that are drawn at random.
const (
	recentFiles = 4
	recent      = 4
)

// variants are contents that a file may have: all of it, and what of its last
// writes may be lost.
func (f *fileAt) variants(m Model, e Effort, r *rand.Rand) []content {
	vs := []content{f.now, newContent(f.durable, "as it was synced")}
	add := func(data []byte, what string, args ...any) {
		c := newContent(data, "")
		if slices.ContainsFunc(vs, func(v content) bool { return v.sum == c.sum }) {
			return
		}
		c.what = fmt.Sprintf(what, args...)
		vs = append(vs, c)
	}
	n := len(f.dirty)
	before := f.durable // the content before the write at hand
	for i, o := range f.dirty {
		if i >= n-recent {
			add(before, "without the last %d of %d changes", n-i, n)
			after := before
			for _, later := range f.dirty[i+1:] {
				after = replay(after, later)
			}
			add(after, "without change %d of %d", i+1, n)
		}
		if o.Kind == OpWrite && i >= n-2 && !withinSector(o, before) {
			f.torn(o, before, m, e, r, add)
		}
		before = replay(before, o)
	}
	return vs
}

// torn adds what a write may leave that is not there whole, and after which
// nothing was written.
func (f *fileAt) torn(o *Op, before []byte, m Model, e Effort, r *rand.Rand, add func([]byte, string, ...any)) {
	size := len(o.Data)
	put := func(data []byte) []byte { return write(before, o.Offset, data) }
	for i, n := range cuts(size, e.Cuts, r) {
		add(put(o.Data[:n]), "its write at %d cut behind %d bytes", o.Offset, n)
		if i%3 == 0 {
			add(put(append(slices.Clone(o.Data[:n]), make([]byte, size-n)...)), "its write at %d zeros behind %d bytes", o.Offset, n)
		}
	}
	add(put(make([]byte, size)), "its write at %d zeros", o.Offset)
	pages := (size + page - 1) / page
	hole := func(holes func(i int) bool, what string, args ...any) {
		data := slices.Clone(o.Data)
		for i := range pages {
			if holes(i) {
				clear(data[i*page : min((i+1)*page, size)])
			}
		}
		add(put(data), what, args...)
	}
	for i := range min(pages, max(e.Cuts/8, 2)) {
		if pages > e.Cuts/8 {
			i = r.IntN(pages)
		}
		hole(func(j int) bool { return j == i }, "its write at %d with a hole at %d", o.Offset, i*page)
	}
	for range min(e.Random/4, pages) {
		bits := r.Uint64()
		hole(func(j int) bool { return bits>>(j%61)&1 == 1 }, "its write at %d with holes drawn by %#x", o.Offset, bits)
	}
	if m == Posix {
		n := r.IntN(size + 1)
		data := slices.Clone(o.Data)
		for i := n; i < size; i++ {
			data[i] = byte(r.Uint32())
		}
		add(put(data), "its write at %d garbage behind %d bytes", o.Offset, n)
	}
}
