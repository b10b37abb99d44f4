//go:build crash

package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"kvsh/engine/crashfs"
)

// crashWorks are what is done when the crash comes.
var crashWorks = []struct {
	name string
	run  func(c *crashRun)
}{
	{"create", crashCreate},
	{"sets", crashSets},
	{"processes", crashProcesses},
	{"turns", crashTurns},
	{"rotate", crashRotate},
	{"large", crashLarge},
	{"group", crashGroup},
	{"begin", crashBegin},
	{"expire", crashExpire},
	{"fold", crashFold},
	{"merge", crashMerge},
	{"compact", crashCompact},
	{"import", crashImport},
	{"ingest", crashIngest},
	{"ordered", crashOrdered},
	{"settings", crashSettings},
	{"snapshot", crashSnapshot},
	{"restore", crashRestore},
	{"undo", crashUndo},
	{"repair", crashRepair},
	{"fault", crashFault},
	{"interval", crashInterval},
	{"never", crashNever},
}

// put1 is the write of one key.
func put1(key, value string) map[string]*cell {
	return map[string]*cell{userIKey(key): {value: value}}
}

// putN is a write of the keys k00, k01 and so on, from one number up to another.
func putN(from, to, size int) map[string]*cell {
	writes := make(map[string]*cell)
	for i := from; i < to; i++ {
		writes[userIKey(fmt.Sprintf("k%02d", i))] = &cell{value: strings.Repeat(string(rune('a'+i%26)), size)}
	}
	return writes
}

// unfolded keeps the fold away.
func (c *crashRun) unfolded() { c.sizes.fold = 1 << 30 }

func crashCreate(c *crashRun) {
	c.must(Create(context.Background(), c.dir, c.options()))
	c.bornNow()
	db := c.open()
	c.write(db, put1("a", "1"))
	c.must(db.Close())
	db = c.open()
	c.write(db, put1("b", ""))
	c.write(db, map[string]*cell{userIKey("a"): nil})
}

func crashSets(c *crashRun) {
	c.unfolded()
	db := c.open()
	for i := range 60 {
		c.write(db, put1(fmt.Sprint("k", i%7), strings.Repeat("v", i*3)))
	}
}

func crashProcesses(c *crashRun) {
	c.unfolded()
	for i := range 40 {
		db := c.open()
		c.write(db, map[string]*cell{userIKey(fmt.Sprint("k", i%5)): {value: strings.Repeat("w", 90)}, "fam\x00x": {value: fmt.Sprint(i)}})
		c.must(db.Close())
	}
}

func crashTurns(c *crashRun) {
	dbs := []*DB{c.open(), c.open()}
	for i := range 40 {
		c.write(dbs[i%2], putN(i%4, i%4+3, 40+i))
		if i%9 == 8 {
			c.must(dbs[i%2].maintain(context.Background(), 1))
		}
	}
}

func crashRotate(c *crashRun) {
	c.unfolded()
	db := c.open()
	// Sizes around that of a segment, and such that one ends exactly there.
	for _, size := range []int{900, 10, 1100, 1, 800, 30, 30, 30, 2000, 5, 960, 940, 950, 930, 1} {
		c.write(db, put1("k", strings.Repeat("r", size)))
	}
	for n := 900; n < 920; n += 3 {
		c.write(db, put1("k", strings.Repeat("r", n)))
	}
}

func crashLarge(c *crashRun) {
	c.unfolded()
	c.sizes.segment = 16 << 10
	db := c.open()
	for i := range 4 {
		c.write(db, putN(0, 10, 6000+i*1000))
		c.write(db, put1("small", fmt.Sprint(i)))
	}
	c.write(db, put1("big", strings.Repeat("B", 90<<10)))
	c.write(db, put1("small", "end"))
}

// crashGroup has rounds of several transactions, which share a write.
func crashGroup(c *crashRun) {
	c.unfolded()
	db := c.open()
	c.write(db, put1("first", "1"))
	const members = 4
	for round := range 14 {
		at := c.fs.Ops()
		var group sync.WaitGroup
		var mu sync.Mutex
		byRev := map[Rev]map[string]*cell{}
		stamps := map[Rev]Stamp{}
		for m := range members {
			writes := put1(fmt.Sprint("m", m), strings.Repeat(fmt.Sprint(m), 60*round+m))
			group.Go(func() {
				res, err := db.Update(context.Background(), func(tx Tx) error {
					for m == 0 && db.waiting.Load() < members-1 {
						runtime.Gosched()
					}
					return put(context.Background(), tx, writes)
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					c.t.Errorf("Update in a group = %v", err)
				}
				byRev[res.Rev], stamps[res.Rev] = writes, res.Stamp
			})
			for m == 0 && db.turn.TryLock() { // the first one has to be first
				db.turn.Unlock()
				runtime.Gosched()
			}
		}
		group.Wait()
		if c.t.Failed() {
			return
		}
		for range members {
			rev := c.model.rev() + 1
			c.model.commit(byRev[rev], stamps[rev])
			c.begun = append(c.begun, crashEvent{at, rev})
			c.acked = append(c.acked, crashEvent{c.fs.Ops(), rev})
			c.durable = append(c.durable, crashEvent{c.fs.Ops(), rev})
		}
	}
}

func crashBegin(c *crashRun) {
	ctx := context.Background()
	a, b := c.open(), c.open()
	c.write(a, putN(0, 3, 20))
	for i := range 20 {
		tx, err := a.Begin(ctx)
		c.must(err)
		_, err = tx.Get(ctx, "k00")
		c.must(err)
		writes := putN(i%3, i%3+2, 50+i)
		c.must(put(ctx, tx, writes))
		if i%4 == 3 { // somebody else was faster
			c.write(b, put1("k00", fmt.Sprint(i)))
			if _, err := tx.Commit(ctx); !errors.Is(err, ErrConflict) {
				c.t.Fatalf("Commit = %v, want a conflict", err)
			}
			continue
		}
		c.begin()
		res, err := tx.Commit(ctx)
		c.ack(writes, res, err)
	}
}

func crashExpire(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	for i := range 16 {
		writes := putN(i, i+2, 60)
		writes[userIKey("e")] = &cell{value: "soon", expires: c.clock.ms + 50}
		writes[userIKey(fmt.Sprint("x", i))] = &cell{value: "late", expires: c.clock.ms + 1e9}
		c.write(db, writes)
		c.clock.ms += int64(20 * (i % 4))
		if i == 5 {
			c.must(db.fold(ctx))
		}
	}
	keep := time.Duration(0)
	_, err := db.Compact(ctx, CompactOptions{Keep: &keep})
	c.must(err)
	c.write(db, put1("end", "e"))
}

func crashFold(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	for i := range 4 {
		c.write(db, putN(i, i+4, 80))
		c.write(db, map[string]*cell{userIKey("k01"): nil})
		c.must(db.fold(ctx))
		c.write(db, put1("k02", fmt.Sprint(i)))
	}
}

func crashMerge(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	for i := range 10 {
		c.write(db, putN(0, 12, 120+i))
		c.write(db, map[string]*cell{userIKey(fmt.Sprintf("k%02d", i)): nil})
		c.must(db.maintain(ctx, 2))
	}
}

func crashCompact(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	keep := time.Duration(0)
	for i := range 3 {
		for j := range 4 {
			c.write(db, putN(j, j+6, 100+i))
		}
		c.write(db, map[string]*cell{userIKey("k02"): nil})
		_, err := db.Compact(ctx, CompactOptions{Keep: &keep})
		c.must(err)
	}
	c.write(db, put1("end", "e"))
}

func crashImport(c *crashRun) {
	db := c.open()
	for i := range 5 {
		c.load(db, putN(i, i+4, 30))
		c.write(db, put1("k02", fmt.Sprint(i)))
	}
	c.must(db.Close())
	db = c.open()
	c.load(db, putN(0, 3, 10))
}

func crashIngest(c *crashRun) {
	db := c.open()
	for i := range 3 {
		c.load(db, putN(10*i, 10*i+40, 150)) // sorted in several files
		c.write(db, map[string]*cell{userIKey("k15"): nil, userIKey("k16"): {value: "w"}})
	}
	// An import that fails half-way leaves nothing.
	failing := errors.New("bad line")
	_, err := db.Load(context.Background(), func(yield func(Item, error) bool) {
		for i := range 40 {
			if !yield(Item{Key: fmt.Appendf(nil, "bad%02d", i), Value: make([]byte, 200)}, nil) {
				return
			}
		}
		yield(Item{}, failing)
	}, Replace)
	if !errors.Is(err, failing) {
		c.t.Fatalf("Load = %v, want the error of its items", err)
	}
	c.load(db, putN(0, 30, 180))
}

// crashOrdered imports items whose keys ascend: new ones, in several blocks; such
// that come before one that is there; and such that end with a bad one.
func crashOrdered(c *crashRun) {
	db := c.open()
	c.write(db, put1("z", "behind all"))
	c.loadInOrder(db, putN(0, 99, 800))
	c.write(db, map[string]*cell{userIKey("k15"): nil, userIKey("k16"): {value: "w"}})
	broken := putN(3, 4, 100)
	for i := range 30 {
		broken[userIKey(fmt.Sprintf("a%02d", i))] = &cell{value: strings.Repeat("before", 10)}
	}
	c.loadInOrder(db, broken)
	failing := errors.New("bad line")
	_, err := db.Load(context.Background(), func(yield func(Item, error) bool) {
		for i := range 40 {
			if !yield(Item{Key: fmt.Appendf(nil, "bad%02d", i), Value: make([]byte, 200)}, nil) {
				return
			}
		}
		yield(Item{}, failing)
	}, Replace)
	if !errors.Is(err, failing) {
		c.t.Fatalf("Load = %v, want the error of its items", err)
	}
	c.loadInOrder(db, putN(14, 16, 300))
}

func crashSettings(c *crashRun) {
	ctx := context.Background()
	db, other := c.open(), c.open()
	for i := range 3 {
		c.relax = false
		c.write(db, putN(i, i+2, 50))
		c.must(other.SetSetting(ctx, settingKeep, fmt.Sprint(i+1, "d")))
		c.write(other, putN(i, i+3, 60))
		c.must(db.SetSetting(ctx, settingSync, syncNever))
		c.relax = true
		c.write(db, putN(i+1, i+4, 70))
		c.write(other, put1("k00", fmt.Sprint(i)))
		c.must(db.SetSetting(ctx, settingSync, syncAlways))
		c.flushed()
	}
}

func crashSnapshot(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	var last SnapshotInfo
	for i := range 3 {
		c.write(db, putN(i, i+5, 60))
		path := filepath.Join(c.fs.Path(), fmt.Sprintf("s%d.kvs", i))
		info, err := db.Snapshot(ctx, path)
		c.must(err)
		c.appears(filepath.Base(path), func(fsys FS, path string) error {
			_, err := VerifySnapshot(ctx, fsys, path)
			return err
		})
		if i > 0 {
			path = filepath.Join(c.fs.Path(), fmt.Sprintf("i%d.kvi", i))
			_, err = db.Increment(ctx, path, last.Rev, last.Stamp)
			c.must(err)
			c.appears(filepath.Base(path), func(fsys FS, path string) error {
				_, err := VerifyIncrement(ctx, fsys, path)
				return err
			})
		}
		last = info
		c.write(db, map[string]*cell{userIKey("k03"): nil})
	}
}

func crashRestore(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	for i := range 5 {
		c.write(db, putN(i, i+5, 60))
	}
	path := filepath.Join(c.fs.Path(), "s.kvs")
	info, err := db.Snapshot(ctx, path)
	c.must(err)
	c.must(db.Close())
	// From here on the promises are those of the copy.
	c.dir = filepath.Join(c.fs.Path(), "b.kv")
	c.first, c.born = info.Rev, -1
	c.begun, c.acked, c.durable = nil, nil, nil
	_, err = Restore(ctx, path, c.dir, c.options())
	c.must(err)
	c.bornNow()
	c.remake = func(mem *crashfs.FS, o Options) error {
		path := filepath.Join(mem.Path(), "s.kvs")
		if info, err := mem.Stat(path); err != nil || info.Size() == 0 {
			return nil // not yet
		}
		_, err := Restore(ctx, path, filepath.Join(mem.Path(), "b.kv"), o)
		if errors.Is(err, ErrExists) {
			return nil
		}
		return err
	}
	db = c.open()
	c.write(db, putN(0, 2, 90))
	c.must(db.fold(ctx))
	c.write(db, put1("end", "e"))
}

func crashUndo(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	for i := range 6 {
		c.write(db, putN(i, i+4, 50))
		before := c.model.rev()
		c.write(db, map[string]*cell{userIKey("k02"): nil, userIKey("k03"): {value: fmt.Sprint(i)}})
		back := map[string]*cell{}
		for _, key := range []string{userIKey("k02"), userIKey("k03")} {
			if old, ok := c.model.states[before][key]; ok {
				back[key] = &old
			} else {
				back[key] = nil
			}
		}
		c.begin()
		res, err := Undo(ctx, db, UndoOptions{Rev: before + 1})
		c.ack(back, res.Result, err)
		if i == 3 {
			c.must(db.fold(ctx))
		}
	}
}

// crashRepair damages what can be made anew without loss, and repairs it.
func crashRepair(c *crashRun) {
	ctx := context.Background()
	c.sizes.keep = 1 << 20 // the log reaches back to the first revision
	db := c.open()
	for i := range 5 {
		c.write(db, putN(i, i+5, 70))
	}
	c.must(db.fold(ctx))
	c.write(db, putN(0, 3, 20))
	c.must(db.Close())
	c.hurt[0] = c.fs.Ops()
	tables, err := c.fs.ReadDir(filepath.Join(c.dir, tablesDir))
	c.must(err)
	for _, name := range []string{markFile, manifestFile, formatFile, tablesDir + "/" + tables[0].Name()} {
		c.damage(filepath.Join(c.dir, filepath.FromSlash(name)))
	}
	c.remake = func(mem *crashfs.FS, o Options) error {
		_, err := Repair(ctx, o.FS, filepath.Join(mem.Path(), "a.kv"), RepairOptions{Wait: -1, Now: o.Now})
		return err
	}
	c.must(c.remake(c.fs, c.options()))
	c.hurt[1] = c.fs.Ops()
	db = c.open()
	c.write(db, putN(2, 6, 10))
}

// damage flips some bits in the middle of a file, durably.
func (c *crashRun) damage(path string) {
	f, err := c.fs.OpenFile(path, crashfs.O_RDWR, 0)
	c.must(err)
	defer f.Close()
	info, err := f.Stat()
	c.must(err)
	b := make([]byte, 3)
	at := info.Size() / 2
	_, err = f.ReadAt(b, at)
	c.must(err)
	for i := range b {
		b[i] ^= 0x15
	}
	_, err = f.WriteAt(b, at)
	c.must(errors.Join(err, f.Sync()))
}

// crashFault has writes that fail and are taken back.
func crashFault(c *crashRun) {
	c.unfolded()
	o := c.options()
	how := 0
	o.openAppender = func(dir string, sync bool, segmentSize int64) (appender, error) {
		a, err := openAppender(dir, sync, segmentSize)
		return &crashAppender{a, &how, c.fs, dir}, err
	}
	db, err := Open(context.Background(), c.dir, o)
	c.must(err)
	for i := range 20 {
		how = 0
		c.write(db, putN(i%3, i%3+2, 60+40*i))
		how = 1 + i%3
		writes := putN(i%3, i%3+3, 100+150*(i%5))
		c.begin()
		res, err := updateAll(db, writes)
		c.refuse(writes, res, err)
	}
	how = 0
	c.write(db, put1("end", "e"))
}

// A crashAppender fails: before it writes, in the middle, or when it has
// written all.
type crashAppender struct {
	appender
	how *int
	fs  *crashfs.FS
	dir string
}

func (a *crashAppender) append(first Rev, records [][]byte) error {
	switch *a.how {
	case 0:
		return a.appender.append(first, records)
	case 1:
		return errFault
	case 2:
		return errors.Join(errFault, a.short(appendFrame(nil, records[0])))
	}
	return errors.Join(errFault, a.appender.append(first, records))
}

// short writes half of some bytes behind the last segment.
func (a *crashAppender) short(all []byte) error {
	firsts, _, err := listSegments(crashSeam{a.fs}, a.dir)
	if err != nil {
		return err
	}
	f, err := a.fs.OpenFile(filepath.Join(a.dir, segmentName(firsts[len(firsts)-1])), crashfs.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(all[:len(all)/2], info.Size())
	}
	return err
}

// crashInterval moves the clock past the interval now and then.
func crashInterval(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	c.write(db, put1("a", "1"))
	c.must(db.SetSetting(ctx, settingSync, syncInterval))
	c.relax = true
	for i := range 20 {
		if i%5 == 4 {
			c.clock.ms += 2 * syncEvery.Milliseconds()
		}
		c.write(db, putN(i%6, i%6+2, 40+5*i))
		if i%5 == 4 {
			c.flushed()
		}
	}
	c.must(db.Close())
	c.flushed()
}

func crashNever(c *crashRun) {
	ctx := context.Background()
	db := c.open()
	c.write(db, put1("a", "1"))
	c.must(db.SetSetting(ctx, settingSync, syncNever))
	c.relax = true
	for i := range 16 {
		c.write(db, putN(i%6, i%6+3, 40+7*i))
	}
	other := c.open()
	for i := range 5 {
		c.write(other, putN(i, i+2, 90))
		c.write(db, putN(i, i+1, 30))
	}
	c.must(db.fold(ctx))
	c.write(db, put1("end", "e"))
}
