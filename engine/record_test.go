package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenRecords are records whose bytes must never change. Their hex stands in
// testdata/record-v1.hex, a line each.
func goldenRecords() (recs []record, ops [][]operation) {
	recs = []record{
		{rev: 1, stamp: 0x0123456789abcdef, origin: 7, writer: []byte("test")},
		{rev: 2, stamp: 1 << 63, origin: 1<<64 - 1, prev: 0xdeadbeef, flags: flagAllDurable},
		{rev: 1 << 40, stamp: 3, writer: bytes.Repeat([]byte("w"), maxWriterSize)},
	}
	ops = [][]operation{
		{
			{op: OpSet, key: []byte("a"), value: []byte("1")},
			{op: OpDelete, key: []byte("b\x00")},
			{op: OpSetExpiring, key: []byte("c"), value: []byte{}, expires: 1_700_000_000_123},
			{op: OpSet, family: []byte("f"), key: []byte("a"), value: []byte("\xff\r\n")},
		},
		{{op: OpDelete, family: []byte(strings.Repeat("x", MaxFamilySize)), key: []byte("k")}},
		{
			{op: OpIngest, table: tableRef{id: 1, size: 2, sum: 3, entries: 4}},
			{op: OpIngest, table: tableRef{id: 9, size: 1 << 40, sum: 1<<32 - 1, entries: 10_000_000}},
		},
	}
	return recs, ops
}

// The bytes of version 1 are what they were when it was released.
func TestRecordGolden(t *testing.T) {
	recs, ops := goldenRecords()
	var got strings.Builder
	for i := range recs {
		data, _ := appendRecord(nil, &recs[i], ops[i])
		got.WriteString(hex.EncodeToString(data) + "\n")
	}
	path := filepath.Join("testdata", "record-v1.hex")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("records are\n%swant\n%s", got.String(), want)
	}
}

// A record decodes to what was encoded.
func TestRecordRoundTrip(t *testing.T) {
	recs, ops := goldenRecords()
	for i := range recs {
		data, sum := appendRecord(nil, &recs[i], ops[i])
		var r record
		if err := r.parse(data); err != nil {
			t.Fatalf("parse(%d) = %v", i, err)
		}
		if want := &recs[i]; r.rev != want.rev || r.stamp != want.stamp || r.origin != want.origin || r.prev != want.prev ||
			r.flags != want.flags || !bytes.Equal(r.writer, want.writer) || r.sum != sum || r.count != len(ops[i]) || r.size != len(data) {
			t.Errorf("parse(%d) = %+v, want %+v", i, r, *want)
		}
		n := 0
		err := r.each(func(o *operation) bool {
			want := &ops[i][n]
			if o.op != want.op || !bytes.Equal(o.family, want.family) || !bytes.Equal(o.key, want.key) ||
				!bytes.Equal(o.value, want.value) || o.expires != want.expires || o.table != want.table {
				t.Errorf("operation %d of %d = %+v, want %+v", n, i, o, want)
			}
			size := opSize(o.op, len(o.family), len(o.key), len(o.value))
			if got := len(appendOperation(nil, o)); got != size {
				t.Errorf("opSize(%+v) = %d, it takes %d bytes", o, size, got)
			}
			n++
			return true
		})
		if err != nil || n != len(ops[i]) {
			t.Errorf("each(%d) = %d operations, %v, want %d", i, n, err, len(ops[i]))
		}
	}
}

// No byte of a record can be cut off or changed in any bit unseen.
func TestRecordDamage(t *testing.T) {
	recs, ops := goldenRecords()
	for i := range recs {
		data, _ := appendRecord(nil, &recs[i], ops[i])
		var r record
		for n := range data {
			if err := r.parse(data[:n]); err == nil {
				t.Errorf("parse of %d of %d bytes = nil, want an error", n, len(data))
			}
			for bit := range 8 {
				data[n] ^= 1 << bit
				if err := r.parse(data); err == nil {
					t.Errorf("parse with bit %d of byte %d flipped = nil, want an error", bit, n)
				}
				data[n] ^= 1 << bit
			}
		}
	}
	var r record
	if err := r.parse(make([]byte, 4096)); err == nil {
		t.Error("parse of zeros = nil, want an error")
	}
}

// Whatever parses is the one spelling of what it says.
func FuzzRecord(f *testing.F) {
	recs, ops := goldenRecords()
	for i := range recs {
		data, _ := appendRecord(nil, &recs[i], ops[i])
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 {
			return
		}
		// Else nothing gets past the checksum.
		data = bytes.Clone(data)
		binary.LittleEndian.PutUint32(data[len(data)-4:], crc32.ChecksumIEEE(data[:len(data)-4]))
		var r record
		if r.parse(data) != nil {
			return
		}
		var ops []operation
		if r.each(func(o *operation) bool { ops = append(ops, *o); return true }) != nil {
			return
		}
		if again, _ := appendRecord(nil, &r, ops); !bytes.Equal(again, data) {
			t.Errorf("%x decodes and encodes to %x", data, again)
		}
	})
}

// Operations out of order, twice for a key, or with bytes behind them are
// refused though the checksum is good.
func TestRecordOrder(t *testing.T) {
	a := operation{op: OpSet, key: []byte("a"), value: []byte("1")}
	b := operation{op: OpDelete, key: []byte("b")}
	f := operation{op: OpSet, family: []byte("f"), key: []byte("a")}
	in := operation{op: OpIngest, table: tableRef{id: 1}}
	for _, c := range []struct {
		name string
		ops  []operation
		ok   bool
	}{
		{"in order", []operation{a, b, f}, true},
		{"keys swapped", []operation{b, a}, false},
		{"families swapped", []operation{f, a}, false},
		{"a key twice", []operation{a, a}, false},
		{"ingest and others", []operation{a, in}, false},
		{"others and ingest", []operation{in, a}, false},
		{"an ingest twice", []operation{in, in}, false},
	} {
		data, _ := appendRecord(nil, &record{rev: 1}, c.ops)
		var r record
		if err := r.parse(data); err != nil {
			t.Fatal(err)
		}
		if err := r.each(func(*operation) bool { return true }); (err == nil) != c.ok {
			t.Errorf("each of %s = %v, want ok %t", c.name, err, c.ok)
		}
	}
}

// A length has one spelling, and one that no record has is refused before
// anything is read.
func TestParseFrame(t *testing.T) {
	for _, c := range []struct {
		in    []byte
		n     int
		size  int
		short bool
		ok    bool
	}{
		{binary.AppendUvarint(nil, recordMinSize), 1, recordMinSize, false, true},
		{binary.AppendUvarint(nil, maxRecordSize), 4, maxRecordSize, false, true},
		{binary.AppendUvarint(nil, maxRecordSize+1), 0, 0, false, false},
		{binary.AppendUvarint(nil, 1<<63), 0, 0, false, false},
		{binary.AppendUvarint(nil, recordMinSize-1), 0, 0, false, false},
		{[]byte{0}, 0, 0, false, false},
		{[]byte{0xe0, 0x00}, 0, 0, false, false},
		{bytes.Repeat([]byte{0x80}, 10), 0, 0, false, false},
		{[]byte{0x80}, 0, 0, true, false},
		{nil, 0, 0, true, false},
	} {
		n, size, short, err := parseFrame(c.in)
		if n != c.n || size != c.size || short != c.short || (err == nil) != c.ok {
			t.Errorf("parseFrame(%x) = %d, %d, %t, %v, want %d, %d, %t, ok %t", c.in, n, size, short, err, c.n, c.size, c.short, c.ok)
		}
	}
}
