package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A faultWork is a workload that every fault falls into. Each is short: what
// follows a fault costs the same for all.
type faultWork struct {
	name   string
	before func(f *faultRun, db *DB) // makes what the workload begins with; nil: nothing
	torn   bool                      // the last writer of what it begins with was killed
	boot   bool                      // in a former run of the machine
	run    func(f *faultRun)
	also   func(f *faultRun) // looks at what else is there afterwards; may be nil
}

// A faultStart is what a workload begins with.
type faultStart struct {
	img  image // nil: nothing
	done []faultWrite
	ms   int64
}

// start makes what a workload begins with, once.
func (w *faultWork) start(t *testing.T, dir string) *faultStart {
	t.Helper()
	f := &faultRun{t: t, work: w, fsys: &faultFS{FS: OS}, dir: dir, beside: filepath.Dir(dir), clock: newLawClock()}
	if w.before == nil {
		return &faultStart{ms: f.clock.ms}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, dir, f.options())
	w.before(f, db)
	db.Close()
	start := &faultStart{img: readImage(t, dir), done: f.done, ms: f.clock.ms}
	if w.torn {
		firsts, _, err := listSegments(OS, filepath.Join(dir, logDir))
		if err != nil {
			t.Fatal(err)
		}
		last := logDir + "/" + segmentName(firsts[len(firsts)-1])
		start.img[last] = append(start.img[last], "\x70kv\x01 torn"...)
	}
	if w.boot {
		start.img[markFile] = asOtherBoot(t, start.img[markFile])
	}
	return start
}

// with opens the database, runs f, and closes it.
func (f *faultRun) with(work func(db *DB)) {
	db, err := Open(f.t.Context(), f.dir, f.options())
	if f.fails("Open", err) {
		return
	}
	defer func() {
		if !f.fsys.dead { // a panic leaves locks behind that a killed process does not
			f.fails("Close", db.Close())
		}
	}()
	work(db)
}

// set is some writes of a size.
func set(from, to, size int) map[string]*cell {
	writes := make(map[string]*cell)
	for i := from; i < to; i++ {
		writes[userIKey(fmt.Sprintf("k%02d", i))] = &cell{value: strings.Repeat(string(rune('a'+i%26)), size)}
	}
	return writes
}

// write commits one transaction and notes the answer. A killed process gives
// none.
func (f *faultRun) write(db *DB, writes map[string]*cell) {
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: writes})
	f.tell(updateAll(db, writes))
}

// commit is write between Begin and Commit, with something read.
func (f *faultRun) commit(db *DB, writes map[string]*cell) {
	f.clock.ms++
	ctx := f.t.Context()
	tx, err := db.Begin(ctx)
	if f.fails("begin", err) {
		return
	}
	defer tx.Rollback()
	_, err = readAll(ctx, tx)
	if f.fails("read", err) || f.fails("put", put(ctx, tx, writes)) {
		return
	}
	f.done = append(f.done, faultWrite{writes: writes})
	f.tell(tx.Commit(ctx))
}

func (f *faultRun) load(db *DB, writes map[string]*cell) {
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: writes})
	res, err := db.Load(f.t.Context(), itemsOf(writes, slices.Collect(maps.Keys(writes))), Replace)
	f.tell(res.Result, err)
}

// loadInOrder is load of items whose keys ascend.
func (f *faultRun) loadInOrder(db *DB, writes map[string]*cell) {
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: writes})
	res, err := db.Load(f.t.Context(), itemsOf(writes, slices.Sorted(maps.Keys(writes))), Replace)
	f.tell(res.Result, err)
}

// itemsOf yields what is written to the keys ikeys, in their order.
func itemsOf(writes map[string]*cell, ikeys []string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, ikey := range ikeys {
			family, key := splitIKey([]byte(ikey))
			if !yield(Item{Family: string(family), Key: key, Value: []byte(writes[ikey].value)}, nil) {
				return
			}
		}
	}
}

// try runs a call that changes no answer.
func (f *faultRun) try(what string, call func(ctx context.Context) error) bool {
	f.t.Helper()
	return !f.fails(what, call(f.t.Context()))
}

func (f *faultRun) fold(db *DB) {
	if db.exists.Load() {
		f.try("fold", db.fold)
	}
}

func (f *faultRun) compact(db *DB) {
	keep := time.Duration(0)
	f.try("compact", func(ctx context.Context) error {
		_, err := db.Compact(ctx, CompactOptions{Keep: &keep})
		return err
	})
}

// someTables leaves a few tables, and a tail.
func someTables(f *faultRun, db *DB) {
	for i := range 4 {
		f.write(db, set(3*i, 3*i+9, 40))
		f.fold(db)
	}
	f.write(db, map[string]*cell{userIKey("k01"): nil})
}

// faultWorks is the workloads.
var faultWorks = []faultWork{
	{name: "create", run: func(f *faultRun) {
		f.with(func(db *DB) {
			f.write(db, set(0, 2, 20))
			f.write(db, set(1, 3, 20))
			f.look(db)
		})
	}},
	{
		name:   "transactions",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 2, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.write(db, set(0, 1, 20))
				f.write(db, set(5, 25, 60)) // rotates
				f.write(db, map[string]*cell{userIKey("k05"): nil})
				f.look(db)
			})
			f.with(func(db *DB) { // another process
				f.write(db, set(2, 5, 5))
				f.look(db)
			})
		},
	},
	{
		name:   "a process with smaller segments", // the log is rotated before the append
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 60)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				db.opts.sizes.segment = 64
				f.write(db, set(0, 1, 20))
				f.write(db, set(1, 3, 20))
				f.look(db)
			})
		},
	},
	{
		name: "torn tail", torn: true,
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 20, 60)); f.write(db, set(0, 2, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.write(db, set(0, 1, 20))
				f.write(db, set(1, 2, 20))
				f.look(db)
			})
		},
	},
	{
		name:   "fold",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 20, 60)); f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.fold(db)
				f.write(db, set(0, 1, 20))
				f.look(db)
			})
		},
	},
	{name: "merge", before: someTables, run: func(f *faultRun) {
		f.with(func(db *DB) {
			f.try("maintain", func(ctx context.Context) error { return db.maintain(ctx, 3) })
			f.write(db, set(0, 1, 20))
			f.look(db)
		})
	}},
	{
		name:   "import",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.load(db, set(0, 3, 20)) // into the log
				f.load(db, set(5, 40, 30))
				f.look(db)
			})
		},
	},
	{
		name:   "import from sorted runs",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				db.opts.sizes.load = 16 << 10
				f.load(db, set(0, 90, 400))
				f.look(db)
			})
		},
	},
	{
		name:   "import in order",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.loadInOrder(db, set(10, 99, 1100)) // in several blocks
				f.look(db)
				broken := set(0, 1, 20)
				for i := range 20 {
					broken[userIKey(fmt.Sprintf("a%02d", i))] = &cell{value: "before one that is there"}
				}
				f.loadInOrder(db, broken)
				f.look(db)
			})
		},
	},
	{
		name: "import in order that makes the database",
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.loadInOrder(db, set(10, 99, 1100))
				f.look(db)
			})
		},
	},
	{name: "compact", before: someTables, run: func(f *faultRun) {
		f.with(func(db *DB) {
			f.compact(db)
			f.write(db, set(0, 1, 20))
			f.look(db)
		})
	}},
	{
		name:   "settings",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				for _, mode := range []string{syncNever, syncInterval, syncAlways} {
					f.try("sync "+mode, func(ctx context.Context) error { return db.SetSetting(ctx, "sync", mode) })
					f.write(db, set(0, 9, 60))
				}
				f.look(db)
			})
		},
	},
	{
		name:   "optimistic transactions",
		before: func(f *faultRun, db *DB) { f.write(db, set(0, 9, 20)) },
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				for i := range 3 {
					f.commit(db, set(i, i+2, 30))
				}
				f.look(db)
			})
		},
	},
	{
		name: "two handles", before: someTables,
		run: func(f *faultRun) {
			f.with(func(a *DB) {
				f.with(func(b *DB) {
					for i := range 3 {
						f.write(a, set(i, i+9, 50))
						f.write(b, set(2*i, 2*i+9, 50))
						f.look(a)
					}
					f.fold(a)
					f.look(b)
				})
			})
		},
	},
	{
		name: "after another boot", torn: true, boot: true, before: someTables,
		run: func(f *faultRun) {
			f.with(func(db *DB) {
				f.look(db)
				f.write(db, set(0, 9, 20))
				f.look(db)
			})
		},
	},
	{name: "backups", before: someTables, run: backup, also: backupsAreWhole},
	{name: "restore", before: someTables, run: restoreIt, also: restoredIsWhole},
	{name: "reading", before: someTables, run: readEverything},
}

// backup makes a snapshot, an increment, and a later snapshot of the two.
func backup(f *faultRun) {
	snapshot, increment := filepath.Join(f.beside, "a.kvs"), filepath.Join(f.beside, "a.kvi")
	f.with(func(db *DB) {
		var info SnapshotInfo
		if !f.try("snapshot", func(ctx context.Context) (err error) {
			info, err = db.Snapshot(ctx, snapshot)
			return err
		}) {
			return
		}
		f.write(db, set(0, 2, 20))
		if f.try("increment", func(ctx context.Context) error {
			_, err := db.Increment(ctx, increment, info.Rev, info.Stamp)
			return err
		}) {
			f.try("assemble", func(ctx context.Context) error {
				_, err := Assemble(ctx, f.fsys, snapshot, []string{increment}, info.Rev, time.Time{}, filepath.Join(f.beside, "b.kvs"))
				return err
			})
		}
		f.look(db)
	})
}

// backupsAreWhole: what has the name of a backup is one, but for the empty
// file that takes the name first, where it could not be removed.
func backupsAreWhole(f *faultRun) {
	entries, err := os.ReadDir(f.beside)
	if err != nil {
		f.errorf("%v", err)
	}
	for _, e := range entries {
		path := filepath.Join(f.beside, e.Name())
		switch filepath.Ext(path) {
		case ".kvs":
			_, err = VerifySnapshot(f.t.Context(), nil, path)
		case ".kvi":
			_, err = VerifyIncrement(f.t.Context(), nil, path)
		default:
			continue
		}
		left := f.fsys.dead || f.fsys.fault.times > 1 || f.fsys.fault.part == partAll
		if info, e := os.Stat(path); err != nil && (e != nil || info.Size() > 0 || !left) {
			f.errorf("%s: %v", filepath.Base(path), err)
		}
	}
}

// restoreIt makes another database of a snapshot, and of that again one.
func restoreIt(f *faultRun) {
	snapshot := filepath.Join(f.beside, "a.kvs")
	db, err := Open(f.t.Context(), f.dir, Options{ReadOnly: true, Now: f.clock.now})
	if err == nil {
		_, err = db.Snapshot(f.t.Context(), snapshot)
		db.Close()
	}
	if err != nil {
		f.errorf("the snapshot: %v", err)
		return
	}
	f.try("restore", func(ctx context.Context) error {
		_, err := Restore(ctx, snapshot, filepath.Join(f.beside, "b.kv"), f.options())
		return err
	})
}

// restoredIsWhole: the target holds all of the backup, or can be restored to.
func restoredIsWhole(f *faultRun) {
	ctx, target := f.t.Context(), filepath.Join(f.beside, "b.kv")
	_, err := Restore(ctx, filepath.Join(f.beside, "a.kvs"), target, Options{Now: f.clock.now})
	if err != nil && !errors.Is(err, ErrExists) {
		f.errorf("restore again: %v", err)
		return
	}
	db, err := Open(ctx, target, Options{Now: f.clock.now})
	if err != nil {
		f.errorf("open what was restored: %v", err)
		return
	}
	defer db.Close()
	got, _, err := dump(db, Newest)
	if err != nil {
		f.errorf("read what was restored: %v", err)
	}
	f.allowed(got, "who opens what was restored")
}

// readEverything reads in all ways. Nothing it is told may be wrong.
func readEverything(f *faultRun) {
	ctx := f.t.Context()
	f.with(func(db *DB) {
		f.look(db)
		want := f.states()[0]
		for i := range 12 {
			key := fmt.Sprintf("k%02d", i)
			err := db.View(ctx, Newest, func(tx Tx) error {
				e, err := tx.Get(ctx, key)
				w, ok := want[userIKey(key)]
				if errors.Is(err, ErrNotFound) == ok && (err == nil || errors.Is(err, ErrNotFound)) || err == nil && cellOf(e) != w {
					f.errorf("Get(%q) = %q, %v, want %q, %t", key, e.Value, err, w.value, ok)
				}
				if errors.Is(err, ErrNotFound) {
					err = nil
				}
				return err
			})
			f.fails("get", err)
		}
		states := lawState{}
		for rev := Rev(1); int(rev) <= len(f.done); rev++ {
			states = merged(states, f.done[rev-1].writes)
			got, _, err := dump(db, rev)
			if f.fails(fmt.Sprintf("read of revision %d", rev), err) {
				continue
			}
			if d := differ(got, states); d != "" {
				f.errorf("revision %d: %s", rev, d)
			}
		}
		f.events(db)
		report, err := Check(ctx, f.fsys, f.dir, true)
		if !f.fails("check", err) && report.Verdict != VerdictClean {
			f.errorf("check: %v, %v", report.Verdict, report.Faults)
		}
	})
}

// events reads the history of the database.
func (f *faultRun) events(db *DB) {
	n := 0
	err := db.events(f.t.Context(), 1, Rev(len(f.done)), func(_ *record, v *version) error {
		n++
		w, ok := f.done[v.rev-1].writes[string(v.key)]
		if !ok || v.deleted != (w == nil) || w != nil && w.value != string(v.value) {
			f.errorf("revision %d is said to write key %q", v.rev, v.key)
		}
		return nil
	})
	want := 0
	for _, w := range f.done {
		want += len(w.writes)
	}
	if !f.fails("events", err) && n != want {
		f.errorf("%d events, want %d", n, want)
	}
}
