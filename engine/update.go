package engine

import (
	"context"
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
	} else if len(db.w.man.settings) > 0 && !core.unlimited {
		limits := db.w.man.limits()
		if err := limits.checkAll(ops, core.writeSize); err != nil {
			return none, err
		}
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
