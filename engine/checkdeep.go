package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// The deep check reads the database as transactions do, and compares what
// comes with the log and with itself. It finds what no checksum can: an entry
// that a fold or merge lost, or a key that a filter hides.

// probe compares every retained version, and every live key.
func (c *checker) probe() error {
	c.ctx = withStep(c.ctx, Progress{Doing: "read"})
	var mk *mark
	if c.marked && c.mark.current(currentBoot()) {
		mk = &c.mark
	}
	b, end, err := loadBase(c.fsys, c.dir, c.id, currentBoot(), mk, &c.cache)
	if err != nil {
		return c.take(err, AcknowledgedYes)
	}
	defer b.release()
	if err := b.openAll(); err != nil {
		return c.take(err, AcknowledgedYes)
	}
	db := &DB{dir: c.dir, fsys: c.fsys}
	db.cache.fsys, db.cache.dir = c.fsys, c.dir
	defer db.cache.keep(func(uint64) bool { return false })
	err = db.records(c.ctx, b.man.historyFrom, end.rev, func(r *record) error {
		if r.isVoid() {
			return nil // it changed no key
		}
		var inner error
		err := r.each(func(o *operation) bool {
			if o.op == OpIngest {
				inner = c.probeIngest(&db.cache, b, r, o.table)
			} else {
				want := versionOf(r, o)
				inner = c.compare(b, &want)
			}
			return inner == nil
		})
		return errors.Join(inner, err)
	})
	if errors.Is(err, ErrHistoryGone) {
		err = nil // forgotten by a writer meanwhile
	}
	if err == nil {
		err = c.probeLive(b, end.rev)
	}
	return c.take(err, AcknowledgedYes)
}

// probeIngest compares the entries of a table that a record ingested, if it is
// still there.
func (c *checker) probeIngest(cache *tableCache, b *base, r *record, ref tableRef) error {
	t, err := cache.open(ref, assigned{rev: r.rev, stamp: r.stamp, origin: r.origin})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer t.release()
	return each(c.ctx, t.iter(iterOptions{}), func(want *version) error { return c.compare(b, want) })
}

// probeLive gets every live key that a scan finds.
func (c *checker) probeLive(b *base, at Rev) error {
	sources, err := b.sources(&iterOptions{}, at)
	if err != nil {
		return err
	}
	src := newVisible(newMergeSource(sources, false), at, 0, false)
	return each(c.ctx, src, func(want *version) error {
		got, ok, err := b.get(want.key, at)
		return c.same(want, &got, ok, err)
	})
}

// probeTable gets every version of a table.
func (c *checker) probeTable(t *table) error {
	err := each(c.ctx, t.iter(iterOptions{}), func(want *version) error {
		var got version
		ok, err := t.get(want.key, want.rev, &got)
		return c.same(want, &got, ok, err)
	})
	return c.take(err, AcknowledgedYes)
}

// compare reads a version at its revision.
func (c *checker) compare(b *base, want *version) error {
	got, ok, err := b.get(want.key, want.rev)
	return c.same(want, &got, ok, err)
}

// same notes a fault unless got is want.
func (c *checker) same(want, got *version, ok bool, err error) error {
	if c.Probes++; c.Probes%contextEvery == 0 {
		progressed(c.ctx, contextEvery)
	}
	if err != nil {
		return err
	}
	reason := ""
	switch {
	case !ok:
		reason = "is not found"
	case got.rev != want.rev:
		reason = fmt.Sprintf("reads as of revision %d", got.rev)
	case got.deleted != want.deleted, got.expires != want.expires, got.stamp != want.stamp, got.origin != want.origin,
		!bytes.Equal(got.value, want.value):
		reason = "reads as something else than was written"
	}
	if reason != "" {
		family, key := splitIKey(want.key)
		c.fault(Fault{
			File: tablesDir, Rev: want.rev, Acknowledged: AcknowledgedYes, Keys: []string{string(key)},
			Reason: fmt.Sprintf("key %q of family %q, written at revision %d, %s", key, family, want.rev, reason),
		})
	}
	return nil
}
