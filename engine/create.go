package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// locksDir holds files that programs around the engine lock for purposes of
// their own. The engine does not look into it.
const locksDir = "locks"

// ownName reports whether a name at the top of a directory is one that a
// database has.
func ownName(name string) bool {
	switch name {
	case formatFile, lockFile, markFile, manifestFile, logDir, historyDir, tablesDir, quarantineDir,
		locksDir, formatFile + ".new", manifestFile + ".new", repairLog, repairTemp:
		return true
	}
	return false
}

// Create makes an empty database in the directory path. The directory may be
// there if it is empty or holds what a crash left of an earlier Create. It
// returns ErrExists if there is a database or anything else.
func Create(ctx context.Context, path string, o Options) error {
	o.Create, o.ReadOnly = true, false
	db, err := Open(ctx, path, o)
	if err != nil {
		return err
	}
	defer db.Close()
	if db.exists.Load() {
		return fmt.Errorf("create %s: %w", path, ErrExists)
	}
	return db.create(ctx)
}

// create makes the database: FORMAT last, so that a crash leaves none that
// opens. If another process makes it meanwhile, that is the one.
func (db *DB) create(ctx context.Context) error {
	if err := db.canCreate(); err != nil {
		return err
	}
	if err := makeFolder(db.fsys, db.dir); err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	lock, err := db.fsys.OpenFile(filepath.Join(db.dir, lockFile), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	defer lock.Close()
	if err := acquire(ctx, lock, db.opts.wait(), db.opts.Writer); err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	identify := func() error {
		db.mu.Lock()
		defer db.mu.Unlock()
		return db.identify()
	}
	err = identify()
	if errors.Is(err, ErrNoDatabase) {
		id := newIdentity(db.opts.now())
		man := &manifest{database: id.id, generation: 1, historyFrom: 1}
		if err = layOut(db.fsys, db.dir, id, man, db.boot); err == nil {
			db.opts.notice("created " + db.dir)
		}
		if err == nil {
			err = identify()
		}
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	return nil
}

// makeFolder makes the folder of a database, if it is not there, and its name
// durable, in any case before FORMAT says that there is a database: whoever made
// it may have been killed before it was.
func makeFolder(fsys FS, dir string) error {
	err := fsys.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	made := err == nil
	err = fsys.SyncDir(filepath.Dir(dir))
	if !made && errors.Is(err, fs.ErrPermission) {
		return nil // nor is it ours to make durable
	}
	return err
}

// layOut writes the files of a new database whose state is that of man, and
// makes them durable. Its log begins behind man.folded.
func layOut(fsys FS, dir string, id identity, man *manifest, boot bootID) error {
	for _, sub := range []string{logDir, historyDir, tablesDir, quarantineDir} {
		if err := fsys.Mkdir(filepath.Join(dir, sub), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	first := man.folded.rev + 1
	f, err := fsys.OpenFile(filepath.Join(dir, logDir, segmentName(first)), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	m := mark{copy: id.copy, boot: boot, pos: man.folded, durable: man.folded.rev, generation: man.generation}
	m.pos.segment = first
	var mf File
	if err := writeMark(fsys, dir, &mf, &m); err != nil {
		return err
	}
	if err := errors.Join(mf.Sync(), mf.Close()); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Join(dir, logDir)); err != nil {
		return err
	}
	if err := replaceFile(fsys, filepath.Join(dir, manifestFile), man.encode()); err != nil {
		return err
	}
	// Not replaceFile: where this fails FORMAT.new stays, for it says that what
	// is here never was a database, and may be made anew.
	path := filepath.Join(dir, formatFile)
	if err := writeNew(fsys, path+".new", id.encode()); err != nil {
		return err
	}
	if err := fsys.Rename(path+".new", path); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// findIdentity reads FORMAT. It returns ErrNoDatabase for a folder that never
// had one, and damage for one that has lost it.
func findIdentity(fsys FS, dir string) (identity, error) {
	id, err := readIdentity(fsys, dir)
	if !errors.Is(err, ErrNoDatabase) || !lostFormat(fsys, dir) {
		return id, err
	}
	// Perhaps the database was made, and written to, since the first look: a
	// record never comes before FORMAT.
	id, err = readIdentity(fsys, dir)
	if errors.Is(err, ErrNoDatabase) {
		err = &CorruptError{File: formatFile, Reason: "missing, though there is a log"}
	}
	return id, err
}

// lostFormat says of a directory without FORMAT whether it had one once: a
// database is never made over records.
func lostFormat(fsys FS, dir string) bool {
	if _, err := fsys.Stat(filepath.Join(dir, formatFile+".new")); err == nil {
		return false // being made, or being restored: it never had one
	}
	firsts, _, err := listSegments(fsys, filepath.Join(dir, logDir))
	if err != nil {
		return false
	}
	for _, first := range firsts {
		info, err := fsys.Stat(filepath.Join(dir, logDir, segmentName(first)))
		if err == nil && info.Size() > 0 {
			return true
		}
	}
	return len(firsts) > 0 && firsts[0] > 1
}
