package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

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
	total := int64(0)
	for _, t := range tables {
		total += t.inf.size
	}
	ctx := withStep(c.ctx, Progress{Doing: "verify", Total: total, Bytes: true})
	work := make(chan *table)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), max(len(tables), 1)) {
		wg.Go(func() {
			for t := range work {
				prefetch := readAhead(c.fsys, filepath.Join(c.dir, filepath.FromSlash(t.name)))
				t.verify(ctx, func(err error) {
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
	f := Fault{File: bad.File, Offset: bad.Offset, Reason: bad.Reason, Acknowledged: AcknowledgedYes}
	t.concerned(&f)
	if f.KeysTo != "" {
		f.Reason += fmt.Sprintf(": keys from %q to %q", f.KeysFrom, f.KeysTo)
	}
	c.fault(f)
}

// concerned notes which keys the bytes at the offset of a fault concern: those
// of a block, as far as its index page can be read, else those of the page.
func (t *table) concerned(f *Fault) {
	if f.Offset < tableHeaderSize || f.Offset >= t.topOff {
		return
	}
	i := 0
	for i+1 < t.top.n {
		p := t.pageEntry(i)
		if f.Offset < p.off+int64(p.size)+int64(p.filter.size()) {
			break
		}
		i++
	}
	from := t.inf.first
	if i > 0 {
		from, _ = t.top.bound(i - 1)
	}
	to, _ := t.top.bound(i)
	d := t.pageEntry(i)
	var page indexPage
	if f.Offset < d.off && t.checkPage(i, t.data[d.off:][:d.size], &page) == nil {
		for b := range page.n {
			e := page.block(b)
			to, _ = page.bound(b)
			if f.Offset < e.off+int64(e.keySize)+int64(e.valueSize) {
				f.Entries = int64(e.n)
				t.keysOf(&e, f)
				break
			}
			from = to
		}
	}
	f.KeysFrom, f.KeysTo = string(userKey(from)), string(userKey(to))
}

// keysOf names the keys of a block whose values are damaged.
func (t *table) keysOf(e *blockEntry, f *Fault) {
	raw, err := t.readRun(e.keys(), false)
	var run keyRun
	if err != nil || run.parse(raw, int(e.n)) != nil || run.check(int(e.valueRaw)) != nil {
		return
	}
	for n := range min(run.n, maxFaultKeys) {
		f.Keys = append(f.Keys, string(userKey(run.key(n))))
	}
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
