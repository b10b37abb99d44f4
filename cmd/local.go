package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kvsh/engine"
)

// memoryName is the database that lives in memory and ends with the process.
const memoryName = "mem:"

// errInMemory is for what only a database in files has.
var errInMemory = fmt.Errorf("a database in memory has no files: %w", engine.ErrUnsupported)

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
	return openDirectory(ctx, key, true, notice)
}

// What the commands that look after a database ask of it, beyond
// engine.Store. A store that has none of it, like one in memory, answers
// engine.ErrUnsupported.
type (
	informer interface {
		Info(ctx context.Context) (engine.Info, error)
	}
	snapshotter interface {
		ID() string
		Snapshot(ctx context.Context, path string) (engine.SnapshotInfo, error)
		Increment(ctx context.Context, path string, after engine.Rev, stamp engine.Stamp) (engine.IncrementInfo, error)
	}
	compacter interface {
		Compact(ctx context.Context, o engine.CompactOptions) (engine.CompactResult, error)
	}
	configurer interface {
		Settings(ctx context.Context) ([]engine.Setting, error)
		SetSetting(ctx context.Context, name, value string) error
	}
)

// maintain opens the database for a command that looks after it in the way T.
func maintain[T any](ctx context.Context, s *Session) (T, error) {
	// There must be a database: none is made to be looked after.
	store, err := s.open(ctx, toRead)
	if err != nil {
		return *new(T), err
	}
	m, ok := store.(T)
	if !ok {
		return m, errInMemory
	}
	return m, nil
}

// openDirectory opens the database in a directory.
func openDirectory(ctx context.Context, key openKey, create bool, notice func(string)) (engine.Store, error) {
	wait := key.wait
	if wait == 0 {
		wait = -1 // the engine's word for not at all
	}
	db, err := engine.Open(ctx, key.path, engine.Options{
		ReadOnly: key.readOnly, Create: create, Wait: wait, Notice: notice, Writer: key.writer,
	})
	if err != nil {
		return nil, ofFile(key.path, err) // and not a nil *engine.DB within the interface
	}
	return db, nil
}

// makeParents makes the folders above the default database. Those above one
// that was named must be there: a mistyped path is to be an error.
func (s *Session) makeParents() error {
	if s.set.DB != "" || s.Getenv("KVSH_DB") != "" {
		return nil
	}
	return os.MkdirAll(filepath.Dir(s.path()), 0o700)
}

// onDisk refuses what only files have of a database in memory, and reports
// one that is not there.
func onDisk(path string) error {
	if isMemory(path) {
		return errInMemory
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return &missingError{path}
	}
	return nil
}
