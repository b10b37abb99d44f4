package engine

import (
	"context"
	"fmt"
	"time"
)

// CompactOptions say what Compact does. The zero options follow the settings.
type CompactOptions struct {
	// Keep, if not nil, is how long history is kept this once, instead of the
	// setting history.keep.
	Keep *time.Duration

	// DryRun changes nothing and says what would go.
	DryRun bool
}

// A CompactResult says what Compact did, or would do.
type CompactResult struct {
	HistoryFrom   Rev   // the first revision that is kept now
	Forgotten     int64 // revisions that are not any more
	TablesBefore  int
	TablesAfter   int   // 0 in a dry run
	BytesBefore   int64 // of tables
	BytesAfter    int64 // 0 in a dry run
	FoldedRecords int64 // that were in the log only
}

// Compact folds the tail, forgets history that is older than what is kept, and
// merges all tables into one run. Others read and write meanwhile. While another
// process is at such work it waits, and after Options.Wait returns a *BusyError.
func (db *DB) Compact(ctx context.Context, o CompactOptions) (res CompactResult, err error) {
	defer func() { err = db.vanished(err) }()
	done, err := db.use(ctx)
	if err != nil {
		return res, err
	}
	defer done()
	if err := db.canWrite(); err != nil {
		return res, err
	}
	b, _, err := db.pin() // another process may have made the database meanwhile
	if err != nil {
		return res, err
	}
	b.release()
	if !db.exists.Load() {
		return res, nil
	}
	if !o.DryRun {
		unlock, err := db.waitMaintainer(ctx)
		if err != nil {
			return res, err
		}
		defer unlock()
	}
	b, rev, err := db.reload()
	if err != nil {
		return res, err
	}
	res.TablesBefore, res.BytesBefore = b.man.tableBytes()
	res.FoldedRecords = int64(rev - b.man.folded.rev)
	before := b.man.historyFrom
	cut, err := db.compactCut(ctx, b, o.Keep)
	b.release()
	if err != nil {
		return res, err
	}
	res.HistoryFrom, res.Forgotten = cut.from, int64(cut.from-before)
	if o.DryRun {
		return res, nil
	}
	if err := db.fold(ctx); err != nil {
		return res, err
	}
	if err := db.forgetAll(ctx, o.Keep); err != nil {
		return res, err
	}
	if err := db.mergeAll(ctx); err != nil {
		return res, err
	}
	b, _, err = db.reload()
	if err != nil {
		return res, err
	}
	defer b.release()
	res.TablesAfter, res.BytesAfter = b.man.tableBytes()
	res.HistoryFrom, res.Forgotten = b.man.historyFrom, int64(b.man.historyFrom-before)
	return res, nil
}

// waitMaintainer takes the lock of those who make tables as soon as it is had.
func (db *DB) waitMaintainer(ctx context.Context) (unlock func(), err error) {
	// The clock of the machine, not Options.Now: this is about waiting.
	deadline := time.Now().Add(db.opts.wait())
	for {
		if unlock, err = db.maintainer(); unlock != nil || err != nil {
			return unlock, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, fmt.Errorf("tables are being merged: %w", &BusyError{})
		}
		timer := time.NewTimer(min(lockPoll, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func (m *manifest) tableBytes() (n int, bytes int64) {
	for i := range m.tables {
		bytes += m.tables[i].ref.size
	}
	return len(m.tables), bytes
}

func (m *manifest) tableEntries() (n int64) {
	for i := range m.tables {
		n += m.tables[i].ref.entries
	}
	return n
}

func (db *DB) compactCut(ctx context.Context, b *base, keep *time.Duration) (historyCut, error) {
	if keep != nil {
		return db.historyBefore(ctx, b.man, db.opts.now().Add(-*keep), 0)
	}
	return db.oldHistory(ctx, b, b.man.historyBytes)
}

// forgetAll puts the beginning of history where it is to be.
func (db *DB) forgetAll(ctx context.Context, keep *time.Duration) error {
	b, _, err := db.reload()
	if err != nil {
		return err
	}
	defer b.release()
	cut, err := db.compactCut(ctx, b, keep)
	if err != nil || cut.from == b.man.historyFrom {
		return err
	}
	return db.swap(ctx, func(next *manifest) error {
		next.forget(b.man, cut)
		return nil
	})
}

// mergeAll ends the merge under way, then merges all runs into one.
func (db *DB) mergeAll(ctx context.Context) error {
	var out uint64 // the run that all others go into
	for first := true; ; first = false {
		b, _, err := db.reload()
		if err != nil {
			return err
		}
		if first {
			ctx = withStep(ctx, Progress{Doing: "merge", Total: b.man.tableEntries()})
		}
		state := b.man.merge
		if state == nil {
			if out != 0 || len(b.runs) == 0 {
				b.release()
				return nil
			}
			state = &mergeState{out: b.man.nextRun()}
			for _, r := range b.runs {
				state.in = append(state.in, r.id)
			}
			out = state.out
		}
		err = db.advance(ctx, b, state, compactSlice)
		b.release()
		if err != nil {
			return err
		}
	}
}
