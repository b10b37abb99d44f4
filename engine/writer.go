package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A writer is what a DB keeps between two transactions: with the lock in hand
// it compares, and where nobody else has written since, it goes on at once.
type writer struct {
	lock     File
	turn     turn
	markFile File
	wal      appender // nil: to be opened after a recovery
	walSync  bool
	man      *manifest
	mark     mark // as last written or read; its pos is the end of the log
	tailSize int64
	begun    bool // it has committed before
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
	if w.turn.over(time.Now()) {
		time.Sleep(turnPause)
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

func (w *writer) unlock() {
	_ = w.lock.Unlock()
	w.turn.released = time.Now()
}

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
	if w.markFile != nil {
		w.markFile.Close() // another one may stand in its place
	}
	if w.markFile, _, err = openMark(db.fsys, db.dir, os.O_RDWR); err != nil {
		return err
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
	for _, data := range r.records {
		end = place(end, len(data), db.opts.sizes.segment)
	}
	end.sum, end.anySum, end.stamp = r.sum, false, r.stamp
	before := w.mark
	err := w.wal.append(before.pos.rev+1, r.records)
	if err == nil {
		err = landed(db.fsys, db.dir, before.pos, end)
	}
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
	limit := db.opts.sizes.fold
	if first := db.opts.sizes.first; !w.begun && first > 0 {
		limit = min(limit, first)
	}
	w.begun = true
	db.foldDue.Store(w.tailSize > limit)
	if !w.walSync {
		w.unsynced = true
		w.syncLater(db)
	}
	return Committed, nil
}

// landed makes the name of a new segment durable, if an append from one position
// to another began one, and checks that the log ends where it was to end.
func landed(fsys FS, dir string, from, end position) error {
	logPath := filepath.Join(dir, logDir)
	if end.segment != from.segment {
		keepSegmentOwners(fsys, logPath, from.segment)
		if err := syncLogDir(fsys, dir); err != nil {
			return err
		}
	}
	info, err := fsys.Stat(filepath.Join(logPath, segmentName(end.segment)))
	if err == nil && info.Size() != end.offset {
		err = fmt.Errorf("%s has %d bytes, expected %d", segmentName(end.segment), info.Size(), end.offset)
	}
	return err
}

// fail takes a round that did not get to the disk back out of the log, so that
// the answer "not committed" is true. If that fails too nothing is known.
func (w *writer) fail(db *DB, cause error) (Outcome, error) {
	w.drop()
	err := rollBack(db.fsys, db.dir, w.mark.pos)
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
