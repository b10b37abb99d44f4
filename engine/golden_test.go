package engine

import (
	"context"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// goldenDir is a database of format 1 with every kind of file: folded, merged
// and ingested tables, segments in log/ and history/, something in quarantine/.
// It must open for ever; golden.txt beside it is what it holds.
const goldenDir = "testdata/golden-v1"

// makeGolden writes the golden database. Its clock stands still between steps.
func makeGolden(t *testing.T, dir string) {
	t.Helper()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	o := Options{
		Create: true, Writer: "golden", Now: func() time.Time { return now },
		sizes: sizes{segment: 700, fold: 3000, slice: 4000, load: 1 << 20, small: 200, keep: 6000},
	}
	db := openTest(t, dir, o)
	for i := range 160 {
		now = now.Add(time.Second)
		updateTest(t, db, func(ctx context.Context, tx Tx) error {
			key := fmt.Sprintf("user:%d", i*7%40)
			switch {
			case i%11 == 5:
				return tx.Delete(ctx, key)
			case i%13 == 6:
				return tx.SetExpiring(ctx, key, []byte("soon gone"), now.Add(time.Duration(i)*time.Hour))
			case i%17 == 3:
				return tx.In("sessions").Set(ctx, key, []byte{0, 0xff, '\r', '\n', byte(i)})
			}
			if err := tx.Set(ctx, "last", fmt.Appendf(nil, "%d", i)); err != nil {
				return err
			}
			return tx.Set(ctx, key, []byte(strings.Repeat("v", i)))
		})
		if i == 80 {
			items := func(yield func(Item, error) bool) {
				for j := range 60 {
					if !yield(Item{Key: fmt.Appendf(nil, "item:%02d", j), Value: []byte("loaded")}, nil) {
						return
					}
				}
			}
			if res, err := db.Load(t.Context(), items, Replace); err != nil || res.Added != 60 {
				t.Fatalf("Load = %+v, %v", res, err)
			}
		}
	}
	db.Close()
	// A torn tail, which the next writer moves to quarantine/.
	firsts, _, err := listSegments(OS, filepath.Join(dir, logDir))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, logDir, segmentName(firsts[len(firsts)-1])), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\x70kv\x01 torn"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	db = openTest(t, dir, o)
	updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "end", nil) })
	db.Close()
}

func openTest(t testing.TB, dir string, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("Open(%s) = %v", dir, err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func updateTest(t testing.TB, db *DB, fn func(context.Context, Tx) error) Rev {
	t.Helper()
	res, err := db.Update(t.Context(), func(tx Tx) error { return fn(t.Context(), tx) })
	if err != nil {
		t.Fatalf("Update = %v", err)
	}
	return res.Rev
}

// dumpState writes everything that can be read at a revision, a line each.
func dumpState(t testing.TB, db Store, at Rev) string {
	t.Helper()
	var b strings.Builder
	ctx := t.Context()
	err := db.View(ctx, at, func(tx Tx) error {
		fmt.Fprintf(&b, "revision %d\n", tx.Rev())
		families, err := tx.Families(ctx)
		if err != nil {
			return err
		}
		for _, family := range append([]string{""}, families...) {
			for e, err := range tx.In(family).Scan(ctx, Range{}) {
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "%q %q %q rev %d stamp %d", family, e.Key, e.Value, e.Rev, e.Stamp)
				if !e.Expires.IsZero() {
					fmt.Fprintf(&b, " expires %d", e.Expires.UnixMilli())
				}
				b.WriteByte('\n')
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("View(%d) = %v", at, err)
	}
	return b.String()
}

func copyTree(t testing.TB, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A database of format 1 reads as it did when it was written, at every
// revision it keeps, and takes writes.
func TestGoldenDatabase(t *testing.T) {
	if *update {
		if err := os.RemoveAll(goldenDir); err != nil {
			t.Fatal(err)
		}
		makeGolden(t, goldenDir)
	}
	dir := filepath.Join(t.TempDir(), "golden.kv")
	copyTree(t, dir, goldenDir)
	for _, sub := range []string{logDir, historyDir, tablesDir, quarantineDir} {
		if entries, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(entries) == 0 {
			t.Errorf("%s of the golden database holds %d files, %v, want some", sub, len(entries), err)
		}
	}
	before := treeOf(t, dir)
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	o := Options{Now: func() time.Time { return now }, Notice: func(s string) { t.Errorf("notice: %s", s) }}
	db := openTest(t, dir, o)
	got := dumpState(t, db, Newest)
	for _, at := range []Rev{40, 80, 81, 82, 83, 120} {
		got += dumpState(t, db, at)
	}
	golden := goldenDir + ".txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the golden database reads as\n%s\nwant\n%s", got, want)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("reading changed the directory from\n%s\nto\n%s", before, after)
	}
	rev := updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "new", []byte("x")) })
	if rev != 163 {
		t.Errorf("the next revision is %d, want 163", rev)
	}
}

// treeOf lists all files below a folder with their sizes, times and contents.
func treeOf(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %d %v", path, info.Mode(), info.Size(), info.ModTime())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", crc32.ChecksumIEEE(data))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
