package engine

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The numbers of a column read together are those read one by one.
func TestColumnNumbers(t *testing.T) {
	r := tableRand(t)
	for range 2000 {
		col := make([]uint64, 1+r.IntN(50))
		slope, spread := r.Uint64N(1<<uint(r.IntN(40))), uint(r.IntN(64))
		for i := range col {
			col[i] = slope*uint64(i) + r.Uint64N(1<<spread)
		}
		p := planColumn(col)
		c := column{base: p.base, slope: uint64(p.slope), width: p.width, deltas: p.appendDeltas(nil, col)}
		from := r.IntN(len(col))
		got := make([]uint64, 1+r.IntN(len(col)-from))
		c.numbers(from, got)
		if want := col[from : from+len(got)]; !slices.Equal(got, want) {
			t.Fatalf("numbers(%d) of a column of width %d = %v, want %v", from, c.width, got, want)
		}
	}
}

// runVersions are versions for one table: of one revision, so that its blocks
// have runs, or of several.
func runVersions(r *rand.Rand, revs []Rev) []version {
	m := map[string]version{}
	same := version{rev: revs[r.IntN(len(revs))], stamp: 5, expires: []int64{0, 10, 20}[r.IntN(3)], deleted: r.IntN(8) == 0}
	mixed, expiring := r.IntN(3) == 0, r.IntN(2) == 0
	long := r.IntN(3) * r.IntN(60)
	for range r.IntN(80) {
		v := same
		v.key = fmt.Appendf(nil, "\x00%02d%0*d", r.IntN(50), r.IntN(long+1), 0)
		if mixed {
			v.rev, v.deleted = revs[r.IntN(len(revs))], r.IntN(8) == 0
			if expiring {
				v.expires = int64(r.IntN(3) * 10)
			}
		}
		if !v.deleted {
			v.value = fmt.Appendf(nil, "%s@%d%0*d", v.key[1:], v.rev, r.IntN(long*10+1), 0)
			v.size = len(v.value)
		}
		m[fmt.Sprint(v.key, v.rev)] = v
		if older := v; !mixed && v.rev > revs[0] && r.IntN(10) == 0 {
			older.rev = revs[0] // perhaps the first of a block, behind a run
			m[fmt.Sprint(older.key, older.rev)] = older
		}
	}
	vs := slices.Collect(maps.Values(m))
	sortVersions(vs)
	return vs
}

// Whoever takes runs, as many of each as he likes, sees what he sees who takes
// one version after the other: of any number of tables, in one run of tables or
// in several.
func TestVisibleRuns(t *testing.T) {
	r := tableRand(t)
	taken := 0
	for range 200 {
		var all []version
		var sources []source
		at, now := Rev(r.IntN(12)), int64(r.IntN(22))
		for i := range 1 + r.IntN(3) {
			// No two tables have a revision in common.
			vs := runVersions(r, []Rev{Rev(1 + i), Rev(4 + i), Rev(7 + i)})
			path, _ := writeTable(t, smallTable, vs)
			tab, err := openTable(OS, path, "t", assigned{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, vs...)
			if r.IntN(2) == 0 {
				lazy := new(lazyTable)
				lazy.t.Store(tab)
				sources = append(sources, &runIter{tables: []*lazyTable{lazy}})
			} else {
				sources = append(sources, tab.iter(iterOptions{}))
			}
			t.Cleanup(tab.release)
		}
		sortVersions(all)
		want := visibleAt(all, at, now)
		s := newVisible(newMergeSource(sources, false), at, now, false).(*visible)
		var got []version
		for s.next() {
			got = append(got, *s.cur())
			for s.plain.n > 0 && r.IntN(3) > 0 {
				n, first := 1+r.IntN(s.plain.n), s.plain.table.i
				for i := range n {
					v := *s.cur()
					it := s.plain.table
					it.run.load(first+i, it.t.as, &v)
					from, to := it.run.cols[colValueEnd].span(first + i)
					v.value = it.values[from:to]
					got = append(got, v)
				}
				s.skip(n)
				taken += n
			}
		}
		if err := s.err(); err != nil {
			t.Fatal(err)
		}
		s.close()
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !sameVersion(&got[i], &want[i]) {
				t.Fatalf("visible at %d, now %d: version %d of %v, want %v", at, now, i, got, want)
			}
		}
	}
	if taken == 0 {
		t.Error("no run was taken")
	}
}

// A scan of a database with tables of loads, tables of commits and a tail
// yields the same in every form, up to any limit, and counts as many.
func TestScanRuns(t *testing.T) {
	r := lawRand(t)
	now := time.UnixMilli(1e12)
	for range 8 {
		db := openTest(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true, Now: func() time.Time { return now }})
		model := map[string]string{}
		onlySets := r.IntN(2) == 0 // of such are the runs of several commits
		for range 2 + r.IntN(4) {
			scanRunsWrite(t, r, db, model, now, onlySets)
		}
		keys := slices.Sorted(maps.Keys(model))
		for range 40 {
			scanRunsCheck(t, r, db, model, keys)
		}
		scanRunsInfo(t, r, db, model)
	}
}

// scanRunsWrite loads many keys or commits a few, and may fold them into a table.
func scanRunsWrite(t *testing.T, r *rand.Rand, db *DB, model map[string]string, now time.Time, onlySets bool) {
	t.Helper()
	width := 5 + r.IntN(2)*r.IntN(30)
	pair := func() (key, value string) {
		key = fmt.Sprintf("%0*d", width, r.IntN(4000))
		return key, fmt.Sprintf("%s %0*d", key, 50+r.IntN(50), r.IntN(9))
	}
	if r.IntN(2) == 0 {
		_, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
			for range r.IntN(3000) {
				k, v := pair()
				model[k] = v
				if !yield(Item{Key: []byte(k), Value: []byte(v)}, nil) {
					return
				}
			}
		}, Replace)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	updateTest(t, db, func(ctx context.Context, tx Tx) error {
		for range r.IntN(200) {
			k, v := pair()
			model[k] = v
			var err error
			switch kind := r.IntN(4); {
			case onlySets || kind > 1:
				err = tx.Set(ctx, k, []byte(v))
			case kind == 0:
				delete(model, k)
				err = tx.Delete(ctx, k)
			default:
				err = tx.SetExpiring(ctx, k, []byte(v), now.Add(time.Hour))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if r.IntN(2) == 0 {
		if err := db.fold(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// scanRunsCheck compares one scan with the model.
func scanRunsCheck(t *testing.T, r *rand.Rand, db *DB, model map[string]string, keys []string) {
	t.Helper()
	ra := Range{Lend: r.IntN(2) == 0, KeysOnly: r.IntN(3) == 0, Reverse: r.IntN(4) == 0}
	ra.Limit = []int{0, 1, 2, 5, 31, 32, 33, 70, 300, 5000}[r.IntN(10)]
	if r.IntN(2) == 0 {
		ra.From = fmt.Sprintf("%05d", r.IntN(4000))
	}
	if r.IntN(2) == 0 {
		ra.To = fmt.Sprintf("%05d", r.IntN(4000))
	}
	want := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k < ra.From || ra.To != "" && k >= ra.To })
	if ra.Reverse {
		slices.Reverse(want)
	}
	if ra.Limit > 0 && len(want) > ra.Limit {
		want = want[:ra.Limit]
	}
	stop := len(want) // after so many entries the scan is left
	if r.IntN(4) == 0 {
		stop = r.IntN(stop + 1)
	}
	var got []Entry
	err := db.View(t.Context(), Newest, func(tx Tx) error {
		for e, err := range tx.Scan(t.Context(), ra) {
			if err != nil {
				return err
			}
			if got = append(got, e); len(got) == stop {
				break
			}
		}
		n, err := tx.Count(t.Context(), ra)
		if err == nil && n != int64(len(want)) {
			t.Errorf("Count(%+v) = %d, want %d", ra, n, len(want))
		}
		for i := range max(len(got), stop) {
			if i >= len(got) || i >= len(want) || got[i].Key != want[i] {
				t.Fatalf("Scan(%+v) = %d entries, differs at %d, want %d", ra, len(got), i, stop)
			}
			e, v := &got[i], []byte(model[want[i]])
			if e.Size != len(v) || ra.KeysOnly != (e.Value == nil) || !ra.KeysOnly && !bytes.Equal(e.Value, v) {
				t.Fatalf("Scan(%+v) = %q of size %d for key %q, want %q", ra, e.Value, e.Size, e.Key, v)
			}
			if r.IntN(8) > 0 {
				continue
			}
			one, err := tx.Get(t.Context(), e.Key)
			if err != nil || e.Rev != one.Rev || e.Stamp != one.Stamp || !e.Expires.Equal(one.Expires) {
				t.Fatalf("Scan(%+v) = %+v, Get of its key = %+v, %v", ra, e, one, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatalf("Scan(%+v) ended with %v", ra, err)
	}
}

// scanRunsInfo compares what Info counts with the model and some keys of other
// families, which may lie in one block with those.
func scanRunsInfo(t *testing.T, r *rand.Rand, db *DB, model map[string]string) {
	t.Helper()
	var keys, keyBytes, valueBytes int64
	count := func(key, value string) {
		keys, keyBytes, valueBytes = keys+1, keyBytes+int64(len(key)), valueBytes+int64(len(value))
	}
	for k, v := range model {
		count(k, v)
	}
	_, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
		for i := range r.IntN(200) {
			k, v := fmt.Sprintf("%0*d", 3+i%2, i), fmt.Sprint(i)
			count(k, v)
			if !yield(Item{Family: []string{"a", "longname"}[i%2], Key: []byte(k), Value: []byte(v)}, nil) {
				return
			}
		}
	}, Replace)
	if err == nil && r.IntN(2) == 0 {
		keep := time.Duration(0)
		_, err = db.Compact(t.Context(), CompactOptions{Keep: &keep})
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := db.Info(t.Context())
	if err != nil || info.Keys != keys || info.KeyBytes != keyBytes || info.ValueBytes != valueBytes {
		t.Errorf("Info = %d keys of %d bytes, values of %d, %v, want %d of %d, values of %d",
			info.Keys, info.KeyBytes, info.ValueBytes, err, keys, keyBytes, valueBytes)
	}
}
