package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
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
	c.id, err = readIdentity(c.fsys, c.dir)
	c.hasID = err == nil
	if errors.Is(err, ErrNoDatabase) && lostFormat(c.fsys, c.dir) {
		err = &CorruptError{File: formatFile, Reason: "missing, though there is a log"}
	}
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

// log checks every segment of log/ and history/.
func (c *checker) log() error {
	places, _, err := listLog(c.fsys, c.dir)
	if err != nil {
		return err
	}
	if len(places) > 0 && c.man != nil && places[0].first > c.man.historyFrom {
		if c.overtaken() {
			return errCheckAgain
		}
		rev := c.man.historyFrom
		c.fault(Fault{
			File: historyDir, Rev: rev, Acknowledged: c.acknowledged(rev),
			Reason: fmt.Sprintf("the segment with this revision is missing, the first is that of revision %d", places[0].first),
		})
	}
	// What came behind the end that recovery found is younger than this check.
	var until *position
	if c.end != nil && c.end.end.segment != 0 && c.end.torn == nil && c.Verdict != VerdictDamaged {
		until = &c.end.end
	}
	w := logCheck{c: c}
	if err := walkLog(c.ctx, c.fsys, c.dir, places, until, w.piece); err != nil {
		return err
	}
	for _, p := range places {
		c.counted(p.file())
	}
	if c.end == nil {
		c.Rev = w.last.rev
	}
	return w.err
}

// A logCheck checks what a walk through the log finds.
type logCheck struct {
	c    *checker
	last position // of the last record
	err  error
}

func (w *logCheck) piece(p *logPiece) bool {
	c := w.c
	switch {
	case p.newer:
		w.err = fmt.Errorf("%s: %w", p.seg.file(), ErrNewer)
		return false
	case p.bad != "":
		w.bad(p)
		return true
	}
	c.Records++
	r := p.rec
	reason := ""
	switch {
	case r.stamp <= w.last.stamp && w.last.rev != 0:
		reason = "its stamp is not later than that of the record before"
	case c.man != nil && r.rev == c.man.folded.rev && !c.man.folded.anySum && r.sum != c.man.folded.sum:
		reason = fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", manifestFile, c.man.folded.sum, r.sum)
	case c.marked && r.rev == c.mark.pos.rev && !c.mark.pos.anySum && r.sum != c.mark.pos.sum:
		reason = fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", markFile, c.mark.pos.sum, r.sum)
	}
	w.last = position{rev: r.rev, stamp: r.stamp}
	var keys []string
	err := r.each(func(o *operation) bool {
		if o.op == OpIngest && c.man != nil && r.rev > c.man.folded.rev {
			c.ingest(r, o.table)
		}
		if reason != "" && len(keys) < maxFaultKeys {
			keys = append(keys, string(o.key))
		}
		return true
	})
	if err != nil {
		reason = err.Error()
	}
	if reason != "" {
		c.add(Fault{
			File: p.seg.file(), Offset: p.before.offset, Rev: r.rev, Reason: reason,
			Acknowledged: AcknowledgedYes, Keys: keys,
		})
	}
	return true
}

// bad notes a bad place.
func (w *logCheck) bad(p *logPiece) {
	c := w.c
	f := Fault{File: p.seg.file(), Offset: p.before.offset, Rev: p.before.rev + 1, Reason: p.bad}
	f.Acknowledged = c.acknowledged(f.Rev)
	if c.end != nil && c.end.torn != nil {
		if at := c.end.torn.at; p.seg.first > at.segment || p.seg.first == at.segment && f.Offset >= at.offset {
			f.Acknowledged = AcknowledgedNo
		}
	}
	note := func(o *operation) bool {
		if o.op != OpIngest && len(f.Keys) < maxFaultKeys {
			f.Keys = append(f.Keys, string(o.key))
		}
		return true
	}
	if p.rec != nil {
		c.Records++
		_ = p.rec.each(note) // whatever it breaks, it is bad already
		w.last = position{rev: p.rec.rev, stamp: p.rec.stamp}
	} else {
		for _, o := range guessOperations(p.raw) {
			note(&o)
		}
	}
	c.add(f)
}

// add notes a fault of the log, unless recovery named that place already: then
// it adds what it knows more.
func (c *checker) add(f Fault) {
	for i := range c.Faults {
		if g := &c.Faults[i]; g.File == f.File && g.Offset == f.Offset {
			g.Keys = f.Keys
			return
		}
	}
	c.fault(f)
}

// ingest notes a table that a record of the tail names.
func (c *checker) ingest(r *record, ref tableRef) {
	c.named[ref.id] = true
	c.live = append(c.live, tableLine{ref: ref, minRev: r.rev, maxRev: r.rev, as: assigned{rev: r.rev, stamp: r.stamp, origin: r.origin}})
}

// pinTables opens the tables of MANIFEST, so that none can vanish during the
// check. If it has been replaced meanwhile the check begins anew.
func (c *checker) pinTables() (pinned []*table, err error) {
	if c.man == nil {
		return nil, nil
	}
	c.live = slices.Clone(c.man.tables)
	for i := range c.live {
		line := &c.live[i]
		c.named[line.ref.id] = true
		t, err := c.cache.open(line.ref, line.as)
		if err == nil {
			pinned = append(pinned, t)
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			if c.overtaken() {
				return pinned, errCheckAgain
			}
			err = &CorruptError{File: tableName(line.ref.id), Reason: "missing"}
		}
		line.ref.id = 0 // told
		if err := c.take(err, AcknowledgedYes); err != nil {
			return pinned, err
		}
	}
	c.live = slices.DeleteFunc(c.live, func(l tableLine) bool { return l.ref.id == 0 })
	return pinned, nil
}

// errCheckAgain says that the state under check is past.
var errCheckAgain = fmt.Errorf("%w: the database changes faster than it can be checked", ErrUnavailable)

// overtaken reports whether MANIFEST was replaced since it was read.
func (c *checker) overtaken() bool {
	b, err := readSmall(c.fsys, filepath.Join(c.dir, manifestFile))
	return err == nil && !bytes.Equal(b, c.man.encode())
}

// tables checks every live table, as many at a time as there are processors.
func (c *checker) tables(pinned []*table) error {
	var all []*table
	for i := range c.live {
		line := &c.live[i]
		t, err := c.cache.open(line.ref, line.as)
		if errors.Is(err, fs.ErrNotExist) {
			err = &CorruptError{File: tableName(line.ref.id), Rev: line.as.rev, Reason: "missing, though the log makes it part of the database"}
		}
		if err := c.take(err, AcknowledgedYes); err != nil {
			return err
		}
		if t == nil {
			continue
		}
		defer t.release()
		all = append(all, t)
		if reason := line.differs(&t.inf, c.man); i < len(pinned) && reason != "" {
			c.fault(Fault{File: manifestFile, Reason: t.name + ": " + reason, Acknowledged: AcknowledgedYes})
		}
	}
	c.verify(all)
	return c.ctx.Err()
}

// differs compares a line of MANIFEST with the table it names.
func (l *tableLine) differs(i *tableInfo, man *manifest) string {
	switch {
	case i.database != man.database:
		return "the table belongs to another database"
	case l.maxRev > man.folded.rev:
		return "the table reaches beyond the folded revision"
	case l.ref.entries != int64(i.entries), l.first != string(i.first), l.last != string(i.last),
		l.minRev != i.minRev, l.maxRev != i.maxRev:
		return "the line does not fit the table"
	}
	return ""
}

// verify reads every byte of tables.
func (c *checker) verify(tables []*table) {
	work := make(chan *table)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), max(len(tables), 1)) {
		wg.Go(func() {
			for t := range work {
				prefetch := readAhead(c.fsys, filepath.Join(c.dir, filepath.FromSlash(t.name)))
				t.verify(c.ctx, func(err error) {
					if c.ctx.Err() == nil {
						c.tableFault(t, err)
					}
				})
				prefetch()
				c.mu.Lock()
				c.Files++
				c.Tables++
				c.Bytes += t.inf.size
				c.Entries += int64(t.inf.entries)
				c.mu.Unlock()
			}
		})
	}
	for _, t := range tables {
		work <- t
	}
	close(work)
	wg.Wait()
}

// tableFault notes what verify found.
func (c *checker) tableFault(t *table, err error) {
	var bad *CorruptError
	if !errors.As(err, &bad) {
		bad = &CorruptError{File: t.name, Reason: err.Error()}
	}
	reason := bad.Reason
	if span := t.keysAt(bad.Offset); span != "" {
		reason += ": " + span
	}
	c.fault(Fault{File: bad.File, Offset: bad.Offset, Reason: reason, Acknowledged: AcknowledgedYes})
}

// keysAt says which keys the bytes at an offset concern, as far as the top
// index can tell.
func (t *table) keysAt(offset int64) string {
	if offset < tableHeaderSize || offset >= t.topOff {
		return ""
	}
	i := 0
	for i+1 < t.top.n {
		p := t.pageEntry(i)
		if offset < p.off+int64(p.size)+int64(p.filter.size()) {
			break
		}
		i++
	}
	from := t.inf.first
	if i > 0 {
		from, _ = t.top.bound(i - 1)
	}
	to, _ := t.top.bound(i)
	return fmt.Sprintf("keys from %q to %q", userKey(from), userKey(to))
}

// readAhead fetches a file in big pieces, ahead of reads through its mapping,
// which the kernel serves page by page. The returned function ends it.
func readAhead(fsys FS, path string) (stop func()) {
	f, err := fsys.Open(path)
	if err != nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		buf := make([]byte, 1<<20)
		for offset := int64(0); ; offset += int64(len(buf)) {
			select {
			case <-quit:
				return
			default:
			}
			if n, err := f.ReadAt(buf, offset); n < len(buf) || err != nil {
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// strangers remarks on files that are not part of the database.
func (c *checker) strangers() error {
	entries, err := c.fsys.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ownName(e.Name()) {
			c.remark("%s: no file of this database", e.Name())
		}
	}
	_, foreign, err := listLog(c.fsys, c.dir)
	if err != nil {
		return err
	}
	for _, name := range foreign {
		c.remark("%s: no segment", name)
	}
	entries, err = c.fsys.ReadDir(filepath.Join(c.dir, tablesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		name := tablesDir + "/" + e.Name()
		switch {
		case strings.HasSuffix(name, ".tmp"):
			c.remark("%s: being written, or left by a process that died", name)
		case !c.isNamed(name) && c.man != nil:
			c.remark("%s: nothing names this table", name)
		}
	}
	entries, err = c.fsys.ReadDir(filepath.Join(c.dir, quarantineDir))
	if err == nil && len(entries) > 0 {
		c.remark("%s/ holds %d files", quarantineDir, len(entries))
	}
	return nil
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
