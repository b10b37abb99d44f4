package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Verdict is what a check comes to.
type Verdict string

// The verdicts.
const (
	VerdictClean Verdict = "clean"

	// VerdictTorn: something is not as a clean stop leaves it, but nothing
	// acknowledged is affected, and the next write puts it in order by itself:
	// see Report.Next. A write that is under way looks like that too.
	VerdictTorn Verdict = "torn"

	// VerdictDamaged: bytes are not what was written. Writing is refused
	// until the database is repaired, where the log is concerned.
	VerdictDamaged Verdict = "damaged"
)

// Whether what is lost with a fault had been acknowledged to its writer.
const (
	AcknowledgedYes     = "yes"
	AcknowledgedNo      = "no"
	AcknowledgedUnknown = "unknown"
)

// A Fault is one bad place.
type Fault struct {
	File         string   `json:"file"`          // path below the database
	Offset       int64    `json:"offset"`        // byte offset of the bad place
	Rev          Rev      `json:"rev,omitempty"` // the revision expected there; 0: not known
	Reason       string   `json:"reason"`
	Acknowledged string   `json:"acknowledged"`   // whether it had been acknowledged: yes, no, unknown
	Keys         []string `json:"keys,omitempty"` // some that are concerned, where that can be told; at most 20

	// Of a place in a table: the span of the keys concerned, both ends
	// included, though they need not be keys themselves, and how many entries
	// are lost; 0 where that is not known.
	KeysFrom string `json:"keys_from,omitempty"`
	KeysTo   string `json:"keys_to,omitempty"`
	Entries  int64  `json:"entries,omitempty"`
}

func (f *Fault) String() string {
	return (&CorruptError{File: f.File, Offset: f.Offset, Rev: f.Rev, Reason: f.Reason}).Error()
}

// A Report is what a check found.
type Report struct {
	Path     string   `json:"path"`
	Snapshot bool     `json:"snapshot"` // the path is a snapshot file
	Verdict  Verdict  `json:"verdict"`
	Next     string   `json:"next,omitempty"` // what the next write will do by itself; empty: nothing
	Rev      Rev      `json:"rev"`            // the newest revision that is whole
	Files    int64    `json:"files"`          // that were read
	Bytes    int64    `json:"bytes"`          // that were read
	Records  int64    `json:"records"`        // of the log, whole ones
	Tables   int64    `json:"tables"`
	Entries  int64    `json:"entries"` // of the tables
	Probes   int64    `json:"probes"`  // reads that a deep check compared
	Faults   []Fault  `json:"faults"`
	Remarks  []string `json:"remarks"` // what is odd but no fault

	// Files that Remarks speak of, by their path below the database.
	Foreign   []string `json:"foreign,omitempty"`   // no part of a database
	Temporary []string `json:"temporary,omitempty"` // being written, or left by a process that died
	Orphans   []string `json:"orphans,omitempty"`   // tables that nothing names
}

// Err is nil unless the verdict is damaged; then it is ErrDamaged and names the
// first fault.
func (r *Report) Err() error {
	if r.Verdict != VerdictDamaged {
		return nil
	}
	for _, f := range r.Faults {
		if f.Acknowledged != AcknowledgedNo {
			return &CorruptError{File: f.File, Offset: f.Offset, Rev: f.Rev, Reason: f.Reason}
		}
	}
	return ErrDamaged
}

// maxFaultKeys is how many keys a fault names.
const maxFaultKeys = 20

// Check reads every byte of a database, or of a snapshot file, and says what is
// wrong with it. It writes nothing, takes no lock and may run while others
// write. deep also reads every retained version and every live key through the
// ways of the readers and compares. An error means that the check could not be
// made, not that it found something: ErrNoDatabase, ErrNewer, an error of the
// file system, the end of the context. fsys nil is OS.
func Check(ctx context.Context, fsys FS, path string, deep bool) (Report, error) {
	fsys = orOS(fsys)
	info, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNoDatabase
	}
	if err != nil {
		return Report{Path: path}, fmt.Errorf("check %s: %w", path, err)
	}
	for try := 0; ; try++ {
		c := &checker{ctx: ctx, fsys: fsys, dir: path, deep: deep, cache: tableCache{fsys: fsys, dir: path}}
		c.Path, c.Verdict = path, VerdictClean
		if info.IsDir() {
			err = c.database()
		} else {
			err = c.snapshot()
		}
		c.cache.keep(func(uint64) bool { return false })
		// A file that went away under the check belonged to a state that is
		// past: look again.
		if try < 10 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, errCheckAgain)) {
			continue
		}
		if err != nil {
			err = fmt.Errorf("check %s: %w", path, err)
		}
		slices.SortStableFunc(c.Faults, func(a, b Fault) int { return strings.Compare(a.File, b.File) })
		return c.Report, err
	}
}

// A checker is the state of one check.
type checker struct {
	ctx   context.Context
	fsys  FS
	dir   string
	deep  bool
	cache tableCache

	id     identity
	hasID  bool
	man    *manifest // nil: cannot be read
	mark   mark
	marked bool    // mark can be used
	end    *logEnd // nil: recovery's verdict is not known
	live   []tableLine
	named  map[uint64]bool // tables that something names

	mu sync.Mutex // guards the report while tables are read
	Report
}

// fault notes a fault. What was not acknowledged is put right by the next
// write.
func (c *checker) fault(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Faults = append(c.Faults, f)
	switch {
	case f.Acknowledged != AcknowledgedNo:
		c.Verdict = VerdictDamaged
	case c.Verdict == VerdictClean:
		c.Verdict = VerdictTorn
	}
}

func (c *checker) remark(format string, args ...any) {
	c.Remarks = append(c.Remarks, fmt.Sprintf(format, args...))
}

// take notes an error as a fault if it is damage, and returns it otherwise.
func (c *checker) take(err error, acknowledged string) error {
	var bad *CorruptError
	if !errors.As(err, &bad) {
		return err
	}
	c.fault(Fault{File: bad.File, Offset: bad.Offset, Rev: bad.Rev, Reason: bad.Reason, Acknowledged: acknowledged})
	return nil
}

// counted adds a file to the sums.
func (c *checker) counted(name string) {
	if info, err := c.fsys.Stat(filepath.Join(c.dir, filepath.FromSlash(name))); err == nil {
		c.mu.Lock()
		c.Files++
		c.Bytes += info.Size()
		c.mu.Unlock()
	}
}

// database checks a database in a directory.
func (c *checker) database() error {
	c.named = make(map[uint64]bool)
	if err := c.top(); err != nil {
		return err
	}
	if err := c.recovery(); err != nil {
		return err
	}
	pinned, err := c.pinTables()
	defer func() {
		for _, t := range pinned {
			t.release()
		}
	}()
	if err != nil {
		return err
	}
	if err := c.log(); err != nil {
		return err
	}
	if err := c.tables(pinned); err != nil {
		return err
	}
	if err := c.strangers(); err != nil {
		return err
	}
	if c.deep && c.Verdict != VerdictDamaged {
		return c.probe()
	}
	return nil
}

// top checks FORMAT, MANIFEST and MARK.
func (c *checker) top() (err error) {
	c.id, err = findIdentity(c.fsys, c.dir)
	c.hasID = err == nil
	if err := c.take(err, AcknowledgedYes); err != nil {
		return err
	}
	b, err := readSmall(c.fsys, filepath.Join(c.dir, manifestFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = &CorruptError{File: manifestFile, Reason: "missing"}
	case err == nil:
		c.man, err = decodeManifest(b)
	}
	if err == nil && c.hasID && c.man.database != c.id.id {
		err = &CorruptError{File: manifestFile, Reason: "belongs to another database"}
	}
	if err := c.take(err, AcknowledgedYes); err != nil {
		return err
	}
	if c.hasID {
		if err := c.readMark(); err != nil {
			return err
		}
	}
	for _, name := range []string{formatFile, manifestFile, markFile} {
		c.counted(name)
	}
	return nil
}

func (c *checker) readMark() error {
	f, reason, err := openMark(c.fsys, c.dir, 0)
	if err != nil {
		return err
	}
	if f != nil {
		c.mark, reason, err = readMark(f, c.id.copy)
		f.Close()
		if err != nil {
			return err
		}
	}
	c.marked = reason == ""
	if !c.marked {
		c.fault(Fault{File: markFile, Reason: reason, Acknowledged: AcknowledgedNo})
		c.Next = "writes MARK anew from the log"
	}
	return nil
}

// recovery asks for the verdict of the next writer.
func (c *checker) recovery() error {
	if !c.hasID || c.man == nil {
		return nil
	}
	var e *logEnd
	var err error
	for range 5 {
		e, err = inspectLog(c.fsys, c.dir, c.id, currentBoot())
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		if err == nil && e.torn == nil {
			break
		}
		// A write under way looks torn, for a moment. Wait one commit.
		select {
		case <-c.ctx.Done():
			return c.ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	c.end = e
	if err != nil {
		// The walk through the log finds it too, unless it is the end that is
		// missing, or a file that the walk does not read.
		var bad *CorruptError
		if errors.As(err, &bad) {
			c.add(Fault{File: bad.File, Offset: bad.Offset, Rev: bad.Rev, Reason: bad.Reason, Acknowledged: c.acknowledged(bad.Rev)})
		}
		return nil
	}
	c.man = e.man
	c.Rev = e.end.rev
	if e.torn != nil {
		c.Next = fmt.Sprintf("cuts the unfinished transaction behind revision %d, and keeps its bytes in %s/", e.end.rev, quarantineDir)
	}
	if e.lost > e.end.rev {
		c.remark("revisions %d to %d were lost with the power: sync was not \"always\"", e.end.rev+1, e.lost)
	}
	return nil
}

// acknowledged says whether the record of a revision had been acknowledged.
func (c *checker) acknowledged(rev Rev) string {
	switch {
	case rev == 0:
		return AcknowledgedUnknown
	case c.man != nil && rev <= c.man.folded.rev, c.marked && rev <= c.mark.pos.rev:
		return AcknowledgedYes
	}
	return AcknowledgedUnknown
}

// errCheckAgain says that the state under check is past.
var errCheckAgain = fmt.Errorf("%w: the database changes faster than it can be checked", ErrUnavailable)

// overtaken reports whether MANIFEST was replaced since it was read.
func (c *checker) overtaken() bool {
	b, err := readSmall(c.fsys, filepath.Join(c.dir, manifestFile))
	return err == nil && !bytes.Equal(b, c.man.encode())
}

// strangers remarks on files that are not part of the database.
func (c *checker) strangers() error {
	entries, err := c.fsys.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ownName(e.Name()) {
			c.Foreign = append(c.Foreign, e.Name())
			c.remark("%s: no file of this database", e.Name())
		}
	}
	_, foreign, err := listLog(c.fsys, c.dir)
	if err != nil {
		return err
	}
	for _, name := range foreign {
		c.Foreign = append(c.Foreign, name)
		c.remark("%s: no segment", name)
	}
	c.doubles()
	entries, err = c.fsys.ReadDir(filepath.Join(c.dir, tablesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		name := tablesDir + "/" + e.Name()
		switch {
		case strings.HasSuffix(name, ".tmp"):
			c.Temporary = append(c.Temporary, name)
			c.remark("%s: being written, or left by a process that died", name)
		case !c.isNamed(name) && c.man != nil:
			c.Orphans = append(c.Orphans, name)
			c.remark("%s: nothing names this table", name)
		}
	}
	entries, err = c.fsys.ReadDir(filepath.Join(c.dir, quarantineDir))
	if err == nil && len(entries) > 0 {
		c.remark("%s/ holds %d files", quarantineDir, len(entries))
	}
	return nil
}

// doubles remarks on segments that stand in log/ and in history/: where a move
// was cut short they are the same, which hurts nobody, and where they differ
// the walk through the log has named it.
func (c *checker) doubles() {
	log, _, err := listSegments(c.fsys, filepath.Join(c.dir, logDir))
	history, _, historyErr := listSegments(c.fsys, filepath.Join(c.dir, historyDir))
	if err != nil || historyErr != nil {
		return // the walk has said so
	}
	for _, first := range log {
		if !slices.Contains(history, first) {
			continue
		}
		name := logDir + "/" + segmentName(first)
		if _, err := c.fsys.Stat(filepath.Join(c.dir, name)); err == nil { // it did not move just now
			c.remark("%s: stands in %s/ too", name, historyDir)
		}
	}
}

func (c *checker) isNamed(name string) bool {
	for id := range c.named {
		if tableName(id) == name {
			return true
		}
	}
	return false
}

// snapshot checks a snapshot file.
func (c *checker) snapshot() error {
	c.Snapshot = true
	t, err := openSnapshot(c.fsys, c.dir)
	if err != nil {
		return c.take(err, AcknowledgedYes)
	}
	defer t.release()
	c.Rev = t.inf.snapshotRev
	c.dir = filepath.Dir(c.dir)
	c.verify([]*table{t})
	if c.deep && c.Verdict != VerdictDamaged {
		if err := c.probeTable(t); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}
