package engine

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
)

var updateTables = flag.Bool("update", false, "rewrite golden files")

// goldenTable are the versions of the tables in testdata. They never change.
func goldenTable(compress bool) (tableOptions, []version) {
	var vs []version
	for i := range 300 {
		key := fmt.Appendf(nil, "\x00user:%04d", i)
		for rev := i % 4; rev >= 0; rev-- {
			v := version{key: key, rev: Rev(rev*1000 + i + 1), stamp: Stamp(rev*1000+i) << 16, origin: uint64(i % 2)}
			switch {
			case rev == 2:
				v.deleted = true
			case i%7 == 0:
				v.expires = 1_700_000_000_000 + int64(i)
				fallthrough
			default:
				v.value = bytes.Repeat(fmt.Appendf(nil, "value %d ", i*i*i), 1+i%5)
				v.size = len(v.value)
			}
			vs = append(vs, v)
		}
	}
	vs = append(vs, version{key: []byte("cf\x00\xff\xfe"), rev: 1, stamp: 1, value: []byte{0}, size: 1})
	o := smallTable
	o.kind, o.compress, o.blockSize, o.pageSize, o.snapshotRev, o.historyFrom = kindSnapshot, compress, 2000, 500, 4000, 2
	return o, vs
}

// A table of format version 1 opens for ever, and writing the same again gives
// the same bytes; but not what a compressor makes of them, which may improve.
func TestTableGolden(t *testing.T) {
	for _, name := range []string{"table-v1.kvt", "table-v1-zstd.kvt"} {
		path, compress := "testdata/"+name, name != "table-v1.kvt"
		o, vs := goldenTable(compress)
		made, _ := writeTable(t, o, vs)
		now, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		if *updateTables {
			if err := os.WriteFile(path, now, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tab, err := openTable(OS, path, path, assigned{})
		if err != nil {
			t.Fatal(err)
		}
		defer tab.release()
		tab.verify(context.Background(), func(err error) { t.Errorf("verify: %v", err) })
		checkSource(t, "iter", tab.iter(iterOptions{}), vs)
		for i := range vs {
			checkGet(t, tab, vs[i].key, vs[i].rev, &vs[i])
		}
		if i := tab.info(); i.kind != kindSnapshot || i.snapshotRev != 4000 || i.historyFrom != 2 || i.database != o.database || i.id != 7 || i.created != 1e12 {
			t.Errorf("%s: info() = %+v, want what goldenTable says", name, i)
		}
		if !compress && !bytes.Equal(now, tab.data) {
			t.Errorf("%s: writing its versions again gives other bytes", name)
		}
	}
}
