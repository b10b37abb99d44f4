package cmd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kvsh/engine"
)

// memoryName is the database that lives in memory and ends with the process.
const memoryName = "mem:"

func isMemory(path string) bool { return path == memoryName }

// namesDatabase reports whether a first word names the database rather than a
// command.
func namesDatabase(word string) bool {
	return strings.ContainsRune(word, '/') || strings.HasSuffix(word, ".kv") || strings.HasSuffix(word, ".kvs")
}

// path is the database of the session: --db, else KVSH_DB, else the default one.
func (s *Session) path() string {
	if s.set.DB != "" {
		return s.set.DB
	}
	if p := s.Getenv("KVSH_DB"); p != "" {
		return p
	}
	data := s.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(s.Getenv("HOME"), ".local", "share")
	}
	return filepath.Join(data, "kvsh", "default.kv")
}

// openStore opens the store at a path. Without a database there, reading is a
// *missingError, while writing gets a store whose first commit creates it.
func openStore(ctx context.Context, key openKey, want access, notice func(string)) (engine.Store, error) {
	if isMemory(key.path) {
		return engine.NewMem(engine.MemOptions{}), nil
	}
	store, err := openDirectory(ctx, key, false, notice)
	if !errors.Is(err, engine.ErrNoDatabase) {
		return store, err
	}
	if want == toRead {
		return nil, &missingError{key.path}
	}
	if err := os.MkdirAll(filepath.Dir(key.path), 0o700); err != nil {
		return nil, err
	}
	return openDirectory(ctx, key, true, notice)
}

// What the commands that look after a database ask of it, beyond
// engine.Store. A store that has none of it, like one in memory, answers
// engine.ErrUnsupported.
type (
	informer interface {
		Info(ctx context.Context) (databaseInfo, error)
	}
	snapshotter interface {
		Snapshot(ctx context.Context, path string) (snapshotInfo, error)
	}
	compacter interface {
		Compact(ctx context.Context, o engine.CompactOptions) (engine.CompactResult, error)
	}
	configurer interface {
		Settings(ctx context.Context) ([]setting, error)
		SetSetting(ctx context.Context, name, value string) error
	}
)

// databaseInfo is what there is to know of a database without reading its keys.
type databaseInfo struct {
	ID          string
	Created     time.Time
	Keys        int64
	Bytes       int64 // on disk
	Rev         engine.Rev
	OldestRev   engine.Rev // where history begins
	Tables      int
	LogSegments int
	Holder      string // who holds the lock; empty: nobody
}

// snapshotInfo describes a snapshot file.
type snapshotInfo struct {
	Path  string
	Rev   engine.Rev
	Time  time.Time
	Keys  int64
	Bytes int64
}

// setting is one setting of a database and where its value comes from.
type setting struct{ Name, Value, Source string }

// fault is one place where files are not what was written.
type fault struct {
	File   string
	Offset int64
	Rev    engine.Rev
	Reason string
	Keys   []string
}

// checkReport is what check found.
type checkReport struct {
	Verdict string
	Files   int
	Bytes   int64
	Records int64
	Faults  []fault
}

// segmentInfo describes one segment of the log.
type segmentInfo struct {
	Name        string
	First, Last engine.Rev
	Records     int64
	Bytes       int64
	From, To    time.Time
	State       string
}

// maintain opens the database for a command that looks after it in the way T.
func maintain[T any](ctx context.Context, s *Session) (T, error) {
	// There must be a database: none is made to be looked after.
	store, err := s.open(ctx, toRead)
	if err != nil {
		return *new(T), err
	}
	m, ok := store.(T)
	if !ok {
		return m, unsupported(s.path())
	}
	return m, nil
}

func unsupported(path string) error { return fmt.Errorf("%s: %w", path, engine.ErrUnsupported) }

// openDirectory opens the database in a directory.
func openDirectory(ctx context.Context, key openKey, create bool, notice func(string)) (engine.Store, error) {
	wait := key.wait
	if wait == 0 {
		wait = -1 // the engine's word for not at all
	}
	db, err := engine.Open(ctx, key.path, engine.Options{
		ReadOnly: key.readOnly, Create: create, Wait: wait, Notice: notice,
	})
	if err != nil {
		return nil, err // and not a nil *engine.DB within the interface
	}
	return db, nil
}

func createDatabase(ctx context.Context, path string, notice func(string)) error {
	if isMemory(path) {
		return unsupported(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return engine.Create(ctx, path, engine.Options{Notice: notice})
}

// The functions below answer ErrUnsupported until the engine has them.

func verifySnapshot(_ context.Context, path string) (snapshotInfo, error) {
	return snapshotInfo{}, unsupported(path)
}

func restoreSnapshot(_ context.Context, _, target string) error { return unsupported(target) }

func checkDatabase(_ context.Context, path string, _ bool) (checkReport, error) {
	return checkReport{}, unsupported(path)
}

func logSegments(_ context.Context, path string) ([]segmentInfo, error) {
	return nil, unsupported(path)
}

// logRecords yields the transactions of a log from one revision to another,
// both included; 0 is the first and the last one there is.
func logRecords(_ context.Context, path string, _, _ engine.Rev) iter.Seq2[engine.Change, error] {
	return func(yield func(engine.Change, error) bool) { yield(engine.Change{}, unsupported(path)) }
}
