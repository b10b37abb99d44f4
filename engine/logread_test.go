package engine

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func setKey(key string) func(context.Context, Tx) error {
	return func(ctx context.Context, tx Tx) error { return tx.Set(ctx, key, []byte("v")) }
}

func recordsTest(t *testing.T, dir string, from, to Rev) (all []RecordInfo) {
	t.Helper()
	err := Records(t.Context(), nil, dir, from, to, func(r RecordInfo) bool {
		all = append(all, r)
		return true
	})
	if err != nil {
		t.Fatalf("Records(%d, %d) = %v", from, to, err)
	}
	return all
}

// Records yields every transaction once and in order, from the folders of a
// database as from a folder of segments alone, and reads without FORMAT,
// MARK and MANIFEST.
func TestRecords(t *testing.T) {
	dir, _ := richDir(t)
	for _, name := range []string{formatFile, markFile, manifestFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := treeOf(t, dir)
	all := recordsTest(t, dir, 0, 0)
	for i, r := range all {
		if i > 0 && (r.Rev != all[i-1].Rev+1 || r.Prev != all[i-1].Checksum) || r.Bad != "" || r.Writer != "golden" || len(r.Ops) == 0 {
			t.Errorf("record %d = %+v after %+v", i, r, all[max(i-1, 0)])
		}
	}
	if n := len(all); n == 0 || all[n-1].Rev != 162 || all[n-1].Ops[0].Key != "end" {
		t.Fatalf("%d records, want revision 162 as the last", n)
	}
	if got := recordsTest(t, dir, 120, 130); len(got) != 11 || got[0].Rev != 120 || got[10].Rev != 130 {
		t.Errorf("Records(120, 130) = %d records, want 11", len(got))
	}
	alone := recordsTest(t, filepath.Join(dir, logDir), 0, 0)
	if len(alone) == 0 || len(alone) >= len(all) || alone[len(alone)-1].Rev != 162 {
		t.Errorf("%d records in log/ alone, of %d", len(alone), len(all))
	}
	segs, err := Segments(t.Context(), nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	next, n := all[0].Rev, int64(0)
	for _, s := range segs {
		if s.First != next || s.State != SegmentGood || s.Last != s.First+Rev(s.Records)-1 {
			t.Errorf("segment %+v, want one from revision %d on", s, next)
		}
		next, n = s.Last+1, n+s.Records
	}
	if n != int64(len(all)) {
		t.Errorf("%d records in the segments, want %d", n, len(all))
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("reading the log changed the directory from\n%s\nto\n%s", before, after)
	}
}

// A missing segment shows as a gap, and what follows is read.
func TestRecordsGap(t *testing.T) {
	dir, _ := richDir(t)
	segs, err := Segments(t.Context(), nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	i := len(segs) / 2
	gone := segs[i]
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(gone.File))); err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, r := range recordsTest(t, dir, 0, 0) {
		if r.Rev >= gone.First && r.Rev <= gone.Last && r.Bad == "" {
			t.Errorf("revision %d of the segment that is gone is read", r.Rev)
		}
		if r.Bad != "" {
			bad++
			if r.Rev != gone.First || r.File != segs[i-1].File || r.Offset != segs[i-1].Bytes {
				t.Errorf("bad place %+v, want revision %d at the end of %s", r, gone.First, segs[i-1].File)
			}
		}
	}
	if bad != 1 {
		t.Errorf("%d bad places, want 1", bad)
	}
}

// movingFS calls move once, after the first look into log/.
type movingFS struct {
	FS
	move func()
}

func (f *movingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := f.FS.ReadDir(name)
	if filepath.Base(name) == logDir && f.move != nil {
		f.move()
		f.move = nil
	}
	return entries, err
}

// A segment that moves to history/ while the folders are listed is seen once,
// and the database is clean.
func TestListLogWhileSegmentsMove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	db := openTest(t, dir, Options{Create: true, sizes: sizes{segment: 300, fold: 1 << 30, slice: 1 << 20, load: 1 << 20, small: 1 << 10, keep: 1 << 30}})
	for i := range 40 {
		updateTest(t, db, setKey(fmt.Sprint(i)))
	}
	moving := &movingFS{FS: OS, move: func() {
		if err := db.maintain(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}}
	places, _, err := listLog(moving, dir)
	if err != nil {
		t.Fatal(err)
	}
	if moving.move != nil || len(places) < 3 {
		t.Fatalf("listLog = %d places, want several, listed while they moved", len(places))
	}
	for i, p := range places {
		if i > 0 && p.first <= places[i-1].first {
			t.Errorf("listLog names the segment %d twice, in %s and %s", p.first, places[i-1].folder, p.folder)
		}
		if _, err := os.Stat(filepath.Join(dir, p.file())); err != nil {
			t.Errorf("listLog names %s: %v", p.file(), err)
		}
	}
}
