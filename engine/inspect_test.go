package engine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (f oneFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (oneFileInfo) Mode() fs.FileMode { return 0o600 }

// inspectBytes returns the pieces of a file with some name and content.
func inspectBytes(t testing.TB, name string, data []byte) (pieces []Piece, err error) {
	t.Helper()
	err = Inspect(t.Context(), oneFileFS{data: data}, name, 0, func(p Piece) bool {
		pieces = append(pieces, p)
		return true
	})
	return pieces, err
}

// contentOf is the content of every file of a database but the locks.
func contentOf(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			all[filepath.ToSlash(rel)] = b
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isDetail reports whether a piece is a part of the one before it.
func isDetail(p *Piece) bool {
	switch p.What {
	case "set", "del", "ingest", "more":
		return true
	}
	return false
}

// Every file of a whole database is known and good, and its parts cover it
// from the first byte to the last without a gap.
func TestInspectWhole(t *testing.T) {
	dir, _ := richDir(t)
	all := contentOf(t, dir)
	for _, name := range []string{formatFile, manifestFile, markFile, lockFile} {
		if all[name] == nil {
			t.Fatalf("no %s", name)
		}
	}
	for name, data := range all {
		if strings.HasPrefix(name, quarantineDir+"/") {
			continue // which holds what is bad
		}
		pieces, err := inspectBytes(t, name, data)
		if err != nil || len(pieces) < 2 || pieces[0].Length != int64(len(data)) {
			t.Errorf("Inspect(%s) = %d pieces, %v", name, len(pieces), err)
			continue
		}
		end, ops := int64(0), int64(0) // of the parts, and of the operations of the last record
		for _, p := range pieces[1:] {
			if p.Bad != "" {
				t.Errorf("%s: %+v, want good", name, p)
			}
			if isDetail(&p) {
				if ops != 0 && p.Offset != ops {
					t.Errorf("%s: %+v, want it at byte %d", name, p, ops)
				}
				ops = p.Offset + p.Length
				continue
			}
			if ops != 0 && ops != end-4 { // the checksum of the record
				t.Errorf("%s: the operations before %+v end at byte %d, want %d", name, p, ops, end-4)
			}
			ops = 0
			if p.Offset != end {
				t.Errorf("%s: %+v, want it at byte %d", name, p, end)
			}
			end = p.Offset + p.Length
		}
		if end != int64(len(data)) {
			t.Errorf("%s: the parts end at byte %d of %d", name, end, len(data))
		}
	}
}

// A flipped bit anywhere in a file makes a part bad that holds it or names it,
// and all else is still shown.
func TestInspectFlipped(t *testing.T) {
	dir, _ := richDir(t)
	for name, data := range contentOf(t, dir) {
		if name == lockFile || strings.HasPrefix(name, quarantineDir+"/") {
			continue
		}
		whole, err := inspectBytes(t, name, data)
		if err != nil {
			t.Fatal(err)
		}
		step := max(len(data)/300, 1)
		for at := 0; at < len(data); at += step {
			bent := append([]byte(nil), data...)
			bent[at] ^= 1 << (at % 8)
			pieces, err := inspectBytes(t, name, bent)
			if err != nil {
				t.Errorf("%s with byte %d flipped: Inspect = %v", name, at, err)
				continue
			}
			bad := 0
			for _, p := range pieces {
				if p.Bad != "" {
					bad++
				}
			}
			if bad == 0 || len(pieces) < 2 {
				t.Errorf("%s with byte %d flipped: %d of %d parts bad, want one at least", name, at, bad, len(pieces))
			}
			// A bad record hides its operations; a bad end of a table hides
			// what it locates.
			if strings.HasPrefix(name, logDir+"/") && len(pieces) < len(whole)/2 {
				t.Errorf("%s with byte %d flipped: %d parts, %d when whole", name, at, len(pieces), len(whole))
			}
		}
	}
}

// Inspect knows segments and tables by their content too, and nothing else.
func TestInspectNames(t *testing.T) {
	dir, _ := richDir(t)
	for name, data := range contentOf(t, dir) {
		want, err := inspectBytes(t, name, data)
		if err != nil || name == lockFile {
			continue
		}
		got, err := inspectBytes(t, "copy", data)
		if len(data) == 0 {
			if !errors.Is(err, ErrForeign) {
				t.Errorf("Inspect of an empty file = %v, want ErrForeign", err)
			}
		} else if err != nil || len(got) != len(want) {
			t.Errorf("Inspect of %s under another name = %d pieces, %v, want %d", name, len(got), err, len(want))
		}
	}
	for _, text := range []string{"", "x", "root:x:0:0", strings.Repeat("\x00", 5000)} {
		if _, err := inspectBytes(t, "file", []byte(text)); !errors.Is(err, ErrForeign) {
			t.Errorf("Inspect(%.10q) = %v, want ErrForeign", text, err)
		}
	}
}

// From an offset on only the parts that reach beyond it are shown.
func TestInspectFrom(t *testing.T) {
	data, _ := damageable(t, false)
	all, err := inspectBytes(t, "t.kvt", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []int64{1, 64, 65, int64(len(data)) / 2, int64(len(data)) - 1} {
		want := 1
		for _, p := range all[1:] {
			if p.Offset+p.Length > from {
				want++
			}
		}
		got := 0
		err := Inspect(t.Context(), oneFileFS{data: data}, "t.kvt", from, func(Piece) bool { got++; return true })
		if err != nil || got != want {
			t.Errorf("Inspect from byte %d = %d pieces, %v, want %d", from, got, err, want)
		}
	}
}

// Whatever the bytes are, under whatever name: Inspect ends, does not panic,
// and no piece lies outside the file.
func FuzzInspect(f *testing.F) {
	names := []string{"00000000000000000001", "t.kvt", formatFile, manifestFile, markFile, lockFile, "copy"}
	table, _ := damageable(f, false)
	packed, _ := damageable(f, true)
	id := identity{copy: 1}
	m := mark{copy: 1}
	mk := m.encode()
	rec, _ := appendRecord(nil, &record{rev: 1, stamp: 1 << 20}, []operation{{op: OpSet, key: []byte("k"), value: []byte("v")}})
	segment := appendFrame(nil, rec)
	held := append([]byte(quarantineTitle+"\nfile log/00000000000000000001\noffset 0\nlength 9\nreason x\n\n"), segment...)
	for _, seed := range [][]byte{nil, table, packed, id.encode(), new(manifest).encode(), mk[:], segment, append(segment, segment...), held, []byte("kv")} {
		for n := range names {
			f.Add(uint8(n), seed)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		name := names[int(n)%len(names)]
		pieces, err := inspectBytes(t, name, data)
		if err != nil && !errors.Is(err, ErrForeign) {
			t.Fatalf("Inspect = %v", err)
		}
		for _, p := range pieces {
			if p.Offset < 0 || p.Length < 0 || p.Offset+p.Length > int64(len(data)) {
				t.Fatalf("%+v lies outside %d bytes", p, len(data))
			}
		}
	})
}
