package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// A snapshot is one table file of kind snapshot: every key of every family
// that was visible at one revision, with its revision, stamp, origin and
// expiry, and nothing else. So it is read by the same code as a database, and
// each of its bytes is under a checksum.

// SnapshotInfo describes a snapshot file.
type SnapshotInfo struct {
	Path     string    `json:"path"`
	Database string    `json:"database"` // id of the database it was made of, in hex
	Rev      Rev       `json:"rev"`      // it holds the state at this revision
	Stamp    Stamp     `json:"stamp"`    // of that revision; 0 if nothing was committed
	Created  time.Time `json:"created"`  // when it was made
	Keys     int64     `json:"keys"`
	Bytes    int64     `json:"bytes"` // of keys, family names and values, uncompressed
	Size     int64     `json:"size"`  // of the file
}

// errNoSnapshot is for a file that is neither whole nor damaged of what a
// database could be opened on.
var errNoSnapshot = errors.New("not a database or snapshot")

// maxFaults is how many faults of one file an error names.
const maxFaults = 10

func snapshotInfo(path string, i *tableInfo) SnapshotInfo {
	return SnapshotInfo{
		Path: path, Database: hex.EncodeToString(i.database[:]), Rev: i.snapshotRev, Stamp: i.snapshotStamp,
		Created: time.UnixMilli(i.created).UTC(),
		Keys:    int64(i.entries), Bytes: int64(i.keyBytes - i.keys + i.valueBytes), Size: i.size,
	}
}

// Snapshot writes the newest state to a new file, which appears under its name
// only when it is whole, on the disk, read back and verified. It takes no
// lock: others write meanwhile. It returns ErrExists if something has that
// name already, and ErrDamaged if what it would save, or any record of the log
// that is kept, is damaged.
//
// The file holds what View reads at that revision, named by its number: what
// expired after the commit, but before the snapshot was made, is in it. So the
// two read the same, at the revision as well as at the newest state of each,
// whenever they are compared.
func (db *DB) Snapshot(ctx context.Context, path string) (SnapshotInfo, error) {
	return db.SnapshotAt(ctx, path, Newest)
}

// SnapshotAt writes the state of a revision to a new file, as Snapshot does. It
// returns ErrHistoryGone or ErrNotYet as View does.
func (db *DB) SnapshotAt(ctx context.Context, path string, at Rev) (info SnapshotInfo, err error) {
	err = db.saving(ctx, "snapshot", path, func(core *txCore) error {
		created, newest := core.now.UnixMilli(), core.rev
		if at == Newest {
			// An earlier state is a way out of damage: it needs only itself to be whole.
			if err := db.soundLog(ctx, core.base, newest); err != nil {
				return err
			}
			at = newest
		}
		if err := db.viewPast(core, at); err != nil {
			return err
		}
		stamp, err := db.stampOf(core.base, at)
		if err != nil {
			return err
		}
		if at != newest {
			created = stamp.Time().UnixMilli() // when it was the newest
		}
		o := tableOptions{
			id: rand.Uint64(), database: db.ident.id, kind: kindSnapshot, created: created,
			compress: true, snapshotRev: core.rev, snapshotStamp: stamp, historyFrom: core.rev,
		}
		fill := func(w *tableWriter) error { return core.copyVisible(ctx, w) }
		return saveTable(db.fsys, path, o, fill, func(temp string) (err error) {
			info, err = VerifySnapshot(ctx, db.fsys, temp)
			return err
		})
	})
	info.Path = path
	return info, err
}

// copyVisible adds everything that the transaction sees, of all families.
func (c *txCore) copyVisible(ctx context.Context, w *tableWriter) error {
	tx := &dbTx{txCore: c}
	left, n := math.MaxInt, 0
	var inner error
	step := withStep(ctx, Progress{Doing: "write", Total: c.base.man.tableEntries()})
	_, err := tx.walkOnce(step, &iterOptions{}, &left, visitor{one: func(v *version) bool {
		if n++; n%contextEvery == 0 {
			progressed(step, contextEvery)
		}
		inner = w.add(v)
		return inner == nil
	}})
	return errors.Join(inner, err)
}

// soundLog reads every record that is kept up to a revision, so that no
// snapshot, however good in itself, is taken of a database that is damaged: who
// looks at nothing but the exit codes of his backups is to learn of it there.
func (db *DB) soundLog(ctx context.Context, b *base, to Rev) error {
	if db.isSnapshot() {
		return nil
	}
	err := db.records(ctx, b.man.historyFrom, to, func(*record) error { return nil })
	if errors.Is(err, ErrHistoryGone) {
		return nil // forgotten by a writer meanwhile
	}
	return err
}

// openSnapshot opens a snapshot file. A file that is none is errNoSnapshot,
// unless one of its ends shows that it once was.
func openSnapshot(fsys FS, path string) (*table, error) {
	name := filepath.Base(path)
	if is, err := looksLikeTable(fsys, path); err != nil {
		return nil, err
	} else if !is {
		return nil, fmt.Errorf("%s: %w", name, errNoSnapshot)
	}
	t, err := openTable(fsys, followed(path), name, assigned{})
	if err != nil {
		return nil, err
	}
	i := t.info()
	switch {
	case i.kind != kindSnapshot:
		err = fmt.Errorf("%s: one table of a database: %w", name, errNoSnapshot)
	case i.keys != i.entries, i.deletes != 0, i.maxRev > i.snapshotRev, i.maxStamp > i.snapshotStamp:
		err = t.corrupt(t.propOff, "its entries are not those of one revision")
	}
	if err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

// followed is where the symbolic links of a path lead. The user may name a
// snapshot by one; within a database none is followed.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path // not of this file system, or not there: opening it will tell
}

// looksLikeTable reports whether a file begins or ends as a table does.
func looksLikeTable(fsys FS, path string) (bool, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	var b [8]byte
	for _, end := range []struct {
		offset int64
		magic  string
	}{{0, tableMagic}, {info.Size() - int64(len(footMagic)), footMagic}} {
		if end.offset < 0 {
			continue
		}
		if _, err := f.ReadAt(b[:], end.offset); err != nil && !isEOF(err) {
			return false, err
		}
		if string(b[:]) == end.magic {
			return true, nil
		}
	}
	return false, nil
}

// identifySnapshot opens the snapshot file that the DB was opened on.
func (db *DB) identifySnapshot() error {
	t, err := openSnapshot(db.fsys, db.dir)
	if err != nil {
		return err
	}
	i := t.info()
	db.snap = t
	db.ident = identity{id: i.database, created: time.UnixMilli(i.created).UTC()}
	db.exists.Store(true)
	return nil
}

// isSnapshot reports whether the DB was opened on a snapshot file. It may be
// asked once exists is set.
func (db *DB) isSnapshot() bool { return db.snap != nil }

// refreshSnapshot makes the one state there is. Called with mu held.
func (db *DB) refreshSnapshot() error {
	if db.base != nil {
		return nil
	}
	man := snapshotManifest(&db.snap.inf)
	db.snap.retain()
	only := &lazyTable{line: man.tables[0]}
	only.t.Store(db.snap)
	b := &base{
		man: man, tail: &tail{loaded: true, cache: &db.cache}, cache: &db.cache,
		runs: []*run{{id: 1, maxRev: db.snap.inf.snapshotRev, tables: []*lazyTable{only}}},
	}
	b.refs.Store(1)
	db.setBase(b, man.folded)
	return nil
}

// snapshotManifest is the manifest of a database whose only table is a
// snapshot, and whose history begins behind it.
func snapshotManifest(i *tableInfo) *manifest {
	return &manifest{
		database: i.database, generation: 1,
		folded:       position{rev: i.snapshotRev, anySum: true, stamp: i.snapshotStamp},
		historyFrom:  i.snapshotRev + 1,
		historyStamp: i.snapshotStamp,
		tables:       []tableLine{lineOf(i, 1)},
	}
}

// SnapshotInfoOf describes a snapshot file. It reads and verifies the two ends
// of the file only. fsys nil is OS.
func SnapshotInfoOf(fsys FS, path string) (SnapshotInfo, error) {
	t, err := openSnapshot(orOS(fsys), path)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer t.release()
	return snapshotInfo(path, &t.inf), nil
}

func orOS(fsys FS) FS {
	if fsys == nil {
		return OS
	}
	return fsys
}

// VerifySnapshot reads every byte of a snapshot file. What is wrong with it is
// ErrDamaged: up to ten *CorruptError joined. fsys nil is OS.
func VerifySnapshot(ctx context.Context, fsys FS, path string) (SnapshotInfo, error) {
	t, err := openSnapshot(orOS(fsys), path)
	if err != nil {
		return SnapshotInfo{}, err
	}
	defer t.release()
	return snapshotInfo(path, &t.inf), t.verifyAll(ctx)
}

// verifyAll is verify, with the faults joined.
func (t *table) verifyAll(ctx context.Context) error {
	var faults []error
	ctx = withStep(ctx, Progress{Doing: "verify", Total: t.inf.size, Bytes: true})
	t.verify(ctx, func(err error) {
		if len(faults) < maxFaults {
			faults = append(faults, err)
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(faults...)
}

// Restore makes a database of a snapshot in the directory target: the same
// database in a new copy, whose log begins behind the snapshot's revision. It
// verifies every byte of the snapshot first. It returns ErrExists if anything
// is at the target but an empty directory or what a crash left of an earlier
// Restore. FORMAT comes last, so a crash leaves nothing that opens.
func Restore(ctx context.Context, snapshot, target string, o Options) (info SnapshotInfo, err error) {
	o.FS = orOS(o.FS)
	t, err := openSnapshot(o.FS, snapshot)
	if err != nil {
		return info, fmt.Errorf("restore %s: %w", snapshot, err)
	}
	defer t.release()
	if err := t.verifyAll(ctx); err != nil {
		return info, fmt.Errorf("restore %s: %w", snapshot, err)
	}
	if err := restore(ctx, t, snapshot, target, &o); err != nil {
		return info, fmt.Errorf("restore %s to %s: %w", snapshot, target, err)
	}
	return snapshotInfo(snapshot, &t.inf), nil
}

// restoreMark stands in FORMAT.new from the first to the last moment of a
// restore, when FORMAT takes its place by rename. So a directory with
// FORMAT.new and without FORMAT never was a database: it may be made anew.
const restoreMark = "kvsh restore, not finished\n"

func restore(ctx context.Context, t *table, snapshot, target string, o *Options) error {
	fsys := o.FS
	if err := restorable(fsys, target); err != nil {
		return err
	}
	if err := makeFolder(fsys, target); err != nil {
		return err
	}
	lock, err := fsys.OpenFile(filepath.Join(target, lockFile), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := acquire(ctx, lock, o.wait(), "restore"); err != nil {
		return err
	}
	if err := restorable(fsys, target); err != nil { // somebody else may have been first
		return err
	}
	if err := writeNew(fsys, filepath.Join(target, formatFile+".new"), []byte(restoreMark)); err != nil {
		return err
	}
	if err := fsys.SyncDir(target); err != nil {
		return err
	}
	if err := clearRestore(fsys, target); err != nil {
		return err
	}
	if err := copyTable(ctx, fsys, t, snapshot, target); err != nil {
		return err
	}
	id := newIdentity(o.now())
	id.id = t.inf.database
	return layOut(fsys, target, id, snapshotManifest(&t.inf), o.bootID())
}

// restorable returns ErrExists unless a restore may be made at target.
func restorable(fsys FS, target string) error {
	info, err := fsys.Stat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return ErrExists
	}
	if err := checkPlain(fsys, target); err != nil {
		return err
	}
	entries, err := fsys.ReadDir(target)
	if err != nil {
		return err
	}
	begun, empty := false, true
	for _, e := range entries {
		switch name := e.Name(); {
		case name == formatFile || !ownName(name):
			return ErrExists
		case name == formatFile+".new":
			begun = true
		case name != lockFile:
			empty = false
		}
	}
	if begun || empty {
		return nil
	}
	return ErrExists
}

// clearRestore removes what an earlier restore left, which was never part of a
// database.
func clearRestore(fsys FS, target string) error {
	for _, dir := range []string{tablesDir, logDir, historyDir} {
		dir = filepath.Join(target, dir)
		entries, err := fsys.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := fsys.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeNew writes a file in place and makes its content durable.
func writeNew(fsys FS, path string, content []byte) error {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|noFollow, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// copyTable copies the file of an open table into tables/ of a database,
// durably, and compares the two.
func copyTable(ctx context.Context, fsys FS, t *table, from, target string) error {
	dir := filepath.Join(target, tablesDir)
	if err := fsys.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	in, err := fsys.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	path := filepath.Join(target, filepath.FromSlash(tableName(t.inf.id)))
	out, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	buf, back := make([]byte, 1<<20), make([]byte, 1<<20)
	ctx = withStep(ctx, Progress{Doing: "copy", Total: t.inf.size, Bytes: true})
	for offset := int64(0); offset < t.inf.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), t.inf.size-offset)]
		if n, err := in.ReadAt(b, offset); n < len(b) {
			return err
		}
		if _, err := out.WriteAt(b, offset); err != nil {
			return err
		}
		if n, err := out.ReadAt(back[:len(b)], offset); n < len(b) {
			return err
		}
		// What was verified is what t has mapped; the file could be another by now.
		if !bytes.Equal(back[:len(b)], t.data[offset:offset+int64(len(b))]) {
			return &CorruptError{File: filepath.Base(path), Offset: offset, Reason: "the copy differs from the snapshot that was verified"}
		}
		offset += int64(len(b))
		progressed(ctx, int64(len(b)))
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
