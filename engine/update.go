package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Group commit. Transactions of one process that wait together share one
// write and one fsync (DeWitt et al., "Implementation Techniques for Main
// Memory Database Systems", 1984). They pass the turn from one to the next:
// each runs its function on what those before it in the round wrote, and the
// one behind which nobody waits commits for all. Nobody gets an answer before
// the round is on the disk, and if it does not get there, none of them does.

// A round is the transactions that are committed together, under one hold of
// the lock.
type round struct {
	start   position // behind which its records go
	rev     Rev      // of the newest pending record
	sum     uint32
	anySum  bool
	stamp   Stamp
	records [][]byte
	size    int64
	pending []version // in order
	mem     memtable  // the first inMem of pending, for those who come later in the round
	inMem   int
	ingests []record // records whose operations are tables, likewise

	done    chan struct{} // closed when all below is set
	outcome Outcome
	err     error
}

// A round is committed when it has so many bytes or records, also when more
// transactions wait.
const (
	maxRoundSize    = 8 << 20
	maxRoundRecords = 1024
)

// Update runs fn under the lock of the database and commits what it wrote, see
// Store. It must not be called from within fn.
func (db *DB) Update(ctx context.Context, fn func(Tx) error) (Result, error) {
	none := Result{Outcome: NotCommitted}
	done, err := db.use(ctx)
	if err != nil {
		return none, err
	}
	defer done()
	if err := db.canWrite(); err != nil {
		return none, err
	}
	run := func(core *txCore) error { return fn(&dbTx{txCore: core}) }
	if !db.exists.Load() {
		return db.updateNothing(ctx, run)
	}
	return db.transact(ctx, run)
}

func (db *DB) canWrite() error {
	if db.opts.ReadOnly || (db.exists.Load() && db.isSnapshot()) {
		return ErrReadOnly
	}
	return nil
}

// updateNothing runs a transaction on a database that is not there, and makes
// the database only if something was written.
func (db *DB) updateNothing(ctx context.Context, run func(*txCore) error) (Result, error) {
	none := Result{Outcome: NotCommitted}
	first := &txCore{db: db, now: db.opts.now()}
	defer first.end()
	if err := run(first); err != nil {
		return none, err
	}
	if len(first.writes) == 0 {
		return Result{Outcome: Committed}, nil
	}
	if err := db.create(ctx); err != nil {
		return none, err
	}
	return db.transact(ctx, func(core *txCore) error {
		if core.rev > 0 {
			return run(core) // somebody else was here first
		}
		core.writes, core.sorted = first.writes, first.sorted
		return nil
	})
}

// transact runs one transaction in a round and waits for the round's end.
func (db *DB) transact(ctx context.Context, run func(*txCore) error) (Result, error) {
	db.waiting.Add(1)
	db.turn.Lock()
	db.waiting.Add(-1)
	r, err := db.enter(ctx)
	if r == nil {
		db.turn.Unlock()
		return Result{Outcome: NotCommitted}, err
	}
	depends := len(r.records) > 0
	res, err := func() (Result, error) {
		defer db.leave(r) // also if run panics: others wait for the turn
		return r.build(ctx, db, run)
	}()
	<-r.done
	if r.err != nil && (depends || res.Outcome == Committed) {
		return Result{Outcome: r.outcome}, r.err
	}
	if err == nil && db.foldDue.Load() {
		db.maintainAfter(ctx)
	}
	return res, err
}

// enter returns the round under way, or takes the lock and begins one. Called
// with the turn.
func (db *DB) enter(ctx context.Context) (*round, error) {
	if db.round != nil {
		return db.round, nil
	}
	if err := db.w.prepare(ctx, db); err != nil {
		return nil, err
	}
	at := db.w.mark.pos
	db.round = &round{start: at, rev: at.rev, sum: at.sum, anySum: at.anySum, stamp: at.stamp, done: make(chan struct{})}
	return db.round, nil
}

// leave passes the turn on, or commits the round if nobody takes it.
func (db *DB) leave(r *round) {
	defer db.turn.Unlock()
	if db.waiting.Load() > 0 && r.size < maxRoundSize && len(r.records) < maxRoundRecords {
		return
	}
	db.settle(r)
	db.finish(r)
}

// settle commits what is pending in a round, still under the lock.
func (db *DB) settle(r *round) {
	r.outcome = Committed
	if len(r.records) == 0 {
		return
	}
	if r.outcome, r.err = db.w.commit(db, r); r.err == nil {
		db.publish(r)
	}
}

// finish gives the lock back and tells those who wait.
func (db *DB) finish(r *round) {
	db.round = nil
	db.w.unlock()
	close(r.done)
}

// exclusive runs f under the lock, behind everything pending, for changes of
// the files that are no transactions.
func (db *DB) exclusive(ctx context.Context, f func() error) error {
	db.waiting.Add(1)
	db.turn.Lock()
	db.waiting.Add(-1)
	defer db.turn.Unlock()
	r, err := db.enter(ctx)
	if err != nil {
		return err
	}
	defer db.finish(r)
	db.settle(r)
	if r.err != nil {
		return r.err
	}
	return f()
}

// build runs one transaction and puts its record behind those of the round.
func (r *round) build(ctx context.Context, db *DB, run func(*txCore) error) (Result, error) {
	none := Result{Outcome: NotCommitted}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	core := &txCore{db: db, now: db.opts.now(), rev: r.rev, round: r}
	defer core.end()
	if err := run(core); err != nil {
		return none, err
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	ops := make([]operation, 0, len(core.writes))
	for _, w := range core.order() {
		op := *w
		if op.op == OpSetExpiring && op.expires <= core.now.UnixMilli() {
			op = operation{op: OpDelete, family: op.family, key: op.key} // it is gone already
		}
		ops = append(ops, op)
	}
	if core.ingest != nil {
		ops = append(ops[:0], *core.ingest)
	}
	return r.push(db, ops, core.now), nil
}

// push appends the record of a transaction with these operations, sorted.
func (r *round) push(db *DB, ops []operation, now time.Time) Result {
	if len(ops) == 0 {
		return Result{Outcome: Committed, Rev: r.rev, Stamp: r.stamp}
	}
	rec := record{
		rev:    r.rev + 1,
		stamp:  r.stamp.Next(now),
		origin: db.ident.copy,
		prev:   r.sum,
		writer: []byte(db.opts.Writer),
	}
	if len(r.records) == 0 && db.w.mark.durable >= r.rev {
		rec.flags |= flagAllDurable
	}
	if r.anySum {
		rec.prev = 0
	}
	r.pending = slices.Grow(r.pending, len(ops))
	data, sum := appendRecord(nil, &rec, ops)
	r.records = append(r.records, data)
	r.size += int64(len(data))
	r.rev, r.sum, r.anySum, r.stamp = rec.rev, sum, false, rec.stamp
	for i := range ops {
		if ops[i].op == OpIngest {
			rec.body, rec.count = appendOperation(nil, &ops[i]), 1
			r.ingests = append(r.ingests, rec)
			continue
		}
		v := versionOf(&rec, &ops[i])
		r.pending = append(r.pending, v)
	}
	return Result{Outcome: Committed, Rev: rec.rev, Stamp: rec.stamp}
}

// memory is what is pending, for lookups. It is made when it is first asked
// for: most transactions have none behind them in the round.
func (r *round) memory() *memtable {
	for ; r.inMem < len(r.pending); r.inMem++ {
		r.mem.add(r.pending[r.inMem])
	}
	return &r.mem
}

// publish makes a committed round visible to the readers of this handle.
func (db *DB) publish(r *round) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.base != nil && db.end.rev == r.start.rev && db.seen != "" {
		ok := true
		for _, v := range r.pending {
			db.base.tail.mem.add(v)
		}
		for i := range r.ingests {
			ok = db.base.tail.add(&r.ingests[i]) == nil && ok
		}
		db.end = db.w.mark.pos
		raw := db.w.mark.encode()
		db.seen = string(raw[:])
		if !ok || db.w.mark.generation != db.base.man.generation {
			db.seen = ""
		}
	}
	if !db.closed {
		close(db.changed)
		db.changed = make(chan struct{})
	}
}

// A writer is what a DB keeps between two transactions: with the lock in hand
// it compares, and where nobody else has written since, it goes on at once.
type writer struct {
	lock     File
	markFile File
	wal      appender // nil: to be opened after a recovery
	walSync  bool
	man      *manifest
	mark     mark // as last written or read; its pos is the end of the log
	tailSize int64
	unsynced bool // sync is not "always" and something is not on the disk
	timer    *time.Timer
	broken   error // set for good when an outcome is unknown
}

// Sync settings.
const (
	syncAlways   = "always"
	syncInterval = "interval"
	syncNever    = "never"

	syncEvery = time.Second // of "interval"
)

// prepare takes the lock and makes the log ready to be appended to.
func (w *writer) prepare(ctx context.Context, db *DB) (err error) {
	if w.broken != nil {
		// As text: the outcome of this write is known.
		return fmt.Errorf("%w: this process takes no more writes since: %s", ErrUnavailable, w.broken.Error())
	}
	if w.lock == nil {
		if w.lock, err = openLock(db.fsys, db.dir); err != nil {
			return err
		}
	}
	if err := acquire(ctx, w.lock, db.opts.wait(), db.opts.Writer); err != nil {
		return err
	}
	if err := w.ready(db); err != nil {
		w.unlock()
		return err
	}
	return nil
}

func (w *writer) unlock() { _ = w.lock.Unlock() }

// ready compares the log with what the writer knows, and recovers it if
// anything is different. Called under the lock.
func (w *writer) ready(db *DB) error {
	if w.wal != nil && w.unchanged(db) {
		return nil
	}
	w.drop()
	e, err := recoverLog(db.fsys, db.dir, db.ident, db.boot, &db.opts)
	if err != nil {
		return err
	}
	if w.markFile == nil {
		if w.markFile, _, err = openMark(db.fsys, db.dir, os.O_RDWR); err != nil {
			return err
		}
	}
	w.man, w.mark = e.man, e.mark
	dirty := !e.current || e.end.rev != e.mark.pos.rev || e.end.segment != e.mark.pos.segment || e.end.offset != e.mark.pos.offset
	w.mark.pos = e.end
	if w.mark.pos.stamp == 0 {
		w.mark.pos.stamp = max(e.mark.pos.stamp, e.man.folded.stamp)
	}
	if e.end.rev == e.mark.pos.rev && e.markBad == "" && e.mark.pos.stamp > w.mark.pos.stamp {
		w.mark.pos.stamp = e.mark.pos.stamp
	}
	w.mark.copy, w.mark.boot, w.mark.generation = db.ident.copy, db.boot, e.man.generation
	if !e.current || e.torn != nil || e.end.rev > e.mark.pos.rev {
		w.mark.durable, w.mark.syncedAt = e.end.rev, db.opts.now().UnixMilli()
	}
	if dirty || e.torn != nil || e.mark.generation != e.man.generation {
		if err := writeMark(db.fsys, db.dir, &w.markFile, &w.mark); err != nil {
			return err
		}
	}
	w.tailSize = 0
	for i, first := range e.firsts {
		if i+1 < len(e.firsts) && e.firsts[i+1] <= e.man.folded.rev+1 {
			continue
		}
		info, err := db.fsys.Stat(filepath.Join(db.dir, logDir, segmentName(first)))
		if err != nil {
			return err
		}
		w.tailSize += info.Size()
	}
	w.walSync = w.man.setting("sync", syncAlways) == syncAlways
	if w.wal, err = db.opts.openAppender(filepath.Join(db.dir, logDir), w.walSync, db.opts.sizes.segment); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if last, err := w.wal.last(); err != nil || last != e.end.rev {
		w.drop()
		return &CorruptError{File: logDir, Rev: e.end.rev, Reason: fmt.Sprintf("the log library counts up to revision %d: %v", last, err)}
	}
	return nil
}

// unchanged reports whether nobody has written since this writer did.
func (w *writer) unchanged(db *DB) bool {
	m, reason, err := readMark(w.markFile, db.ident.copy)
	if err != nil || reason != "" || m != w.mark {
		return false
	}
	info, err := db.fsys.Stat(filepath.Join(db.dir, logDir, segmentName(m.pos.segment)))
	if m.pos.offset == 0 && err != nil {
		return false
	}
	return err == nil && info.Size() == m.pos.offset
}

// drop forgets the open log. It does not close it: that would sync once more,
// which costs as much as a commit, and leaks where it fails. What is to be on
// the disk is there, and the runtime closes files that nobody holds.
func (w *writer) drop() { w.wal = nil }

// commit writes the records of a round behind the log and makes them durable.
func (w *writer) commit(db *DB, r *round) (Outcome, error) {
	end := w.mark.pos
	first, rotated := end.segment, false
	for _, data := range r.records {
		end = place(end, len(data), db.opts.sizes.segment)
	}
	rotated = end.segment != first
	end.sum, end.anySum, end.stamp = r.sum, false, r.stamp
	err := w.wal.append(w.mark.pos.rev+1, r.records)
	logPath := filepath.Join(db.dir, logDir)
	if err == nil && rotated {
		err = db.fsys.SyncDir(logPath)
	}
	if err == nil {
		var size int64
		if info, e := db.fsys.Stat(filepath.Join(logPath, segmentName(end.segment))); e != nil {
			err = e
		} else if size = info.Size(); size != end.offset {
			err = fmt.Errorf("%s has %d bytes, expected %d", segmentName(end.segment), size, end.offset)
		}
	}
	before := w.mark
	if err == nil {
		w.mark.pos = end
		if w.walSync {
			w.mark.durable, w.mark.syncedAt = end.rev, db.opts.now().UnixMilli()
		}
		err = writeMark(db.fsys, db.dir, &w.markFile, &w.mark)
	}
	if err != nil {
		w.mark = before
		return w.fail(db, err)
	}
	w.tailSize += r.size
	db.foldDue.Store(w.tailSize > db.opts.sizes.fold)
	if !w.walSync {
		w.unsynced = true
		w.syncLater(db)
	}
	return Committed, nil
}

// fail takes a round that did not get to the disk back out of the log, so that
// the answer "not committed" is true. If that fails too nothing is known.
func (w *writer) fail(db *DB, cause error) (Outcome, error) {
	w.drop()
	err := rollBack(db.fsys, filepath.Join(db.dir, logDir), w.mark.pos)
	if err == nil {
		// MARK may have been written in part, or whole before its error.
		err = writeMark(db.fsys, db.dir, &w.markFile, &w.mark)
	}
	if err == nil {
		return NotCommitted, fmt.Errorf("write the log: %w", cause)
	}
	w.broken = fmt.Errorf("%w: %w; and taking it back: %w", ErrUnknownOutcome, cause, err)
	return OutcomeUnknown, w.broken
}

// syncLater makes what was committed durable when the interval is over.
func (w *writer) syncLater(db *DB) {
	if w.man.setting("sync", syncAlways) != syncInterval {
		return
	}
	if due := w.mark.syncedAt + syncEvery.Milliseconds(); db.opts.now().UnixMilli() >= due {
		w.syncNow(db)
		return
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(syncEvery, func() {
			db.turn.Lock()
			defer db.turn.Unlock()
			w.timer = nil
			w.syncNow(db)
		})
	}
}

// syncNow syncs the log of a database whose commits do not, and notes in MARK
// how far, if nobody else has written since.
func (w *writer) syncNow(db *DB) {
	if !w.unsynced || w.wal == nil {
		return
	}
	if err := w.wal.sync(); err != nil {
		db.opts.notice(fmt.Sprintf("sync the log: %v", err))
		return
	}
	w.unsynced = false
	if ok, err := w.lock.Lock(); !ok || err != nil {
		return
	}
	defer w.unlock()
	if w.unchanged(db) {
		w.mark.durable, w.mark.syncedAt = w.mark.pos.rev, db.opts.now().UnixMilli()
		_ = writeMark(db.fsys, db.dir, &w.markFile, &w.mark)
	}
}

func (w *writer) close(db *DB) (err error) {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if w.unsynced && w.man.setting("sync", syncAlways) == syncInterval {
		w.syncNow(db)
	}
	w.drop()
	if w.markFile != nil {
		err = w.markFile.Close()
	}
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	*w = writer{broken: ErrClosed}
	return err
}
