package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Maintenance: the tail of the log is folded into a table when it has grown to
// foldSize, or to firstFoldSize at the first commit of a handle, and tables are
// merged so that there are never many. All of it is
// done by writers, behind a commit that made it due, in steps of bounded work.
// One process does it at a time. It reads files that never change, so the lock
// of the database is held only to put a new MANIFEST in place.
const (
	foldSize = 4 << 20

	// A handle that commits once, as that of a command in a script, read all of
	// the tail before, and so does the next: 0.5 ms per MiB, which at foldSize
	// would be as much as all else that they do. One that lives long reads it
	// once, and folds a quarter as often.
	firstFoldSize = 1 << 20

	// A fold brings foldSize, and each byte is merged once for each tier it
	// passes: so many slices behind a fold keep up with databases of up to a
	// terabyte.
	slicesPerFold = 2
)

// maintainAfter folds and merges behind a commit. What fails there has no
// bearing on the commit: it is noticed, and tried again behind the next one.
func (db *DB) maintainAfter(ctx context.Context) {
	if err := db.vanished(db.maintain(ctx, slicesPerFold)); err != nil && !errors.Is(err, ErrBusy) && ctx.Err() == nil {
		db.opts.notice(fmt.Sprintf("fold the log: %v", err))
	}
}

// maintain folds the tail, then merges up to so many slices. It does nothing
// if another process or goroutine is at it.
func (db *DB) maintain(ctx context.Context, steps int) error {
	if !db.exists.Load() {
		return nil
	}
	unlock, err := db.maintainer()
	if unlock == nil {
		return err
	}
	defer unlock()
	if err := db.fold(ctx); err != nil {
		return err
	}
	for range steps {
		more, err := db.mergeSlice(ctx, db.opts.sizes.slice)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// maintainer takes the lock of those who make tables, which is that of the
// folder of tables. unlock is nil if somebody else holds it.
func (db *DB) maintainer() (unlock func(), err error) {
	f, err := db.fsys.Open(filepath.Join(db.dir, tablesDir))
	if err != nil {
		return nil, err
	}
	if ok, err := f.Lock(); !ok || err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// newTable begins a table in a temporary file.
func (db *DB) newTable(kind tableKind) (*tableWriter, error) {
	id := rand.Uint64()
	temp := filepath.Join(db.dir, tablesDir, fmt.Sprintf("%016x.tmp", id))
	w, err := newTableWriter(db.fsys, temp, tableOptions{
		id: id, database: db.ident.id, kind: kind, created: db.opts.now().UnixMilli(),
	})
	if err == nil {
		keepOwner(w.file, filepath.Dir(temp))
	}
	return w, err
}

// adopt gives a finished table its name, durably. From then on it is an orphan
// until something names it.
func (db *DB) adopt(w *tableWriter) error {
	if err := db.fsys.Rename(w.path, filepath.Join(db.dir, filepath.FromSlash(tableName(w.o.id)))); err != nil {
		return err
	}
	return db.fsys.SyncDir(filepath.Join(db.dir, tablesDir))
}

// lineOf is the line in MANIFEST for a table that was just written.
func lineOf(i *tableInfo, run uint64) tableLine {
	return tableLine{
		ref: tableRef{id: i.id, size: i.size, sum: i.sum, entries: int64(i.entries)},
		run: run, minRev: i.minRev, maxRev: i.maxRev,
		first: string(i.first), last: string(i.last),
	}
}

// nextRun is a number that no run of the manifest has.
func (m *manifest) nextRun() uint64 {
	next := uint64(1)
	for i := range m.tables {
		next = max(next, m.tables[i].run+1)
	}
	if m.merge != nil {
		next = max(next, m.merge.out+1)
	}
	return next
}

// swap puts the manifest in place that change makes of the present one, under
// the lock, then moves segments that are folded whole to history/.
func (db *DB) swap(ctx context.Context, change func(next *manifest) error) error {
	return db.exclusive(ctx, func() error {
		next := db.w.man.clone()
		if err := change(next); err != nil {
			return err
		}
		if err := replaceFile(db.fsys, filepath.Join(db.dir, manifestFile), next.encode()); err != nil {
			db.w.drop() // which of the two is there is read anew
			return err
		}
		db.w.man, db.w.mark.generation = next, next.generation
		err := errors.Join(db.tidy(), db.removeOrphans())
		return errors.Join(err, writeMark(db.fsys, db.dir, &db.w.markFile, &db.w.mark))
	})
}

// tidy moves folded segments to history/ and removes those of history/ that
// are no longer kept. A crash in between leaves work for the next time.
func (db *DB) tidy() error {
	man, logPath, historyPath := db.w.man, filepath.Join(db.dir, logDir), filepath.Join(db.dir, historyDir)
	firsts, _, err := listSegments(db.fsys, logPath)
	if err != nil {
		return err
	}
	last := len(firsts) - 1
	moved := 0
	for moved < last && firsts[moved+1] <= man.folded.rev+1 {
		name := segmentName(firsts[moved])
		if err := db.fsys.Rename(filepath.Join(logPath, name), filepath.Join(historyPath, name)); err != nil {
			return err
		}
		moved++
	}
	if moved > 0 {
		// The new name first: a segment that stands nowhere would be a loss.
		if err := errors.Join(db.fsys.SyncDir(historyPath), db.fsys.SyncDir(logPath)); err != nil {
			return err
		}
		if p := &db.w.mark.pos; p.segment < firsts[moved] {
			p.segment, p.offset = firsts[moved], 0
		}
	}
	db.w.tailSize = 0
	for _, first := range firsts[moved:] {
		info, err := db.fsys.Stat(filepath.Join(logPath, segmentName(first)))
		if err != nil {
			return err
		}
		db.w.tailSize += info.Size()
	}
	if man.folded.rev >= db.w.mark.pos.rev {
		db.w.tailSize = 0
	}
	db.foldDue.Store(db.w.tailSize > db.opts.sizes.fold)
	return db.prune(historyPath, man.historyFrom)
}

// prune removes the segments of history/ that hold only records before from.
func (db *DB) prune(historyPath string, from Rev) error {
	history, _, err := listSegments(db.fsys, historyPath)
	if err != nil {
		return err
	}
	log, _, err := listSegments(db.fsys, filepath.Join(db.dir, logDir))
	if err != nil {
		return err
	}
	all := append(history, log...)
	for i := 0; i < len(history) && i+1 < len(all) && all[i+1] <= from; i++ {
		if err := db.fsys.Remove(filepath.Join(historyPath, segmentName(history[i]))); err != nil {
			return err
		}
	}
	return nil
}

// fold makes a table of the tail. It does nothing if there is no tail.
func (db *DB) fold(ctx context.Context) error {
	b, _, err := db.reload()
	if err != nil {
		return err
	}
	defer b.release()
	db.mu.Lock()
	end := db.end
	db.mu.Unlock()
	from := b.man.folded
	if end.rev <= from.rev {
		return nil
	}
	t, err := db.readFold(ctx, from.rev, end.rev)
	if err != nil {
		return err
	}
	cut, err := db.oldHistory(ctx, b, b.man.historyBytes+t.bytes)
	if errors.Is(err, ErrDamaged) {
		// A damaged segment of history/ is no reason to let the tail grow:
		// nothing is forgotten until it is repaired.
		cut = historyCut{}
	} else if err != nil {
		return err
	}
	var line tableLine
	if len(t.versions) > 0 {
		info, w, err := db.writeFold(ctx, t.versions)
		defer discardTable(db.fsys, w)
		if err != nil {
			return err
		}
		line = lineOf(&info, 0)
		err = db.swap(ctx, func(next *manifest) error {
			if err := next.fold(from, end, t, &line); err != nil {
				return err
			}
			next.forget(b.man, cut)
			if err := db.settleLog(); err != nil {
				return err
			}
			return db.adopt(w)
		})
		return err
	}
	return db.swap(ctx, func(next *manifest) error {
		if err := next.fold(from, end, t, nil); err != nil {
			return err
		}
		next.forget(b.man, cut)
		return db.settleLog()
	})
}

// settleLog makes the log durable before a MANIFEST is that says how far it
// reaches: else a loss of power could leave less of it than that, which looks
// like damage. With sync "always" it is durable already.
func (db *DB) settleLog() error {
	if db.w.walSync {
		return nil
	}
	return db.syncLog()
}

// errOvertaken says that MANIFEST changed under a fold or merge, by compact or
// by a process whose lock on the folder this one did not see. Nothing is lost.
var errOvertaken = fmt.Errorf("overtaken by another process: %w", ErrBusy)

// fold puts a folded tail into the manifest.
func (m *manifest) fold(from, end position, t *foldedTail, line *tableLine) error {
	if m.folded.rev != from.rev {
		return errOvertaken
	}
	m.folded = position{rev: end.rev, sum: end.sum, anySum: end.anySum, stamp: end.stamp}
	m.historyBytes += t.bytes
	for _, in := range t.ingests {
		in.run = m.nextRun()
		m.tables = append(m.tables, in)
	}
	if line != nil {
		line.run = m.nextRun()
		m.tables = append(m.tables, *line)
	}
	return nil
}

// A foldedTail is what a fold reads of the log.
type foldedTail struct {
	versions []version
	ingests  []tableLine
	bytes    int64 // of the records, and of the tables they ingest
}

func (db *DB) readFold(ctx context.Context, after, to Rev) (*foldedTail, error) {
	t := new(foldedTail)
	err := db.records(ctx, after+1, to, func(r *record) error {
		t.bytes += frameSize(r.size)
		var inner error
		err := r.each(func(o *operation) bool {
			if o.op != OpIngest {
				t.versions = append(t.versions, copyVersion(versionOf(r, o)))
				return true
			}
			t.bytes += o.table.size
			var line tableLine
			line, inner = db.ingestLine(r, o.table)
			t.ingests = append(t.ingests, line)
			return inner == nil
		})
		if inner != nil {
			return inner
		}
		if err != nil {
			return corruptRecord(r, err)
		}
		return nil
	})
	sortVersions(t.versions)
	return t, err
}

// ingestLine is the line in MANIFEST for a table that a record ingested.
func (db *DB) ingestLine(r *record, ref tableRef) (tableLine, error) {
	as := assigned{rev: r.rev, stamp: r.stamp, origin: r.origin}
	t, err := db.cache.open(ref, as)
	if err != nil {
		return tableLine{}, err
	}
	defer t.release()
	info := t.info()
	line := lineOf(&info, 0)
	line.as, line.minRev, line.maxRev = as, r.rev, r.rev
	return line, nil
}

func (db *DB) writeFold(ctx context.Context, versions []version) (info tableInfo, w *tableWriter, err error) {
	if w, err = db.newTable(kindFold); err != nil {
		return info, nil, err
	}
	for i := range versions {
		if i%contextEvery == 0 && ctx.Err() != nil {
			return info, w, ctx.Err()
		}
		if err := w.add(&versions[i]); err != nil {
			return info, w, err
		}
	}
	info, err = w.finish()
	return info, w, err
}

// removeOrphans removes tables that nothing names any more, and what dead
// processes left. Called under the lock, when the manifest is durable. Readers
// that have such a table open keep it; others find the next MANIFEST.
func (db *DB) removeOrphans() error {
	live := make(map[string]bool)
	for i := range db.w.man.tables {
		live[filepath.Base(tableName(db.w.man.tables[i].ref.id))] = true
	}
	err := db.records(context.Background(), db.w.man.folded.rev+1, db.w.mark.pos.rev, func(r *record) error {
		return r.each(func(o *operation) bool {
			if o.op == OpIngest {
				live[filepath.Base(tableName(o.table.id))] = true
			}
			return true
		})
	})
	if err != nil {
		return err
	}
	dir := filepath.Join(db.dir, tablesDir)
	entries, err := db.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(dir, name)
		orphan := strings.HasSuffix(name, tableSuffix) && !live[name] ||
			strings.HasSuffix(name, ".tmp") && db.abandoned(path)
		if !orphan {
			continue
		}
		if err := db.fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// abandoned reports whether the process that was writing a temporary file is
// gone.
func (db *DB) abandoned(path string) bool {
	f, err := db.fsys.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	ok, err := f.Lock()
	return ok && err == nil
}
