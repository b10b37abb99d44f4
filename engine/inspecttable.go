package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// A tableInspector looks at a table part by part. It takes from a bad part
// what it needs to find the others, as long as the parts fit together.
type tableInspector struct {
	i        *inspector
	t        *table
	ends     map[string]Piece // header, top index, properties, footer
	located  bool             // the footer says where the others are
	walkable bool             // the top index says where the pages are
}

// table inspects a table or snapshot.
func (i *inspector) table(f File) error {
	if i.size < tableHeaderSize+tableFooterSize || i.size > math.MaxInt {
		i.file("table", "")
		i.put(Piece{Length: i.size, What: "table", Bad: "too short for a table"})
		return nil
	}
	data, unmap, err := f.Map(int(i.size), true)
	if err != nil {
		return err
	}
	defer func() { _ = unmap() }() // an error would be a bug here and changes nothing
	v := tableInspector{i: i, t: &table{data: data, name: i.path}, ends: make(map[string]Piece)}
	v.readEnds()
	what := "table"
	if v.t.inf.kind == kindSnapshot {
		what = "snapshot"
	}
	i.file(what, v.summary())
	if !i.put(v.ends["header"]) {
		return nil
	}
	v.pages()
	for _, part := range []string{"top index", "properties", "footer"} {
		if p, ok := v.ends[part]; ok && !i.put(p) {
			return nil
		}
	}
	return nil
}

func (v *tableInspector) summary() string {
	inf := &v.t.inf
	return fmt.Sprintf("id %016x, %s, of database %x, made %s", inf.id, kindText(inf.kind), inf.database, millisText(inf.created))
}

func kindText(k tableKind) string {
	switch k {
	case kindFold:
		return "folded from the log"
	case kindMerge:
		return "merged from tables"
	case kindIngest:
		return "bulk load"
	case kindSnapshot:
		return "snapshot"
	}
	return fmt.Sprintf("kind %d", k)
}

// readEnds looks at all that is not blocks, pages and filters, with the fields
// of readEnds of a table.
func (v *tableInspector) readEnds() {
	t, le := v.t, binary.LittleEndian
	size := int64(len(t.data))
	header := t.data[:tableHeaderSize]
	bad := ""
	switch {
	case string(header[:8]) != tableMagic:
		bad = "not the beginning of a table"
	case crc32.ChecksumIEEE(header[:60]) != le.Uint32(header[60:]):
		bad = mismatch(le.Uint32(header[60:]), crc32.ChecksumIEEE(header[:60]))
	case le.Uint32(header[8:]) != tableVersion, le.Uint32(header[12:]) != 0:
		bad = ErrNewer.Error()
	}
	if err := t.readHeaderInfo(header); err != nil && bad == "" {
		bad = "unknown kind of table"
	}
	v.ends["header"] = Piece{Length: tableHeaderSize, What: "header", Bad: bad, Detail: v.summary()}

	at := size - tableFooterSize
	foot := t.data[at:]
	bad = ""
	switch {
	case string(foot[56:]) != footMagic:
		bad = "not the end of a table"
	case crc32.ChecksumIEEE(foot[:52]) != le.Uint32(foot[52:]):
		bad = mismatch(le.Uint32(foot[52:]), crc32.ChecksumIEEE(foot[:52]))
	case le.Uint64(foot) != uint64(size):
		bad = fmt.Sprintf("it says that the file has %d bytes", le.Uint64(foot))
	case v.ends["header"].Bad == "" && (le.Uint64(foot[8:]) != t.inf.id || le.Uint32(foot[44:]) != le.Uint32(header[60:])):
		bad = "it belongs to another header"
	}
	if v.ends["header"].Bad != "" && bad == "" {
		t.inf.id = le.Uint64(foot[8:]) // the filters need it
	}
	topOff, topLen, propLen := le.Uint64(foot[16:]), le.Uint64(foot[24:]), uint64(le.Uint32(foot[36:]))
	v.ends["footer"] = Piece{
		Offset: at, Length: tableFooterSize, What: "footer", Bad: bad,
		Detail: fmt.Sprintf("table %016x of %d bytes; top index at %d, %d bytes; properties %d bytes", le.Uint64(foot[8:]), le.Uint64(foot), topOff, topLen, propLen),
	}
	v.located = topOff >= tableHeaderSize && topOff <= uint64(at) && topLen <= uint64(at)-topOff && propLen == uint64(at)-topOff-topLen
	if v.located {
		t.topOff, t.propOff = int64(topOff), int64(topOff+topLen)
		v.readMiddle(foot)
	}
}

// readMiddle looks at top index and properties, which the footer has located.
func (v *tableInspector) readMiddle(foot []byte) {
	t, le := v.t, binary.LittleEndian
	at := int64(len(t.data)) - tableFooterSize
	top, props := t.data[t.topOff:t.propOff], t.data[t.propOff:at]
	p := Piece{Offset: t.propOff, Length: int64(len(props)), What: "properties"}
	if sum := crc32.ChecksumIEEE(props); sum != le.Uint32(foot[40:]) {
		p.Bad = mismatch(le.Uint32(foot[40:]), sum)
	}
	if err := t.inf.parse(props); err != nil {
		p.Bad = joinText(p.Bad, err.Error())
	} else {
		p.Detail = fmt.Sprintf("%d entries of %d keys, %d deletes, %d expiring, %d blocks; rev %d to %d; keys %s to %s",
			t.inf.entries, t.inf.keys, t.inf.deletes, t.inf.expiring, t.inf.blocks, t.inf.minRev, t.inf.maxRev, ikeyText(t.inf.first), ikeyText(t.inf.last))
	}
	v.ends["properties"] = p

	p = Piece{Offset: t.topOff, Length: int64(len(top)), What: "top index"}
	if sum := crc32.ChecksumIEEE(top); sum != le.Uint32(foot[32:]) {
		p.Bad = mismatch(le.Uint32(foot[32:]), sum)
	}
	// The number of blocks stands in the properties too, but these may be bad.
	if err := t.top.parse(top, pageEntrySize, 24); err == nil && t.top.n > 0 {
		if last := t.pageEntry(t.top.n - 1); last.off >= tableHeaderSize && last.off <= t.topOff-4 {
			t.inf.blocks = last.firstBlock + uint64(le.Uint32(t.data[last.off:]))
		}
	}
	if err := t.readTop(top); err != nil {
		var c *CorruptError
		errors.As(err, &c)
		p.Bad = joinText(p.Bad, c.Reason)
	} else {
		v.walkable = true
		p.Detail = fmt.Sprintf("%d index pages, %d blocks", t.top.n, t.inf.blocks)
	}
	v.ends["top index"] = p
}

// pages looks at each page of the index, its blocks before it and its filter
// behind it.
func (v *tableInspector) pages() {
	t := v.t
	end := int64(len(t.data)) - tableFooterSize
	if v.located {
		end = t.topOff
	}
	if !v.walkable {
		if end > tableHeaderSize {
			v.i.put(Piece{
				Offset: tableHeaderSize, Length: end - tableHeaderSize, What: "blocks",
				Bad: "what lies here cannot be told apart without the top index",
			})
		}
		return
	}
	at := int64(tableHeaderSize)
	for n := range t.top.n {
		d := t.pageEntry(n)
		var page indexPage
		p := Piece{Offset: d.off, Length: int64(d.size), What: "index page"}
		if err := t.checkPage(n, t.data[d.off:][:d.size], &page); err != nil {
			var c *CorruptError
			errors.As(err, &c)
			p.Bad = c.Reason
			v.i.put(Piece{Offset: at, Length: d.off - at, What: "blocks", Bad: "they cannot be told apart without their index page, up to key " + v.pageBound(n)})
		} else {
			p.Detail = fmt.Sprintf("%d blocks, keys up to %s", page.n, v.pageBound(n))
			for b := range page.n {
				if !v.block(&page, b) {
					return
				}
			}
		}
		if !v.i.put(p) || !v.filter(d) {
			return
		}
		at = d.off + int64(d.size) + int64(d.filter.size())
	}
}

func (v *tableInspector) pageBound(n int) string {
	bound, _ := v.t.top.bound(n)
	return ikeyText(bound)
}

// block looks at the two runs of a block.
func (v *tableInspector) block(page *indexPage, b int) bool {
	t := v.t
	e := page.block(b)
	p := Piece{Offset: e.off, Length: int64(e.keySize), What: "keys", Detail: fmt.Sprintf("block %d, %d entries", e.no, e.n)}
	var run keyRun
	raw, err := t.readRun(e.keys(), false)
	if err == nil {
		if err = run.parse(raw, int(e.n)); err == nil {
			err = run.check(int(e.valueRaw))
		}
	}
	if err != nil {
		bound, _ := page.bound(b)
		p.Bad = reasonOf(err)
		p.Detail += ", keys up to " + ikeyText(bound)
	} else {
		p.Detail += fmt.Sprintf(", %s to %s", ikeyText(run.key(0)), ikeyText(run.key(run.n-1)))
	}
	if e.keyCodec != codecNone {
		p.Detail += fmt.Sprintf(", zstd of %d bytes", e.keyRaw)
	}
	if !v.i.put(p) {
		return false
	}
	values := e.values()
	p = Piece{Offset: values.off, Length: int64(values.size), What: "values", Detail: fmt.Sprintf("block %d, %d bytes", e.no, values.raw)}
	if values.codec != codecNone {
		p.Detail += ", zstd"
	}
	if _, err := t.readRun(values, false); err != nil {
		p.Bad = reasonOf(err)
	}
	return v.i.put(p)
}

// filter looks at the pages of the filter behind an index page.
func (v *tableInspector) filter(d pageEntry) bool {
	p := Piece{
		Offset: d.off + int64(d.size), Length: int64(d.filter.size()), What: "filter",
		Detail: fmt.Sprintf("%d pages of %d bytes", d.filter.pages, d.filter.pageSize()),
	}
	for n := range int(d.filter.pages) {
		off := p.Offset + int64(n*d.filter.pageSize())
		page := v.t.data[off:][:d.filter.pageSize()]
		if sum := filterPageCRC(page, v.t.inf.id, off); sum != filterPageSum(page) {
			p.Bad = joinText(p.Bad, fmt.Sprintf("page %d: %s", n, mismatch(filterPageSum(page), sum)))
			break
		}
	}
	return v.i.put(p)
}

// reasonOf is what a damage consists in, without the place.
func reasonOf(err error) string {
	var c *CorruptError
	if errors.As(err, &c) {
		return c.Reason
	}
	return err.Error()
}

func mismatch(says, gives uint32) string {
	return fmt.Sprintf("checksum mismatch: it says %08x, the bytes give %08x", says, gives)
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// ikeyText is an internal key for people.
func ikeyText(ikey []byte) string {
	family, key := splitIKey(ikey)
	if len(family) == 0 {
		return shortKey(key)
	}
	return fmt.Sprintf("%s of cf %s", shortKey(key), family)
}
