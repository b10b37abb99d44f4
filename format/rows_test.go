package format

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// goldenRows are rows with every kind of column and of trouble.
func goldenRows(t *testing.T, w *bytes.Buffer, o Options) {
	t.Helper()
	r := NewRows(w, o,
		Column{Name: "key", Kind: Bytes}, Column{Name: "value", Kind: Bytes}, Column{Name: "op", Kind: Text}, Column{Name: "rev", Kind: Int}, Column{Name: "size", Kind: Size},
		Column{Name: "time", Kind: Time}, Column{Name: "age", Kind: Age}, Column{Name: "ttl", Kind: TTL}, Column{Name: "live", Kind: Bool}, Column{Name: "expires", Kind: Time})
	then := testNow.Add(-3*time.Minute - 123*time.Millisecond)
	for _, row := range [][]any{
		{"user:1", []byte("plain text"), "set", 1, 10, then, then, nil, true, nil},
		{"user:2", []byte(""), "set", int64(2), int64(0), then, then, 90*time.Minute + 1500*time.Millisecond, false, testNow.Add(time.Hour)},
		{"日本", []byte("wide 😀, \"quoted\""), "set", uint64(1<<63 + 1), uint64(5 << 20), then, then, 250 * time.Millisecond, true, nil},
		{"a b\t", []byte("two\nlines\x1b[31m"), "", nil, nil, nil, time.Time{}, nil, nil, nil},
		{"bad\xff", []byte("cr\r\nlf"), nil, -3, 1023, then, testNow.Add(time.Minute), time.Duration(0), true, nil},
		{"-", []byte(`back\slash`), "del", 5, 1024, then, then, nil, true, nil},
		{"long", bytes.Repeat([]byte("0123456789"), 30), "set", 6, 300, then, then, nil, true, nil},
	} {
		if err := r.Row(row...); err != nil {
			t.Fatalf("Row(%q) in mode %v: %v", row, o.Mode, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatalf("Close in mode %v: %v", o.Mode, err)
	}
}

func TestRowsGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"raw", Options{Mode: Raw}},
		{"pretty", Options{Mode: Pretty}},
		{"pretty120", Options{Mode: Pretty, Width: 130}},
		{"pretty40", Options{Mode: Pretty, Width: 40}},
		{"prettycolor", Options{Mode: Pretty, Width: 130, Color: true}},
		{"quoted", Options{Mode: Quoted}},
		{"table", Options{Mode: Table}},
		{"table150", Options{Mode: Table, Width: 150}},
		{"jsonl", Options{Mode: JSONL}},
		{"json", Options{Mode: JSON}},
		{"csv", Options{Mode: CSV}},
		{"tsv", Options{Mode: TSV, Header: true}},
		{"nul", Options{Mode: NUL}},
		{"hex", Options{Mode: Hex}},
		{"kvsh", Options{Mode: Kvsh}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Now = testNow
			var got bytes.Buffer
			goldenRows(t, &got, c.o)
			checkGolden(t, filepath.Join("rows", c.name+".txt"), got.Bytes())
		})
	}
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %s, want %s", name, got, want)
	}
}
