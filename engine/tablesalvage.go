package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
)

// A tableSalvage reads what can be read of a table, damaged or not: blocks
// whose checksums are good, found through the index, or, where the ends of the
// file are damaged, by looking for the pages of the index in it.
type tableSalvage struct {
	t      *table
	opened bool // the ends and the top index are good
	gone   bool // there is no such file
	bad    string

	read  int64     // versions that were read
	known []version // lost, though their keys are known: without values
	spans []keySpan // of which not even the keys are known
	// filter says that a filter is damaged, and so the table though no
	// version of it may be lost.
	filter bool
}

// A keySpan is a span of internal keys.
type keySpan struct {
	lo, hi  []byte // neither before lo nor behind hi; hi nil: no end
	offset  int64  // of the bad bytes
	entries int64  // versions; -1: not known
}

func (s *keySpan) has(ikey []byte) bool {
	return bytes.Compare(ikey, s.lo) >= 0 && (s.hi == nil || bytes.Compare(ikey, s.hi) <= 0)
}

// openSalvage opens a table for reading what there is of it. ref, if its size
// is not 0, is the digest it must have. The caller closes it.
func openSalvage(fsys FS, dir, name string, ref tableRef, as assigned) (*tableSalvage, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	s := new(tableSalvage)
	t, err := openTable(fsys, path, name, as)
	if err == nil {
		s.t, s.opened = t, true
		if i := t.inf; ref.size != 0 && (i.id != ref.id || i.size != ref.size || i.sum != ref.sum) {
			// Another table stands under this name: nothing of it belongs here.
			t.release()
			return &tableSalvage{t: &table{name: name}, bad: errDigest.Error()}, nil
		}
		return s, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &tableSalvage{t: &table{name: name}, gone: true, bad: "missing"}, nil
	}
	var c *CorruptError
	if !errors.As(err, &c) {
		return nil, err
	}
	s.bad = c.Reason
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > math.MaxInt {
		return nil, c
	}
	s.t = &table{name: name, as: as}
	if s.t.data, s.t.unmap, err = f.Map(int(info.Size()), true); err != nil {
		return nil, err
	}
	s.t.refs.Store(1)
	return s, nil
}

func (s *tableSalvage) close() {
	if s.t.unmap != nil {
		s.t.release()
	}
}

// whole reports whether nothing is wrong with the table. It may be asked when
// each has been through it.
func (s *tableSalvage) whole() bool {
	return s.opened && s.bad == "" && !s.filter && len(s.known) == 0 && len(s.spans) == 0
}

// each calls f with every version that can be read, in order. The slices of a
// version hold until close.
func (s *tableSalvage) each(ctx context.Context, f func(*version) error) error {
	s.read, s.known, s.spans, s.filter = 0, nil, nil, false
	switch {
	case s.t.data == nil:
		s.spans = []keySpan{{entries: -1}}
		return nil
	case !s.opened:
		return s.eachFound(ctx, f)
	}
	t := s.t
	var lo []byte
	for i := range t.top.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := t.pageEntry(i)
		for p := range int(d.filter.pages) {
			off := d.off + int64(d.size) + int64(p*d.filter.pageSize())
			if page := t.data[off:][:d.filter.pageSize()]; filterPageCRC(page, t.inf.id, off) != filterPageSum(page) {
				s.filter = true
			}
		}
		hi, _ := t.top.bound(i)
		var page indexPage
		if t.checkPage(i, t.data[d.off:][:d.size], &page) != nil {
			s.spans = append(s.spans, keySpan{lo: lo, hi: hi, offset: d.off, entries: -1})
		} else if err := s.page(&page, lo, f); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// page reads the blocks of one page. lo is the bound of the page before.
func (s *tableSalvage) page(page *indexPage, lo []byte, f func(*version) error) error {
	for b := range page.n {
		e := page.block(b)
		hi, _ := page.bound(b)
		if err := s.block(&e, keySpan{lo: lo, hi: hi, offset: e.off, entries: int64(e.n)}, f); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

func (s *tableSalvage) block(e *blockEntry, span keySpan, f func(*version) error) error {
	var run keyRun
	keys, err := s.t.readRun(e.keys(), false)
	if err == nil {
		if err = run.parse(keys, int(e.n)); err == nil {
			err = run.check(int(e.valueRaw))
		}
	}
	if err != nil {
		s.spans = append(s.spans, span)
		return nil
	}
	values, valueErr := s.t.readRun(e.values(), false)
	for i := range run.n {
		var v version
		run.load(i, s.t.as, &v)
		if !v.deleted && v.size > 0 && valueErr != nil {
			s.known = append(s.known, v)
			continue
		}
		if !v.deleted {
			from, to := run.cols[colValueEnd].span(i)
			v.value = values[min(from, uint64(len(values))):min(to, uint64(len(values)))]
		}
		s.read++
		if err := f(&v); err != nil {
			return err
		}
	}
	return nil
}

// eachFound reads a table whose ends are damaged. A page of the index begins
// with the places of its blocks, which lie right before it one after the
// other: nothing else in a table looks like that.
func (s *tableSalvage) eachFound(ctx context.Context, f func(*version) error) error {
	t := s.t
	end := int64(tableHeaderSize) // of the last page found
	var last []byte
	for off := end; off < int64(len(t.data))-4-blockEntrySize; off++ {
		if off%(1<<20) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		page, ok := t.findPage(off, end)
		if !ok {
			continue
		}
		// What lies between two pages that were found may be a page that was not.
		if first := page.block(0); first.off > end {
			hi, _ := page.bound(0)
			s.spans = append(s.spans, keySpan{lo: last, hi: hi, offset: end, entries: -1})
		}
		if err := s.page(&page, last, f); err != nil {
			return err
		}
		last, _ = page.bound(page.n - 1)
		end = off + 4 + int64(page.n*blockEntrySize+page.end())
		off = end - 1
	}
	s.spans = append(s.spans, keySpan{lo: last, offset: end, entries: -1})
	return nil
}

// findPage reads a page of the index at off, if one stands there whose blocks
// lie behind from.
func (t *table) findPage(off, from int64) (page indexPage, ok bool) {
	le, raw := binary.LittleEndian, t.data[off:]
	n := int64(le.Uint32(raw))
	if first := le.Uint64(raw[4:]); n == 0 || first < uint64(from) || first >= uint64(off) || n > int64(len(raw))/blockEntrySize {
		return page, false
	}
	if page.parse(raw, blockEntrySize, 36) != nil {
		return page, false
	}
	page.off = off
	end := page.block(0).off
	for b := range page.n {
		e := page.block(b)
		if e.off != end || e.n == 0 || e.keyRaw > maxRunSize || e.valueRaw > maxRunSize ||
			e.keyCodec > codecZstd || e.valueCodec > codecZstd || e.reserved != 0 {
			return page, false
		}
		end += int64(e.keySize) + int64(e.valueSize)
		if end > off {
			return page, false
		}
	}
	return page, end == off
}
