package engine

import (
	"bytes"
	"context"
	"fmt"
)

// verify reads every byte of the table, whatever was verified before, and
// reports each fault it finds. It goes on after a bad block or page with the
// next one. It checks what reading takes on trust, too: the order of the
// versions, the bounds of the blocks, that the filter knows every key, and
// that the properties are true. It stops when the context is done.
func (t *table) verify(ctx context.Context, report func(err error)) {
	// The ends and the top index are as they were when the table was opened:
	// a second look takes microseconds.
	if err := (&table{name: t.name, as: t.as, data: t.data}).readEnds(); err != nil {
		report(err)
		return
	}
	v := tableVerifier{t: t, report: report, whole: true}
	told := int64(0)
	for i := range t.top.n {
		if !v.page(ctx, i) {
			report(ctx.Err())
			return
		}
		d := t.pageEntry(i) // behind its blocks, with its filter
		end := d.off + int64(d.size) + int64(d.filter.size())
		progressed(ctx, end-told)
		told = end
	}
	if v.whole {
		v.properties()
	}
}

// A tableVerifier is the state of a verify.
type tableVerifier struct {
	t      *table
	report func(error)
	whole  bool // every block so far could be read

	seen  tableInfo // counted from the versions, revisions as stored
	key   []byte    // of the version before, if hasKey
	rev   Rev
	has   bool // key and rev are those of the version before
	bound []byte
}

func (v *tableVerifier) fault(offset int64, reason string) {
	v.whole = false
	v.report(v.t.corrupt(offset, reason))
}

// page verifies page i of the index, its filter and its blocks. It returns
// false when the context is done.
func (v *tableVerifier) page(ctx context.Context, i int) bool {
	t := v.t
	d := t.pageEntry(i)
	filter := d.off + int64(d.size)
	filterOK := true
	for p := range int(d.filter.pages) {
		off := filter + int64(p*d.filter.pageSize())
		if page := t.data[off:][:d.filter.pageSize()]; filterPageCRC(page, t.inf.id, off) != filterPageSum(page) {
			v.fault(off, "checksum mismatch in a filter page")
			filterOK = false
		}
	}
	var page indexPage
	if err := t.checkPage(i, t.data[d.off:][:d.size], &page); err != nil {
		v.whole, v.has = false, false
		v.report(err)
		return ctx.Err() == nil
	}
	bound, rev := page.bound(page.n - 1)
	if top, topRev := t.top.bound(i); !bytes.Equal(top, bound) || topRev != rev {
		v.fault(d.off, "an index page and the top index differ in its bound")
	}
	for b := range page.n {
		if ctx.Err() != nil {
			return false
		}
		v.block(&page, b, i, filterOK)
	}
	return true
}

// block verifies block b of a page, which is page pageNo of the index.
func (v *tableVerifier) block(page *indexPage, b, pageNo int, filterOK bool) {
	t := v.t
	e := page.block(b)
	keys, err := t.readRun(e.keys(), false)
	var run keyRun
	if err == nil {
		if err = run.parse(keys, int(e.n)); err == nil {
			err = run.check(int(e.valueRaw))
		}
		if err != nil {
			err = t.corrupt(e.off, err.Error())
		}
	}
	if _, verr := t.readRun(e.values(), false); verr != nil {
		v.whole = false
		v.report(verr)
	}
	if err != nil {
		v.whole, v.has = false, false
		v.report(err)
		return
	}
	for i := range run.n {
		if reason := v.version(&run, i, pageNo, filterOK); reason != "" {
			v.fault(e.off, reason)
			return
		}
	}
	bound, rev := page.bound(b)
	if c := bytes.Compare(v.key, bound); c > 0 || c == 0 && v.rev < Rev(rev) {
		v.fault(e.off, "a block goes beyond its bound")
	}
	v.bound = bound
}

// version verifies version i of a run, and returns what is wrong with it.
func (v *tableVerifier) version(run *keyRun, i, pageNo int, filterOK bool) string {
	t := v.t
	var x version
	run.load(i, assigned{}, &x)
	order := 1
	if v.has {
		order = bytes.Compare(x.key, v.key)
	}
	fresh := order > 0 || v.seen.entries == 0
	switch {
	case order < 0, order == 0 && x.rev >= v.rev:
		return fmt.Sprintf("key %q at revision %d is out of order", x.key, x.rev)
	case bytes.IndexByte(x.key, 0) < 0:
		return fmt.Sprintf("key %q has no family", x.key)
	case x.deleted && x.size != 0:
		return fmt.Sprintf("the delete of key %q has a value", x.key)
	case i == 0 && v.bound != nil && bytes.Compare(x.key, v.bound) < 0:
		return "a block begins before the bound of the one before"
	}
	if filterOK && (fresh || i == 0) {
		if may, err := t.mayHave(pageNo, filterHash(x.key)); err == nil && !may {
			return fmt.Sprintf("the filter denies key %q", x.key)
		}
	}
	if v.seen.entries == 0 {
		v.seen.first = x.key
	}
	v.seen.count(&x, fresh)
	v.seen.last = x.key
	v.key, v.rev, v.has = x.key, x.rev, true
	return ""
}

// properties compares the properties with what was counted.
func (v *tableVerifier) properties() {
	t := v.t
	said := tableInfo{kind: t.inf.kind}
	v.seen.kind = t.inf.kind
	if err := said.parse(t.data[t.propOff : len(t.data)-tableFooterSize]); err != nil {
		v.fault(t.propOff, err.Error())
		return
	}
	v.seen.blocks = t.inf.blocks
	v.seen.snapshotRev, v.seen.snapshotStamp, v.seen.historyFrom = said.snapshotRev, said.snapshotStamp, said.historyFrom
	v.seen.afterStamp = said.afterStamp
	a, b := v.seen.numbers(), said.numbers()
	for i := range a {
		if *a[i] != *b[i] {
			v.fault(t.propOff+int64(8*i), "the properties do not fit the versions")
			return
		}
	}
	if !bytes.Equal(v.seen.first, said.first) || !bytes.Equal(v.seen.last, said.last) {
		v.fault(t.propOff, "the properties have another first or last key")
	}
}
