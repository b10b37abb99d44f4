package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// oneFileFS is one file in memory, for tests that open it a million times.
type oneFileFS struct {
	FS
	data []byte
}

type oneFile struct {
	File
	data []byte
}

type oneFileInfo struct {
	fs.FileInfo
	size int64
}

func (i oneFileInfo) Size() int64             { return i.size }
func (m oneFileFS) Open(string) (File, error) { return oneFile{data: m.data}, nil }
func (m oneFileFS) OpenFile(name string, _ int, _ fs.FileMode) (File, error) {
	return m.Open(name)
}
func (f oneFile) Stat() (fs.FileInfo, error) { return oneFileInfo{size: int64(len(f.data))}, nil }
func (f oneFile) Close() error               { return nil }
func (f oneFile) Map(n int, _ bool) ([]byte, func() error, error) {
	return f.data[:n:n], func() error { return nil }, nil
}

// damageable is a table small enough to damage it at every place.
func damageable(t testing.TB, compress bool) ([]byte, []version) {
	t.Helper()
	var vs []version
	for i := range 210 {
		key := fmt.Appendf(nil, "\x00k%03d%s", i/2, "xyz"[:i/2%3])
		v := version{key: key, rev: Rev(500 - i), stamp: Stamp(i * i), origin: uint64(i / 100), value: bytes.Repeat([]byte{byte(i)}, i%9), size: i % 9}
		if i%10 == 3 {
			v.deleted, v.value, v.size = true, nil, 0
		}
		vs = append(vs, v)
	}
	o := smallTable
	o.blockSize, o.pageSize, o.compress = 600, 400, compress
	path, info := writeTable(t, o, vs)
	if info.blocks < 6 {
		t.Fatalf("blocks = %d, want several pages of them", info.blocks)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b, vs
}

// readTable opens a table and reads all of it in every way. It returns the first
// error, or nil if all was as vs has it.
func readTable(data []byte, vs []version) error {
	tab, err := openTable(oneFileFS{data: data}, "", "tables/t.kvt", assigned{})
	if err != nil {
		return err
	}
	defer tab.release()
	for i := 0; i < len(vs); i += 5 { // of each block and filter page something
		var got version
		switch ok, err := tab.get(vs[i].key, vs[i].rev, &got); {
		case err != nil:
			return err
		case !ok || !sameVersion(&got, &vs[i]):
			return fmt.Errorf("get(%q) = %t, %v, want %v", vs[i].key, ok, &got, &vs[i])
		}
	}
	for _, reverse := range []bool{false, true} {
		src := tab.iter(iterOptions{reverse: reverse})
		want := newSliceSource(vs, reverse)
		for want.next() {
			if !src.next() {
				src.close()
				if src.err() != nil {
					return src.err()
				}
				return fmt.Errorf("iter ended before %v", want.cur())
			}
			if !sameVersion(src.cur(), want.cur()) {
				src.close()
				return fmt.Errorf("iter = %v, want %v", src.cur(), want.cur())
			}
		}
		src.close()
	}
	return nil
}

// No flipped bit of a table passes: reading says damaged, or gives what was
// written, and verify finds it.
func TestTableFlips(t *testing.T) {
	for _, compress := range []bool{false, true} {
		data, vs := damageable(t, compress)
		if err := readTable(data, vs); err != nil {
			t.Fatal(err)
		}
		for i := range data {
			for bit := range 8 {
				data[i] ^= 1 << bit
				if err := readTable(data, vs); err != nil && !errors.Is(err, ErrDamaged) {
					t.Fatalf("byte %d bit %d flipped: %v, want damaged or no difference", i, bit, err)
				}
				if bit == i%8 { // verify is slower, and one bit of a byte is like another to a checksum
					if found := verifyErrors(data); len(found) == 0 {
						t.Fatalf("byte %d bit %d flipped: verify finds nothing", i, bit)
					}
				}
				data[i] ^= 1 << bit
			}
		}
		t.Logf("%d flips", 8*len(data))
	}
}

// verifyErrors is what opening and verifying finds.
func verifyErrors(data []byte) (found []error) {
	tab, err := openTable(oneFileFS{data: data}, "", "tables/t.kvt", assigned{})
	if err != nil {
		return []error{err}
	}
	defer tab.release()
	tab.verify(context.Background(), func(err error) { found = append(found, err) })
	return found
}

// A table cut or grown at any byte is damaged.
func TestTableTruncations(t *testing.T) {
	data, _ := damageable(t, false)
	for n := range data {
		if _, err := openTable(oneFileFS{data: data[:n]}, "", "t", assigned{}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("openTable of the first %d of %d bytes = %v, want damaged", n, len(data), err)
		}
	}
	if _, err := openTable(oneFileFS{data: append(bytes.Clone(data), 0)}, "", "t", assigned{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("openTable with a byte more = %v, want damaged", err)
	}
}

// Verify goes on after a fault, and names the place of each.
func TestTableVerifyGoesOn(t *testing.T) {
	data, _ := damageable(t, false)
	tab, err := openTable(oneFileFS{data: data}, "", "tables/t.kvt", assigned{})
	if err != nil {
		t.Fatal(err)
	}
	var page indexPage
	if err := tab.page(0, &page); err != nil {
		t.Fatal(err)
	}
	e := page.block(1)
	first, second := page.block(0).off, e.values().off
	data[first]++
	data[second]++
	found := verifyErrors(data)
	var a, b *CorruptError
	if len(found) != 2 || !errors.As(found[0], &a) || !errors.As(found[1], &b) || a.Offset != first || b.Offset != second || a.File != "tables/t.kvt" {
		t.Errorf("verify = %v, want faults at %d and %d", found, first, second)
	}
}

// A table of a later format is said to be newer, not damaged.
func TestTableNewer(t *testing.T) {
	for _, at := range []int{8, 12} {
		data, _ := damageable(t, false)
		data[at] = 9
		binary.LittleEndian.PutUint32(data[60:], crc32.ChecksumIEEE(data[:60]))
		if _, err := openTable(oneFileFS{data: data}, "", "t", assigned{}); !errors.Is(err, ErrNewer) || errors.Is(err, ErrDamaged) {
			t.Errorf("openTable with byte %d = 9 = %v, want %v", at, err, ErrNewer)
		}
	}
}

// forgeTable sets every checksum of a table as if its contents were right, so that
// what lies behind the checksums is reached. It stops where nothing is to be
// made of the parts.
func forgeTable(data []byte) {
	size := len(data)
	if size < tableHeaderSize+tableFooterSize {
		return
	}
	le, sum := binary.LittleEndian, crc32.ChecksumIEEE
	copy(data, tableMagic)
	le.PutUint32(data[60:], sum(data[:60]))
	foot := data[size-tableFooterSize:]
	copy(foot[56:], footMagic)
	le.PutUint64(foot, uint64(size))
	le.PutUint64(foot[8:], le.Uint64(data[16:]))
	le.PutUint32(foot[44:], le.Uint32(data[60:]))
	part := func(off, n uint64) []byte {
		if off > uint64(size) || n > uint64(size)-off {
			return nil
		}
		return data[off:][:n]
	}
	topOff, topLen := le.Uint64(foot[16:]), le.Uint64(foot[24:])
	top := part(topOff, topLen)
	for i := 0; len(top) >= 4 && i < int(le.Uint32(top)) && len(top) >= 4+(i+1)*pageEntrySize; i++ {
		e := top[4+i*pageEntrySize:]
		off, n := le.Uint64(e), uint64(le.Uint32(e[8:]))
		page := part(off, n)
		for b := 0; len(page) >= 4 && b < int(le.Uint32(page)) && len(page) >= 4+(b+1)*blockEntrySize; b++ {
			d := page[4+b*blockEntrySize:]
			keys := uint64(le.Uint32(d[8:]))
			le.PutUint32(d[24:], sum(part(le.Uint64(d), keys)))
			le.PutUint32(d[28:], sum(part(le.Uint64(d)+keys, uint64(le.Uint32(d[16:])))))
		}
		le.PutUint32(e[12:], sum(page))
		shape := filterShape{pages: le.Uint32(e[36:]), lines: le.Uint32(e[40:])}
		for p := 0; shape.valid() && p < int(shape.pages); p++ {
			at := off + n + uint64(p*shape.pageSize())
			if f := part(at, uint64(shape.pageSize())); f != nil {
				le.PutUint32(f[len(f)-4:], filterPageCRC(f, le.Uint64(data[16:]), int64(at)))
			}
		}
	}
	le.PutUint32(foot[32:], sum(top))
	le.PutUint32(foot[40:], sum(part(topOff+topLen, uint64(le.Uint32(foot[36:])))))
	le.PutUint32(foot[52:], sum(foot[:52]))
}

// probeTable reads a table that may be anything in every way. Only errors of the
// two kinds may come of it.
func probeTable(t *testing.T, data []byte) {
	t.Helper()
	check := func(err error) {
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Fatalf("error %v, want damaged or newer", err)
		}
	}
	tab, err := openTable(oneFileFS{data: data}, "", "t", assigned{rev: 1})
	check(err)
	if err != nil {
		return
	}
	defer tab.release()
	var v version
	for _, key := range []string{"", "\x00", "\x00k050y", "\x00k1", "\xff"} {
		_, err := tab.get([]byte(key), 400, &v)
		check(err)
	}
	for _, o := range []iterOptions{
		{},
		{reverse: true},
		{lo: []byte("\x00k02"), hi: []byte("\x00k09")},
		{reverse: true, lo: []byte("\x00k02"), hi: []byte("\x00k09")},
		{match: func(k []byte) bool { return len(k)%2 == 0 }},
	} {
		src := tab.iter(o)
		for n := 0; n < 1<<16 && src.next(); n++ {
			v = *src.cur()
		}
		check(src.err())
		src.close()
	}
	tab.verify(context.Background(), check)
}

// Nothing that a table says is believed, also where every checksum is right.
// Fuzz it with -fuzzminimizetime 5x: making inputs of this size small takes all
// the time there is.
func FuzzOpenTable(f *testing.F) {
	for _, compress := range []bool{false, true} {
		data, _ := damageable(f, compress)
		f.Add(data, true)
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, forged bool) {
		data = bytes.Clone(data) // the fuzzer's own bytes must stay as they are
		if forged {
			forgeTable(data)
		}
		probeTable(t, data)
	})
}

// The same, with each byte of a table changed in ways that lengths, counts and
// offsets do not like.
func TestTableForged(t *testing.T) {
	for _, compress := range []bool{false, true} {
		good, _ := damageable(t, compress)
		for i := range good {
			for _, x := range []byte{0, 1, 0x7f, 0x80, 0xff, good[i] + 1, good[i] - 1} {
				data := bytes.Clone(good)
				data[i] = x
				forgeTable(data)
				probeTable(t, data)
			}
		}
	}
}

// Verify checks what reading takes on trust: here every checksum is right, and
// what it covers is not.
func TestTableVerifyTrust(t *testing.T) {
	good, _ := damageable(t, false)
	tab, err := openTable(oneFileFS{data: good}, "", "t", assigned{})
	if err != nil {
		t.Fatal(err)
	}
	var page indexPage
	if err := tab.page(0, &page); err != nil {
		t.Fatal(err)
	}
	e := page.block(0)
	d := tab.pageEntry(0)
	var run keyRun
	if err := tab.keyRun(&e, nil, &run); err != nil {
		t.Fatal(err)
	}
	keys := int(e.off) + int(e.keySize) - len(run.keys)
	bounds := int(d.off) + 4 + page.n*blockEntrySize
	filter := int(d.off) + d.size
	deleted := int(e.off) + keyRunHeaderSize
	for i := range colDeleted {
		deleted += len(run.cols[i].deltas)
	}
	for _, c := range []struct {
		name, want string
		change     func(data []byte)
	}{
		{"order of keys", "out of order", func(data []byte) { data[keys+4] = '3' }},
		{"unknown key", "filter denies", func(data []byte) { data[keys+1] = 'j' }},
		{"order of revisions", "out of order", func(data []byte) {
			at := int(e.off) + 4 + colRev*columnHeaderSize // the revisions fall by one from key to key; now they rise
			binary.LittleEndian.PutUint32(data[at+8:], 1)
		}},
		{"no family", "no family", func(data []byte) { data[keys] = 1 }},
		{"bound too low", "beyond its bound", func(data []byte) { data[bounds+1] = 'a' }},
		{"bound too high", "before the bound", func(data []byte) { data[bounds+1] = 'z' }},
		{"filter", "filter denies", func(data []byte) { clear(data[filter : filter+filterLineSize]) }},
		{"number of deletes", "properties", func(data []byte) { data[tab.propOff+16]++ }},
		{"last key", "first or last key", func(data []byte) { data[len(data)-tableFooterSize-1]++ }},
		{"value of a delete", "has a value", func(data []byte) { data[deleted+1] = 1 }}, // version 0 has none
	} {
		data := bytes.Clone(good)
		c.change(data)
		forgeTable(data)
		found := verifyErrors(data)
		if len(found) == 0 || !errors.Is(found[0], ErrDamaged) || !strings.Contains(fmt.Sprint(found), c.want) {
			t.Errorf("%s: verify = %v, want %q", c.name, found, c.want)
		}
	}
}

// Verify ends when the context does, and says so.
func TestTableVerifyCancelled(t *testing.T) {
	data, _ := damageable(t, false)
	tab, err := openTable(oneFileFS{data: data}, "", "t", assigned{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var found []error
	tab.verify(ctx, func(err error) { found = append(found, err) })
	if len(found) != 1 || !errors.Is(found[0], context.Canceled) {
		t.Errorf("verify = %v, want %v alone", found, context.Canceled)
	}
}
