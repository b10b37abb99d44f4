package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"time"
)

// Info describes a database. All sizes are bytes of files.
type Info struct {
	Path         string    `json:"path"`
	Snapshot     bool      `json:"snapshot"`              // the path is a snapshot file
	Database     string    `json:"database"`              // id in hex, the same in all copies
	Copy         string    `json:"copy,omitempty"`        // which copy this is, in hex; empty for a snapshot
	Created      time.Time `json:"created"`               // this copy, or the snapshot
	Format       int       `json:"format"`                // version
	Rev          Rev       `json:"rev"`                   // newest revision
	Stamp        Stamp     `json:"stamp"`                 // of it
	Time         time.Time `json:"time,omitzero"`         // of it; zero if nothing was ever committed
	Folded       Rev       `json:"folded"`                // the tables hold everything up to this revision
	HistoryFrom  Rev       `json:"history_from"`          // first revision whose changes are kept
	HistoryTime  time.Time `json:"history_time,omitzero"` // the state of the database can be read from here on; zero: from the start
	Keys         int64     `json:"keys"`                  // live, of all families
	KeyBytes     int64     `json:"key_bytes"`             // of the live keys
	ValueBytes   int64     `json:"value_bytes"`           // of their values
	Tables       int64     `json:"tables"`
	TableBytes   int64     `json:"table_bytes"`
	Runs         int64     `json:"runs"`
	Merging      bool      `json:"merging"` // a merge of runs is under way
	Log          FileCount `json:"log"`     // segments of log/
	History      FileCount `json:"history"` // segments of history/
	Quarantine   FileCount `json:"quarantine"`
	Sync         string    `json:"sync"`                   // the setting
	MarkCurrent  bool      `json:"mark_current"`           // MARK was written since the machine started
	LastPid      int       `json:"last_pid,omitempty"`     // who took the lock last; 0: not known
	LastCommand  string    `json:"last_command,omitempty"` // what that process is called as
	LastLockedAt time.Time `json:"last_locked_at,omitzero"`
}

// A FileCount is the number of files in a folder and their bytes.
type FileCount struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// ID is the id of the database in hex, the same in all copies; empty while
// there is none.
func (db *DB) ID() string {
	if !db.exists.Load() {
		return ""
	}
	return hex.EncodeToString(db.ident.id[:])
}

// Info describes the database as it is now. Counting the keys costs a scan of
// them. It takes no lock.
func (db *DB) Info(ctx context.Context) (Info, error) {
	info := Info{Path: db.dir, Format: formatVersion}
	done, err := db.use(ctx)
	if err != nil {
		return info, err
	}
	defer done()
	core := &txCore{db: db, now: db.opts.now(), readonly: true}
	defer core.end()
	if err := core.openAll(); err != nil {
		return info, fmt.Errorf("info: %w", err)
	}
	if !db.exists.Load() {
		return info, fmt.Errorf("info: %w", ErrNoDatabase)
	}
	info.identity(db)
	info.Rev = core.rev
	man := core.base.man
	info.Folded, info.HistoryFrom = man.folded.rev, man.historyFrom
	if man.historyStamp != 0 {
		info.HistoryTime = man.historyStamp.Time().UTC()
	}
	info.Sync, info.Merging = man.setting("sync", syncAlways), man.merge != nil
	info.Tables, info.Runs = int64(len(man.tables)), int64(len(core.base.runs))
	for i := range man.tables {
		info.TableBytes += man.tables[i].ref.size
	}
	if info.Stamp, err = db.stampOf(core.base, core.rev); err != nil {
		return info, fmt.Errorf("info: %w", err)
	}
	if info.Stamp != 0 {
		info.Time = info.Stamp.Time().UTC()
	}
	left := math.MaxInt
	_, err = (&dbTx{txCore: core}).walkOnce(ctx, &iterOptions{keysOnly: true}, &left, visitor{one: func(v *version) bool {
		info.Keys++
		info.KeyBytes += int64(len(userKey(v.key)))
		info.ValueBytes += int64(v.size)
		return true
	}, many: func(it *tableIter, i, n int) bool {
		keys, values := it.run.sizes(i, n)
		info.Keys += int64(n)
		info.KeyBytes += keys
		info.ValueBytes += values
		return true
	}})
	if err == nil && !info.Snapshot {
		err = info.files(db)
	}
	if err != nil {
		return info, fmt.Errorf("info: %w", err)
	}
	return info, nil
}

func (i *Info) identity(db *DB) {
	i.Database, i.Created, i.Snapshot = hex.EncodeToString(db.ident.id[:]), db.ident.created, db.isSnapshot()
	if !i.Snapshot {
		i.Copy = fmt.Sprintf("%016x", db.ident.copy)
	}
}

// files looks at the files of a directory.
func (i *Info) files(db *DB) (err error) {
	for _, of := range []struct {
		dir   string
		count *FileCount
	}{{logDir, &i.Log}, {historyDir, &i.History}, {quarantineDir, &i.Quarantine}} {
		if *of.count, err = countFiles(db.fsys, filepath.Join(db.dir, of.dir)); err != nil {
			return err
		}
	}
	db.mu.Lock()
	mk, _, err := db.fingerprint()
	db.mu.Unlock()
	if err != nil {
		return err
	}
	i.MarkCurrent = mk != nil
	f, err := db.fsys.Open(filepath.Join(db.dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	holder := readHolder(f)
	i.LastPid, i.LastCommand, i.LastLockedAt = holder.Pid, holder.Command, holder.Since
	return nil
}

func countFiles(fsys FS, dir string) (n FileCount, err error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n.Files++
			n.Bytes += info.Size()
		}
	}
	return n, err
}

// A Setting is one setting of a database.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Source  string `json:"source"` // "default", or "database" if it was set there
}

// A settingKind is what is known of a setting.
type settingKind struct {
	name, def string
	check     func(value string) error
}

const settingSync = "sync"

var settingKinds = []settingKind{
	{settingSync, syncAlways, func(value string) error {
		switch value {
		case syncAlways, syncInterval, syncNever:
			return nil
		}
		return fmt.Errorf("%q is none of %s, %s, %s: %w", value, syncAlways, syncInterval, syncNever, ErrInvalid)
	}},
	{settingKeep, "7d", func(value string) error {
		_, err := parseKeep(value)
		return err
	}},
	limitKind(settingMaxKey, MaxKeySize, strconv.Itoa(MaxKeySize)),
	limitKind(settingMaxValue, MaxValueSize, "32MiB"),
	limitKind(settingMaxTx, MaxTxSize, "64MiB"),
}

// Settings returns all settings of the database, those that were never set
// with their default.
func (db *DB) Settings(ctx context.Context) ([]Setting, error) {
	done, err := db.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	b, _, err := db.pin()
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	defer b.release()
	var settings []Setting
	for _, k := range settingKinds {
		s := Setting{Name: k.name, Value: k.def, Default: k.def, Source: "default"}
		for _, set := range b.man.settings {
			if set.name == k.name {
				s.Value, s.Source = set.value, "database"
			}
		}
		settings = append(settings, s)
	}
	return settings, nil
}

// SetSetting changes a setting of the database, durably and for every process
// that uses it from its next commit on. The default value removes it. It
// returns ErrInvalid for a name or value that is none. With "sync" set to
// "always" everything committed before is made durable first.
func (db *DB) SetSetting(ctx context.Context, name, value string) error {
	if err := db.setSetting(ctx, name, value); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

func (db *DB) setSetting(ctx context.Context, name, value string) error {
	done, err := db.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := db.canWrite(); err != nil {
		return err
	}
	known := false
	for _, k := range settingKinds {
		if k.name != name {
			continue
		}
		known = true
		if err := k.check(value); err != nil {
			return err
		}
		if value == k.def {
			value = ""
		}
	}
	if !known {
		return fmt.Errorf("no such setting: %w", ErrInvalid)
	}
	if !db.exists.Load() {
		if err := db.create(ctx); err != nil {
			return err
		}
	}
	return db.swap(ctx, func(next *manifest) error {
		next.set(name, value)
		if name != settingSync {
			return nil
		}
		// The log is opened anew by the next commit, with the new setting.
		db.w.drop()
		return db.syncLog()
	})
}

// set changes a setting; an empty value removes it.
func (m *manifest) set(name, value string) {
	kept := m.settings[:0]
	for _, s := range m.settings {
		if s.name != name {
			kept = append(kept, s)
		}
	}
	if value != "" {
		kept = append(kept, setting{name, value})
	}
	m.settings = kept
}

// syncLog makes every record of the log durable, whoever wrote it, and notes
// that for MARK. Called under the lock.
func (db *DB) syncLog() error {
	logPath := filepath.Join(db.dir, logDir)
	firsts, _, err := listSegments(db.fsys, logPath)
	if err != nil {
		return err
	}
	for _, first := range firsts {
		if err := syncFile(db.fsys, filepath.Join(logPath, segmentName(first))); err != nil {
			return err
		}
	}
	if err := syncLogDir(db.fsys, db.dir); err != nil {
		return err
	}
	db.w.unsynced = false
	db.w.mark.durable, db.w.mark.syncedAt = db.w.mark.pos.rev, db.opts.now().UnixMilli()
	return nil
}
