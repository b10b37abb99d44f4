package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A backupChain is what a folder of backups of a modelRun holds.
type backupChain struct {
	dir        string
	snapshot   SnapshotInfo
	increments []IncrementInfo
}

func (c *backupChain) paths() (paths []string) {
	for _, i := range c.increments {
		paths = append(paths, i.Path)
	}
	return paths
}

func (c *backupChain) last() (Rev, Stamp, time.Time) {
	if n := len(c.increments); n > 0 {
		return c.increments[n-1].Rev, c.increments[n-1].Stamp, c.increments[n-1].Created
	}
	return c.snapshot.Rev, c.snapshot.Stamp, c.snapshot.Created
}

// extend adds an increment, or begins anew with a snapshot where the history
// that the increment needs is gone.
func (c *backupChain) extend(m *modelRun) {
	m.t.Helper()
	rev, stamp, _ := c.last()
	info, err := m.db().Increment(m.ctx, filepath.Join(c.dir, fmt.Sprintf("%d.kvi", len(m.steps))), rev, stamp)
	m.did("increment after %d: %v", rev, err)
	if errors.Is(err, ErrHistoryGone) {
		c.begin(m)
		return
	}
	if err != nil || info.After != rev || info.Rev != m.model.rev() || info.Stamp != m.model.stamps[info.Rev] {
		m.failf("Increment after %d = %+v, %v, want it to reach to %d", rev, info, err, m.model.rev())
	}
	c.increments = append(c.increments, info)
}

func (c *backupChain) begin(m *modelRun) {
	m.t.Helper()
	var err error
	c.increments = nil
	if c.snapshot, err = m.db().Snapshot(m.ctx, filepath.Join(c.dir, fmt.Sprintf("%d.kvs", len(m.steps)))); err != nil {
		m.failf("Snapshot = %v", err)
	}
}

// compare assembles a state and compares it with that of the model.
func (c *backupChain) compare(m *modelRun, to Rev, moment time.Time, want Rev) {
	m.t.Helper()
	path := filepath.Join(c.dir, "assembled.kvs")
	info, err := Assemble(m.ctx, nil, c.snapshot.Path, c.paths(), to, moment, path)
	if err != nil || info.Rev != want || info.Stamp != m.model.stamps[want] {
		m.failf("Assemble(%d, %v) = %+v, %v, want revision %d", to, moment, info, err, want)
	}
	defer os.Remove(path)
	at := m.model.stamps[want].Time()
	state := m.model.states[want].at(at.UnixMilli())
	db := mustOpen(m.t, path, Options{Now: func() time.Time { return at }})
	defer db.Close()
	got, _, err := dump(db, Newest)
	if d := differ(got, state); err != nil || d != "" {
		m.failf("assembled at %d: %v %s", info.Rev, err, d)
	}
}

// Ensure that a snapshot and the increments behind it give back every state
// since the snapshot, by revision and by time, whatever was folded, merged and
// imported between them, and no state that they do not hold.
func TestLawAssemble(t *testing.T) {
	r := lawRand(t)
	for range effort(2, 8, 100) {
		m := &modelRun{t: t, r: r, ctx: t.Context(), dir: filepath.Join(lawDir(t), "m.kv"), clock: newLawClock(), model: newLawModel()}
		for m.model.rev() == 0 {
			m.step()
		}
		c := &backupChain{dir: t.TempDir()}
		c.begin(m)
		for range 3 + r.IntN(6) {
			for range 10 + r.IntN(60) {
				m.step()
			}
			c.extend(m)
		}
		first := c.snapshot.Rev
		last, _, until := c.last()
		for range 12 {
			rev := first + Rev(r.IntN(int(last-first)+1))
			c.compare(m, rev, time.Time{}, rev)
			at := c.snapshot.Stamp.Time().Add(time.Duration(r.Int64N(until.Sub(c.snapshot.Stamp.Time()).Milliseconds()+1)) * time.Millisecond)
			want := first
			for want < last && !m.model.stamps[want+1].Time().After(at) {
				want++
			}
			c.compare(m, 0, at, want)
		}
		for _, x := range []struct {
			to     Rev
			moment time.Time
			want   error
		}{
			{last + 1, time.Time{}, ErrNotYet},
			{0, until.Add(time.Millisecond), ErrNotYet},
			{first - 1, time.Time{}, ErrHistoryGone},
			{0, c.snapshot.Stamp.Time().Add(-time.Millisecond), ErrHistoryGone},
		} {
			if x.to == 0 && x.moment.IsZero() {
				continue // there is no revision before the first
			}
			if _, err := Assemble(m.ctx, nil, c.snapshot.Path, c.paths(), x.to, x.moment, filepath.Join(c.dir, "none.kvs")); !errors.Is(err, x.want) {
				m.failf("Assemble(%d, %v) = %v, want %v", x.to, x.moment, err, x.want)
			}
		}
		for _, db := range m.dbs {
			if db != nil {
				db.Close()
			}
		}
	}
}

// An increment that is missing is a gap, not an older state, and one that is
// damaged is refused.
func TestAssembleRefuses(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, filepath.Join(dir, "a.kv"), Options{Create: true})
	set := func(key string) {
		updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, key, []byte("v")) })
	}
	set("a")
	snap, err := db.Snapshot(t.Context(), filepath.Join(dir, "s.kvs"))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	stamp := snap.Stamp
	for i, key := range []string{"b", "c", "d"} {
		set(key)
		info, err := db.Increment(t.Context(), filepath.Join(dir, key+".kvi"), Rev(i+1), stamp)
		if err != nil {
			t.Fatal(err)
		}
		parts, stamp = append(parts, info.Path), info.Stamp
	}
	assemble := func(increments []string, to Rev) error {
		_, err := Assemble(t.Context(), nil, snap.Path, increments, to, time.Time{}, filepath.Join(dir, "out.kvs"))
		return err
	}
	if err := assemble([]string{parts[0], parts[2]}, 4); !errors.Is(err, ErrGap) {
		t.Errorf("Assemble over a gap = %v, want ErrGap", err)
	}
	if err := assemble([]string{parts[0], snap.Path}, 2); !errors.Is(err, errNoIncrement) {
		t.Errorf("Assemble with a snapshot for an increment = %v, want %v", err, errNoIncrement)
	}
	if _, err := db.Increment(t.Context(), parts[0], 1, snap.Stamp); !errors.Is(err, ErrExists) {
		t.Errorf("Increment over a file = %v, want ErrExists", err)
	}
	if _, err := db.Increment(t.Context(), filepath.Join(dir, "x.kvi"), 5, stamp); !errors.Is(err, ErrNotYet) {
		t.Errorf("Increment after a revision to come = %v, want ErrNotYet", err)
	}
	if _, err := db.Increment(t.Context(), filepath.Join(dir, "x.kvi"), 1, snap.Stamp+1); !errors.Is(err, ErrOtherHistory) {
		t.Errorf("Increment after a revision with another stamp = %v, want ErrOtherHistory", err)
	}
	b, err := os.ReadFile(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(parts[1], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyIncrement(t.Context(), nil, parts[1]); err == nil {
			t.Errorf("VerifyIncrement with bit %d flipped = nil", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	if _, err := os.Stat(filepath.Join(dir, "out.kvs")); err == nil {
		t.Error("a refused Assemble left a file")
	}
}

// After a restore two histories have the same revisions. Each is assembled of
// its own increments.
func TestAssembleKeepsHistoriesApart(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	clock := newLawClock()
	o := Options{Create: true, Now: clock.now}
	set := func(db *DB, key string) {
		clock.ms++
		updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, key, []byte("v")) })
	}
	save := func(db *DB, name string) SnapshotInfo {
		info, err := db.Snapshot(t.Context(), path(name))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	add := func(db *DB, name string, after Rev, stamp Stamp) string {
		info, err := db.Increment(t.Context(), path(name), after, stamp)
		if err != nil {
			t.Fatal(err)
		}
		return info.Path
	}
	one := openTest(t, path("one.kv"), o)
	set(one, "a")
	base := save(one, "base.kvs")
	set(one, "b")
	middle := save(one, "middle.kvs")
	set(one, "c")
	first := add(one, "first.kvi", base.Rev, base.Stamp)

	if _, err := Restore(t.Context(), base.Path, path("two.kv"), o); err != nil {
		t.Fatal(err)
	}
	two := openTest(t, path("two.kv"), o)
	set(two, "x")
	other := save(two, "other.kvs")
	set(two, "y")
	second := add(two, "second.kvi", other.Rev, other.Stamp)
	third := add(two, "third.kvi", base.Rev, base.Stamp)

	for _, c := range []struct {
		from       SnapshotInfo
		increments []string
		want       string // the keys at revision 3
		err        error
	}{
		{base, []string{first, second}, "abc", nil},
		{base, []string{third}, "axy", nil},
		{middle, []string{second, first, third}, "abc", nil},
		{other, []string{second, first}, "axy", nil},
		{middle, []string{second, third}, "", ErrGap},
		{base, []string{first, third}, "", ErrOtherHistory},
	} {
		out := path("out.kvs")
		_, err := Assemble(t.Context(), nil, c.from.Path, c.increments, 3, time.Time{}, out)
		if !errors.Is(err, c.err) {
			t.Errorf("Assemble(%s, %q) = %v, want %v", c.from.Path, c.increments, err, c.err)
		}
		if err != nil {
			continue
		}
		state, _, err := dump(openTest(t, out, Options{}), Newest)
		got := strings.ReplaceAll(strings.Join(slices.Sorted(maps.Keys(state)), ""), "\x00", "")
		if err != nil || got != c.want {
			t.Errorf("Assemble(%s, %q) has %q, %v, want %q", c.from.Path, c.increments, got, err, c.want)
		}
		os.Remove(out)
	}
}

// An increment of format version 1 opens for ever, and writing the same again
// gives the same bytes.
func TestIncrementGolden(t *testing.T) {
	const path = "testdata/increment-v1.kvi"
	o, vs := goldenTable(false)
	vs = slices.DeleteFunc(vs, func(v version) bool { return v.rev < 1000 })
	o.kind, o.historyFrom, o.snapshotStamp, o.afterStamp = kindIncrement, 1000, 4000<<16, 998<<16
	made, _ := writeTable(t, o, vs)
	now, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(golden, now) {
		t.Errorf("writing the versions of %s again gives other bytes (%v)", path, err)
	}
	want := IncrementInfo{
		Path: path, Database: hex.EncodeToString(o.database[:]), After: 999, AfterAt: 998 << 16, Rev: 4000, Stamp: 4000 << 16,
		Created: time.UnixMilli(1e12).UTC(), Versions: int64(len(vs)), Size: int64(len(golden)),
	}
	if got, err := VerifyIncrement(t.Context(), nil, path); err != nil || got != want {
		t.Errorf("VerifyIncrement(%s) = %+v, %v, want %+v", path, got, err, want)
	}
	tab, err := openIncrement(OS, path)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.release()
	checkSource(t, "iter", tab.iter(iterOptions{}), vs)
}
