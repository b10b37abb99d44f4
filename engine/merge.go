package engine

import (
	"context"
	"slices"
)

// Merging of tables. Runs of a like size are merged when there are mergeFan of
// them (tiered merging; O'Neil et al., "The Log-Structured Merge-Tree", 1996).
// A merge advances by slices of the span of keys: a slice is written as one
// table, and what it holds is cut off the runs it came from. So the work behind
// one commit is bounded, however large the runs are.
const (
	mergeFan  = 4
	sliceSize = 16 << 20 // bytes of a slice written behind a commit

	// compactSlice is the size of the tables that Compact writes.
	compactSlice = 1 << 30
)

// mergeSlice goes on with the merge under way, or begins one if it is due, and
// writes one table of about size bytes. more is false if there is nothing to do.
func (db *DB) mergeSlice(ctx context.Context, size int64) (more bool, err error) {
	b, _, err := db.reload()
	if err != nil {
		return false, err
	}
	defer b.release()
	state := b.man.merge
	if state == nil {
		if state = b.man.dueMerge(db.opts.sizes.fold); state == nil {
			return false, nil
		}
	}
	return true, db.advance(ctx, b, state, size)
}

// advance writes the next slice of a merge.
func (db *DB) advance(ctx context.Context, b *base, state *mergeState, size int64) error {
	src := b.mergeSource(state)
	defer src.close()
	var w *tableWriter
	defer func() { discardTable(db.fsys, w) }()
	var last []byte // the key of the slice that is complete up to all its versions
	whole := true
	for n := 0; src.next(); n++ {
		v := src.cur()
		if n%contextEvery == contextEvery-1 {
			if err := ctx.Err(); err != nil {
				return err
			}
			progressed(ctx, contextEvery)
		}
		if w != nil && w.size() >= size && string(last) != string(v.key) {
			whole = false
			break
		}
		if w == nil {
			var err error
			if w, err = db.newTable(kindMerge); err != nil {
				return err
			}
		}
		if err := w.add(v); err != nil {
			return err
		}
		last = append(last[:0], v.key...)
	}
	if err := src.err(); err != nil {
		return err
	}
	if w == nil {
		return db.swap(ctx, func(next *manifest) error { return next.advance(b.man, state, nil, "", true) })
	}
	info, err := w.finish()
	if err != nil {
		return err
	}
	line := lineOf(&info, state.out)
	return db.swap(ctx, func(next *manifest) error {
		if err := next.advance(b.man, state, &line, string(last), whole); err != nil {
			return err
		}
		return db.adopt(w)
	})
}

// advance puts a slice into the manifest: its table joins the run that grows,
// and the runs it came from begin behind its last key. whole says that nothing
// is left of them.
func (m *manifest) advance(seen *manifest, state *mergeState, line *tableLine, upTo string, whole bool) error {
	if m.folded.rev < seen.folded.rev || !sameMerge(m, seen) {
		return errOvertaken
	}
	m.merge = state
	m.tables = slices.DeleteFunc(m.tables, func(t tableLine) bool {
		return slices.Contains(state.in, t.run) && (whole || t.last <= upTo)
	})
	for i := range m.tables {
		if slices.Contains(state.in, m.tables[i].run) {
			m.tables[i].lower = upTo
		}
	}
	if line != nil {
		m.tables = append(m.tables, *line)
	}
	if whole {
		m.merge = nil
	}
	return nil
}

// sameMerge reports whether the merge that was seen is still the one: folding
// may go on meanwhile, merging may not.
func sameMerge(m, seen *manifest) bool {
	if (m.merge == nil) != (seen.merge == nil) {
		return false
	}
	for i := range seen.tables {
		if !slices.ContainsFunc(m.tables, func(t tableLine) bool {
			return t.ref.id == seen.tables[i].ref.id && t.lower == seen.tables[i].lower
		}) {
			return false
		}
	}
	return true
}

// mergeSource yields what the merge of the runs of state keeps.
func (b *base) mergeSource(state *mergeState) source {
	var in []source
	var others []*run
	for _, r := range b.runs {
		if !slices.Contains(state.in, r.id) {
			others = append(others, r)
		} else if s := r.source(&iterOptions{}); s != nil {
			in = append(in, s)
		}
	}
	return newRetained(newMergeSource(in, false), retention{
		from:   b.man.firstReadable(),
		before: b.man.historyStamp.Time().UnixMilli(),
		bottom: func(ikey []byte) bool {
			for _, r := range others {
				var v version
				if found, err := r.get(ikey, newestRev, &v); found || err != nil {
					return false // if it cannot be told, nothing is dropped
				}
			}
			return true
		},
	})
}

// dueMerge chooses the runs to merge next, or nil.
func (m *manifest) dueMerge(foldSize int64) *mergeState {
	sizes := make(map[uint64]int64)
	for i := range m.tables {
		sizes[m.tables[i].run] += m.tables[i].ref.size
	}
	tiers := make(map[int][]uint64)
	for id, size := range sizes {
		tier := 0
		for limit := 2 * foldSize; size > limit; limit *= mergeFan {
			tier++
		}
		tiers[tier] = append(tiers[tier], id)
	}
	for tier := range 40 {
		if ids := tiers[tier]; len(ids) >= mergeFan {
			slices.Sort(ids)
			return &mergeState{out: m.nextRun(), in: ids}
		}
	}
	return nil
}
