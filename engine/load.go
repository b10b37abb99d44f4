package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
)

// Bulk load. Items are sorted in bounded memory, compared with the state of the
// database, and what would change is written: as the operations of one record
// if that is little, else as a table under a temporary name, which one record
// with its digest makes part of the database. So a load is there whole or not
// at all, and costs one pass over its data however large it is. Items that come
// in order, of which none is there, need no sorting: see loadStream.
const (
	loadBudget = 160 << 20 // bytes of memory for sorting: a million records of 120 bytes stay in it
	loadSmall  = 1 << 20   // bytes of operations that go into the record itself
)

// Load writes any number of items as one transaction, see Store. It holds the
// lock only to commit; if other processes write into the span of its keys
// meanwhile, it compares once more, then under the lock.
func (db *DB) Load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict) (LoadResult, error) {
	return db.load(ctx, items, loader{db: db, on: on})
}

// loadIf implements loaderIf.
func (db *DB) loadIf(ctx context.Context, items iter.Seq2[Item, error], newest Rev) (LoadResult, error) {
	return db.load(ctx, items, loader{db: db, conditional: true, newest: newest})
}

func (db *DB) load(ctx context.Context, items iter.Seq2[Item, error], l loader) (LoadResult, error) {
	none := LoadResult{Result: Result{Outcome: NotCommitted}}
	done, err := db.use(ctx)
	if err != nil {
		return none, err
	}
	defer done()
	if err := db.canWrite(); err != nil {
		return none, err
	}
	l.sorter = newSorter(db.fsys, filepath.Join(db.dir, tablesDir), db.opts.sizes.load)
	if !db.exists.Load() {
		// Items that turn out to be bad make no database.
		l.sorter.dir, l.sorter.nameless = filepath.Dir(db.dir), true
	}
	defer l.sorter.close()
	defer l.dropStream()
	if err := l.read(ctx, items); err != nil {
		return none, err
	}
	if l.bytes <= db.opts.sizes.small {
		return l.small(ctx)
	}
	return l.large(ctx)
}

type loader struct {
	db       *DB
	on       OnConflict
	sorter   *sorter
	stream   *loadStream // nil: items go to the sorter
	tried    bool        // to have a stream
	streamed bool        // the table is that of the stream
	count    int64
	bytes    int64 // that the items would take as operations
	res      LoadResult

	conditional bool // commit only
	newest      Rev  // if this still is the newest revision
}

// met returns ErrConflict unless the condition of the load holds.
func (l *loader) met(core *txCore) error {
	if l.conditional && core.rev != l.newest {
		return fmt.Errorf("revision %d came meanwhile: %w", core.rev, ErrConflict)
	}
	return nil
}

// read checks the items and hands them to the sorter.
func (l *loader) read(ctx context.Context, items iter.Seq2[Item, error]) error {
	limits, err := l.db.limits()
	if err != nil {
		return err
	}
	var ikey []byte
	for it, err := range items {
		if err != nil {
			return err
		}
		if l.count%contextEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		l.count++
		err := checkItem(&it)
		if err == nil {
			err = limits.check(len(it.Key), len(it.Value), it.Delete)
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", l.count, err)
		}
		ikey = appendIKey(ikey[:0], []byte(it.Family), it.Key)
		var expires int64
		if !it.Expires.IsZero() {
			expires = max(it.Expires.UnixMilli(), 1)
		}
		l.bytes += int64(opSize(OpSetExpiring, len(it.Family), len(it.Key), len(it.Value)))
		if err := l.add(&version{key: ikey, value: it.Value, size: len(it.Value), expires: expires, deleted: it.Delete}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// add hands an item to the stream, if there is one, else to the sorter. Once
// there are too many for the record itself it tries to have a stream.
func (l *loader) add(v *version) error {
	if l.stream != nil {
		if took, err := l.stream.add(v); took || err != nil {
			return err
		}
		if err := l.unstream(); err != nil {
			return err
		}
	}
	if err := l.sorter.add(v.key, v.value, v.expires, v.deleted); err != nil {
		return err
	}
	if l.tried || l.bytes <= l.db.opts.sizes.small {
		return nil
	}
	l.tried = true
	var err error
	l.stream, err = l.startStream()
	return err
}

func checkItem(it *Item) error {
	if len(it.Key) == 0 || len(it.Key) > MaxKeySize {
		return checkKey(string(it.Key))
	}
	if it.Family != "" {
		if err := checkFamily(it.Family); err != nil {
			return err
		}
	}
	return checkValue(it.Value)
}

// decide counts an item against the version the key has, if it has one, and
// reports whether it is to be written.
func (l *loader) decide(v, old *version, now int64) (write bool, err error) {
	if v.expired(now) {
		*v = version{key: v.key, deleted: true}
	}
	switch {
	case old == nil && v.deleted:
		return false, nil
	case old == nil:
		l.res.Added++
	case l.on == Keep:
		l.res.Kept++
		return false, nil
	case l.on == Fail:
		return false, fmt.Errorf("key %q: %w", userKey(v.key), ErrExists)
	case v.deleted:
		l.res.Deleted++
	case v.expires == old.expires && v.size == old.size && bytes.Equal(v.value, old.value):
		l.res.Same++
		return false, nil
	default:
		l.res.Changed++
	}
	return true, nil
}

// small commits the items as an ordinary transaction.
func (l *loader) small(ctx context.Context) (LoadResult, error) {
	src, err := l.sorter.finish()
	if err != nil {
		return LoadResult{Result: Result{Outcome: NotCommitted}}, err
	}
	var items []version
	for src.next() {
		v := copyVersion(*src.cur())
		v.key = bytes.Clone(v.key)
		items = append(items, v)
	}
	err = src.err()
	src.close()
	if err != nil {
		return LoadResult{Result: Result{Outcome: NotCommitted}}, err
	}
	run := func(core *txCore) error {
		if err := l.met(core); err != nil {
			return err
		}
		l.res = LoadResult{}
		core.unlimited = true // read looked at each item, and a load has any size
		return l.decideEach(core, items)
	}
	var res Result
	if l.db.exists.Load() {
		res, err = l.db.transact(ctx, run)
	} else {
		res, err = l.db.updateNothing(ctx, run)
	}
	l.res.Result = res
	if err != nil {
		return LoadResult{Result: res}, err
	}
	return l.res, nil
}

func (l *loader) decideEach(core *txCore, items []version) error {
	tx := &dbTx{txCore: core}
	now := core.now.UnixMilli()
	for i := range items {
		v := items[i]
		var old version
		ok, err := core.lookup(v.key, &old)
		if err != nil {
			return err
		}
		var present *version
		if ok && !old.deleted && !old.expired(now) {
			present = &old
		}
		write, err := l.decide(&v, present, now)
		if err != nil {
			return err
		}
		if write {
			family, key := splitIKey(v.key)
			tx.family = string(family)
			op := OpSet
			switch {
			case v.deleted:
				op = OpDelete
			case v.expires != 0:
				op = OpSetExpiring
			}
			if err := tx.write(context.Background(), op, string(key), v.value, v.expires); err != nil {
				return err
			}
		}
	}
	return nil
}

// large commits the items as a table.
func (l *loader) large(ctx context.Context) (LoadResult, error) {
	db := l.db
	if !db.exists.Load() {
		if err := db.create(ctx); err != nil {
			return LoadResult{Result: Result{Outcome: NotCommitted}}, err
		}
	}
	info, w, since, err := l.first(ctx)
	defer func() { discardTable(db.fsys, w) }()
	res := Result{Outcome: NotCommitted}
	// The state may be merged and forgotten faster than it is compared.
	outrun := errors.Is(err, ErrUnavailable)
	if err == nil || outrun {
		res, err = db.transact(ctx, func(core *txCore) error {
			if err := l.met(core); err != nil {
				return err
			}
			stale, err := outrun, error(nil)
			if !stale {
				stale, err = l.stale(ctx, core, since, &info)
			}
			if err != nil {
				return err
			}
			if stale {
				if err := l.again(&w); err != nil {
					return err
				}
				if info, w, err = l.table(ctx, core); err != nil {
					return err
				}
			}
			if info.entries == 0 {
				return nil
			}
			if err := db.adopt(w); err != nil {
				return err
			}
			core.ingest = &operation{op: OpIngest, table: tableRef{
				id: info.id, size: info.size, sum: info.sum, entries: int64(info.entries),
			}}
			return nil
		})
	}
	l.res.Result = res
	if err != nil {
		return LoadResult{Result: res}, err
	}
	db.maintainAfter(ctx) // so that the table is in MANIFEST, and not only in the log
	return l.res, nil
}

// first writes the table for the first time, compared with the revision since.
func (l *loader) first(ctx context.Context) (info tableInfo, w *tableWriter, since Rev, err error) {
	if l.stream != nil {
		step := withStep(ctx, Progress{Doing: "write", Total: l.count})
		info, w, since, err = l.finishStream(step)
		if w != nil || err != nil {
			return info, w, since, err
		}
	}
	reader := &txCore{db: l.db, now: l.db.opts.now(), readonly: true}
	defer reader.end()
	if _, err := reader.state(); err != nil {
		return info, nil, 0, err
	}
	info, w, err = l.table(ctx, reader)
	return info, w, reader.rev, err
}

// again gives up the table of first. Where it holds the items it goes back to
// the sorter.
func (l *loader) again(w **tableWriter) error {
	if l.streamed {
		l.streamed = false
		if err := l.sorter.adopt(*w); err != nil {
			return err
		}
	} else {
		discardTable(l.db.fsys, *w)
	}
	*w = nil
	return nil
}

// stale reports whether a key in the span of the table, or of the items that
// did not need to be in it, was written since the revision it was compared at.
func (l *loader) stale(ctx context.Context, core *txCore, since Rev, info *tableInfo) (bool, error) {
	if core.rev == since {
		return false, nil
	}
	if l.count != l.res.Added+l.res.Changed {
		return true, nil // some items were left out because of what stood there
	}
	touched, err := l.db.touched(ctx, core, since, func(ikey []byte) bool {
		return bytes.Compare(ikey, info.first) >= 0 && bytes.Compare(ikey, info.last) <= 0
	})
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrHistoryGone) {
		return true, nil
	}
	return touched != nil, err
}

// table writes the items that change the state core reads into a table, and
// counts all of them.
func (l *loader) table(ctx context.Context, core *txCore) (info tableInfo, w *tableWriter, err error) {
	for range 5 {
		if info, w, err = l.tableOnce(ctx, core); err != errVanished {
			return info, w, err
		}
		discardTable(l.db.fsys, w)
		if err := core.again(err); err != nil {
			return info, nil, err
		}
	}
	return info, nil, errUnsettled
}

func (l *loader) tableOnce(ctx context.Context, core *txCore) (info tableInfo, w *tableWriter, err error) {
	l.res = LoadResult{}
	src, err := l.sorter.finish()
	if err != nil {
		return info, nil, err
	}
	defer src.close()
	if w, err = l.db.newTable(kindIngest); err != nil {
		return info, nil, err
	}
	j := loadJoin{core: core, now: core.now.UnixMilli()}
	defer j.close()
	ctx = withStep(ctx, Progress{Doing: "write", Total: l.count})
	for n := 0; src.next(); n++ {
		if n%contextEvery == contextEvery-1 {
			if err := ctx.Err(); err != nil {
				return info, w, err
			}
			progressed(ctx, contextEvery)
		}
		v := *src.cur()
		old, err := j.find(v.key)
		write := false
		if err == nil {
			write, err = l.decide(&v, old, j.now)
		}
		if err == nil && write {
			err = w.add(&v)
		}
		if err != nil {
			return info, w, err
		}
	}
	if err := src.err(); err != nil {
		return info, w, err
	}
	info, err = w.finish()
	return info, w, err
}

// A loadJoin walks the state beside the sorted items.
type loadJoin struct {
	core  *txCore
	now   int64
	state source // from the first key asked for; nil before
	more  bool
}

// find returns what the state has of a key, or nil. Keys come in order.
func (j *loadJoin) find(ikey []byte) (*version, error) {
	if j.state == nil {
		var err error
		if j.state, err = j.core.open(&iterOptions{lo: bytes.Clone(ikey)}); err != nil {
			return nil, err
		}
		j.more = j.state.next()
	}
	for j.more && bytes.Compare(j.state.cur().key, ikey) < 0 {
		j.more = j.state.next()
	}
	if !j.more {
		return nil, j.state.err()
	}
	if bytes.Equal(j.state.cur().key, ikey) {
		return j.state.cur(), nil
	}
	return nil, nil
}

func (j *loadJoin) close() {
	if j.state != nil {
		j.state.close()
	}
}
