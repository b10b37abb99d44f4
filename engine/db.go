package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a database is opened. The zero Options open an existing one
// for reading and writing.
type Options struct {
	// ReadOnly refuses every write with ErrReadOnly. Reads never write anyway.
	ReadOnly bool

	// Create lets the first commit make the database if there is none. Until
	// then it reads as empty, and nothing is written.
	Create bool

	// Wait is how long a write waits for the lock before it returns a
	// *BusyError. Zero: 5 seconds. Negative: not at all.
	Wait time.Duration

	// Writer is noted in each record, for people who read the log; at most 255
	// bytes. Empty: the process id.
	Writer string

	// Notice is told, in one line, what was done without being asked: a torn
	// tail cut, a database created. nil: nobody is told. It may be called from
	// any goroutine that calls the DB.
	Notice func(string)

	// Now is the clock of stamps and expiry. nil: time.Now.
	Now func() time.Time

	// FS is the file system. nil: OS.
	FS FS

	sizes sizes // zero: defaultSizes; tests set smaller ones

	boot bootID // zero: the run of the machine; crash tests lose power in between

	// openAppender opens the log. nil: openAppender; tests put one in its place
	// that fails, for the library behind it does not go through FS.
	openAppender func(dir string, sync bool, segmentSize int64) (appender, error)
}

// sizes, all in bytes, are the thresholds by which files come and go. They are
// no part of the format: each writer may have its own.
type sizes struct {
	segment int64 // of a segment of the log
	fold    int64 // of the tail, when it is folded
	first   int64 // of the tail, when the first commit of a handle folds it; 0: as fold
	slice   int64 // of the table that one step of a merge writes
	load    int64 // of memory for sorting a load
	small   int64 // of a load that goes into the log itself
	keep    int64 // of history that is kept in any case
}

var defaultSizes = sizes{segment: segmentSize, fold: foldSize, first: firstFoldSize, slice: sliceSize, load: loadBudget, small: loadSmall, keep: keepBytes}

func (o *Options) notice(text string) {
	if o.Notice != nil {
		o.Notice(text)
	}
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

func (o *Options) bootID() bootID {
	if o.boot != (bootID{}) {
		return o.boot
	}
	return currentBoot()
}

const defaultWait = 5 * time.Second

func (o *Options) wait() time.Duration {
	switch {
	case o.Wait == 0:
		return defaultWait
	case o.Wait < 0:
		return 0
	}
	return o.Wait
}

// A DB is a database in a directory. See the package comment for its files,
// what is durable when, and what may run at once.
type DB struct {
	dir   string
	fsys  FS
	opts  Options
	boot  bootID
	cache tableCache

	exists atomic.Bool // false: to be created by the first commit
	ident  identity    // set before exists is
	snap   *table      // the snapshot file that the DB was opened on, set before exists is; or nil

	mu       sync.Mutex // guards all below; never held while waiting for the lock
	base     *base      // newest known; nil before the first read
	end      position   // of the newest committed record known
	seen     string     // what base and end were read by, see fingerprint
	markFile File
	live     liveMark // of markFile; mapped when a second look is taken
	closed   bool
	users    sync.WaitGroup // calls under way

	changed chan struct{} // closed and replaced at each commit of this handle

	foldDue atomic.Bool // the tail is long enough to be folded

	turn    sync.Mutex // held by the one goroutine that builds or commits a round
	waiting atomic.Int32
	round   *round // under turn
	w       writer // under turn
}

var _ Store = (*DB)(nil)

// Open opens the database in the directory path. It returns ErrNoDatabase if
// there is none and Create is not set, and reads no more than FORMAT and
// MARK: it costs the same at any size.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.FS == nil {
		o.FS = OS
	}
	if o.sizes == (sizes{}) {
		o.sizes = defaultSizes
	}
	if o.openAppender == nil {
		o.openAppender = openAppender
	}
	if len(o.Writer) > maxWriterSize {
		o.Writer = o.Writer[:maxWriterSize]
	}
	if o.Writer == "" {
		o.Writer = fmt.Sprintf("%d", os.Getpid())
	}
	db := &DB{dir: path, fsys: o.FS, opts: o, boot: o.bootID(), changed: make(chan struct{})}
	db.cache.fsys, db.cache.dir = o.FS, path
	err := db.identify()
	if errors.Is(err, ErrNoDatabase) && o.Create && !o.ReadOnly {
		return db, db.canCreate()
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// identify reads FORMAT, and opens MARK for reading, once. Called with mu held.
func (db *DB) identify() error {
	if db.exists.Load() {
		return nil
	}
	info, err := db.fsys.Stat(db.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoDatabase
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return db.identifySnapshot()
	}
	id, err := findIdentity(db.fsys, db.dir)
	if err != nil {
		return err
	}
	f, _, err := openMark(db.fsys, db.dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	db.ident, db.markFile = id, f
	db.exists.Store(true)
	return nil
}

// Close waits for calls under way and releases what the handle holds. With
// sync "interval" it makes durable what is not yet. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	close(db.changed)
	db.mu.Unlock()
	db.users.Wait()
	db.turn.Lock()
	err := db.w.close(db)
	db.turn.Unlock()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.base != nil {
		db.base.release()
		db.base = nil
	}
	if db.markFile != nil {
		db.live.close()
		err = errors.Join(err, db.markFile.Close())
	}
	db.cache.keep(func(uint64) bool { return false })
	if db.snap != nil {
		db.snap.release()
	}
	return err
}

// use registers a call. The returned function ends it.
func (db *DB) use(ctx context.Context) (func(), error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.enrol(ctx); err != nil {
		return nil, err
	}
	return db.users.Done, nil
}

// enrol registers a call. Called with mu held.
func (db *DB) enrol(ctx context.Context) error {
	if db.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	db.users.Add(1)
	return nil
}

// Capabilities says what the database can do: all there is, unless it was
// opened for reading. A snapshot file is one state, without a past or a future.
func (db *DB) Capabilities() Capabilities {
	if db.exists.Load() && db.isSnapshot() {
		return CanFamilies | CanExpire | CanPersist
	}
	c := CanReadPast | CanWatch | CanFamilies | CanExpire | CanPersist
	if !db.opts.ReadOnly {
		c |= CanWrite
	}
	return c
}

// pin returns the newest committed state, which the caller releases.
func (db *DB) pin() (*base, Rev, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.refresh(); err != nil {
		return nil, 0, err
	}
	db.base.retain()
	return db.base, db.end.rev, nil
}

// reload reads MANIFEST anew whatever is known, and returns that state.
func (db *DB) reload() (*base, Rev, error) {
	db.mu.Lock()
	db.seen = ""
	db.mu.Unlock()
	return db.pin()
}

// pinAnew is pin for a writer, who knows from the log what the newest revision
// is. If the state is another one, somebody put another MARK in the place of
// the one this handle has open.
func (db *DB) pinAnew(newest Rev) (*base, Rev, error) {
	db.mu.Lock()
	if db.markFile != nil {
		db.live.close()
		db.live = liveMark{}
		db.markFile.Close()
	}
	var err error
	db.markFile, _, err = openMark(db.fsys, db.dir, os.O_RDONLY)
	db.seen = ""
	db.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	b, rev, err := db.pin()
	if err == nil && rev != newest {
		b.release()
		return nil, 0, fmt.Errorf("%s is of revision %d, the log of %d: %w", markFile, rev, newest, ErrUnavailable)
	}
	return b, rev, err
}

// refresh brings base and end up to date with what other processes committed.
// Where nothing changed that costs a look at 100 bytes. Called with mu held.
func (db *DB) refresh() error {
	if !db.exists.Load() {
		if err := db.identify(); err != nil && !errors.Is(err, ErrNoDatabase) {
			return err
		}
		if !db.exists.Load() {
			if db.base == nil {
				db.setBase(emptyBase(&db.cache), position{})
			}
			return nil
		}
		db.seen = ""
	}
	if db.isSnapshot() {
		return db.refreshSnapshot()
	}
	if db.base != nil && db.live.is(db.seen) {
		return nil
	}
	mk, seen, err := db.fingerprint()
	if err != nil {
		return err
	}
	if db.base != nil && seen == db.seen {
		if mk != nil {
			db.live.open(db.markFile)
		}
		return nil
	}
	if db.base != nil && db.seen != "" && mk != nil && mk.generation == db.base.man.generation {
		if err := db.catchUp(mk); err == nil {
			db.seen = seen
			return nil
		}
		// Whatever it was, reading everything anew tells more.
		db.seen = ""
	}
	b, end, err := loadBase(db.fsys, db.dir, db.ident, db.boot, mk, &db.cache)
	if mk == nil {
		// The end was found by reading. If a writer began meanwhile, what stood
		// there was perhaps not acknowledged yet, or what looked like damage was
		// its recovery.
		if _, again, errAgain := db.fingerprint(); errAgain == nil && again != seen {
			if err == nil {
				b.release()
			}
			return db.refresh()
		} else if err == nil && errAgain != nil {
			b.release()
			err = errAgain
		}
	}
	if err != nil {
		return err
	}
	db.setBase(b, end)
	db.seen = seen
	return nil
}

func (db *DB) setBase(b *base, end position) {
	old := db.base
	db.base, db.end = b, end
	if old == nil {
		return
	}
	old.release()
	live := make(map[uint64]bool)
	for i := range b.man.tables {
		live[b.man.tables[i].ref.id] = true
	}
	for _, in := range b.tail.ingested {
		live[in.t.info().id] = true
	}
	db.cache.keep(func(id uint64) bool { return live[id] })
}

// emptyBase is the state of a database that is not there yet.
func emptyBase(cache *tableCache) *base {
	b := &base{man: &manifest{historyFrom: 1}, tail: &tail{loaded: true, cache: cache}, cache: cache}
	b.refs.Store(1)
	return b
}

// fingerprint returns bytes that differ whenever something was committed since,
// and MARK if it is current.
func (db *DB) fingerprint() (*mark, string, error) {
	var raw [markSize]byte
	if db.markFile != nil {
		m, reason, err := readMark(db.markFile, db.ident.copy)
		if err != nil {
			return nil, "", err
		}
		if reason == "" {
			raw = m.encode()
			if m.current(db.boot) {
				return &m, string(raw[:]), nil
			}
		}
	}
	// No writer has been here since the machine started, or MARK is lost. The
	// time of the folder tells of segments come and gone, the size of the last
	// one of records.
	logPath := filepath.Join(db.dir, logDir)
	info, err := db.fsys.Stat(logPath)
	if err != nil {
		return nil, "", err
	}
	seen := fmt.Sprintf("%s %d", raw[:], info.ModTime().UnixNano())
	last := db.end.segment
	if last == 0 {
		return nil, seen, nil
	}
	if info, err = db.fsys.Stat(filepath.Join(logPath, segmentName(last))); err == nil {
		seen += fmt.Sprintf(" %d", info.Size())
	}
	return nil, seen, nil
}

// catchUp adds what was committed since to the tail of the base. Called with
// mu held.
func (db *DB) catchUp(mk *mark) error {
	if mk.pos.rev == db.end.rev {
		db.end = mk.pos
		return nil
	}
	logPath := filepath.Join(db.dir, logDir)
	firsts, _, err := listSegments(db.fsys, logPath)
	if err != nil {
		return err
	}
	end, err := scanLog(db.fsys, logPath, firsts, db.end, &mk.pos, func(r *record, _ position) error {
		return db.base.tail.add(r)
	})
	if err != nil {
		return err
	}
	end.segment, end.offset = mk.pos.segment, mk.pos.offset
	db.end = end
	return nil
}

// View runs fn on one state, see Store. It takes no lock and writes nothing.
func (db *DB) View(ctx context.Context, at Rev, fn func(Tx) error) error {
	return db.viewCore(ctx, func(core *txCore) error {
		if at != Newest {
			if err := db.viewPast(core, at); err != nil {
				return err
			}
		}
		return fn(core.tx())
	})
}

// canCreate says whether the directory could be made into a database.
func (db *DB) canCreate() error {
	entries, err := db.fsys.ReadDir(db.dir)
	if errors.Is(err, fs.ErrNotExist) {
		info, err := db.fsys.Stat(filepath.Dir(db.dir))
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "open", Path: filepath.Dir(db.dir), Err: errors.New("not a directory")}
		}
		if err != nil {
			return fmt.Errorf("create %s: %w", db.dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	if err := checkPlain(db.fsys, db.dir); err != nil {
		return fmt.Errorf("create %s: %w", db.dir, err)
	}
	for _, e := range entries {
		if !ownName(e.Name()) {
			return fmt.Errorf("create %s: the directory holds %q, which is not of a database: %w", db.dir, e.Name(), ErrExists)
		}
	}
	return nil
}
