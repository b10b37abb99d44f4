package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// What snapshots and increments have in common: a table that is saved outside
// of the database.

// saving runs f on the newest state, all of whose tables are open, to save a
// file under a name that nothing has yet. what stands before its errors.
func (db *DB) saving(ctx context.Context, what, path string, f func(core *txCore) error) error {
	done, err := db.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	core := &txCore{db: db, now: db.opts.now(), readonly: true}
	defer core.end()
	switch _, statErr := db.fsys.Stat(path); {
	case statErr == nil:
		err = ErrExists
	case !errors.Is(statErr, fs.ErrNotExist):
		err = statErr
	default:
		err = core.openAll()
	}
	if err == nil && !db.exists.Load() {
		err = ErrNoDatabase
	}
	if err == nil {
		err = f(core)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, path, err)
	}
	return nil
}

// saveTable writes a table to a new file, which appears under its name only
// when it is whole, on the disk, read back and verified. It returns ErrExists if
// something has that name meanwhile.
func saveTable(fsys FS, path string, o tableOptions, fill func(*tableWriter) error, verify func(path string) error) error {
	w, err := newTableWriter(fsys, fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32()), o)
	if err != nil {
		return err
	}
	defer discardTable(fsys, w)
	if err := fill(w); err != nil {
		return err
	}
	if _, err := w.finish(); err != nil {
		return err
	}
	if err := verify(w.path); err != nil {
		return err
	}
	return moveNew(fsys, w.path, path)
}

// discardTable removes the file of a table, if it was not moved away, and gives
// up its lock. w may be nil.
func discardTable(fsys FS, w *tableWriter) {
	if w == nil {
		return
	}
	if w.finished {
		_ = fsys.Remove(w.path)
	}
	w.abort()
}

// openAll pins the state of the transaction with all its tables, so that none
// can vanish however long reading takes.
func (c *txCore) openAll() error {
	for range 5 {
		b, err := c.state()
		if err != nil {
			return err
		}
		if err = b.openAll(); err != errVanished {
			return err
		}
		if err := c.again(err); err != nil {
			return err
		}
	}
	return errUnsettled
}

func (b *base) openAll() error {
	for _, r := range b.runs {
		for _, l := range r.tables {
			if _, err := l.open(); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveNew renames a file to a name that nothing has, durably. Rename alone
// would replace what another process put there meanwhile, so the name is
// taken first, by an empty file. A crash in between leaves that.
func moveNew(fsys FS, from, to string) error {
	f, err := fsys.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	if err = f.Close(); err == nil {
		err = fsys.Rename(from, to)
	}
	if err != nil {
		_ = fsys.Remove(to)
		return err
	}
	return fsys.SyncDir(filepath.Dir(to))
}
