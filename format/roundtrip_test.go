package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// fileFormats are the formats that are both written and read.
var fileFormats = []Format{FormatJSONL, FormatJSON, FormatCSV, FormatTSV, FormatKvsh, FormatNUL}

// exported returns the file that records make.
func exported(t testing.TB, f Format, records []Record) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := NewExporter(&out, f, ExportOptions{Database: "notes.kv", Rev: 913, Time: time.UnixMilli(1795248000123)})
	if err != nil {
		t.Fatalf("NewExporter(%s) = %v", f, err)
	}
	for _, r := range records {
		if err := e.Write(r); err != nil {
			t.Fatalf("%s: Write(%q) = %v, want nil", f, r.Key, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatalf("%s: Close() = %v, want nil", f, err)
	}
	return out.Bytes()
}

// imported returns copies of the records in a file, and checks what every
// importer promises about its errors.
func imported(t testing.TB, f Format, r io.Reader) ([]Record, error) {
	t.Helper()
	var records []Record
	var failed error
	for r, err := range NewImporter(r, f, ImportOptions{Name: "data"}).Records() {
		if failed != nil {
			t.Fatalf("%s: a pair after the error %v", f, failed)
		}
		if err != nil {
			var bad *InputError
			if !errors.As(err, &bad) || bad.Name != "data" || bad.Reason == "" {
				t.Fatalf("%s: error %#v, want an *InputError with name and reason", f, err)
			}
			failed = err
			continue
		}
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		records = append(records, r)
	}
	return records, failed
}

// newRand returns a source of chance that a failing test tells the seed of.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomRecords are records that the format can hold.
func randomRecords(rnd *rand.Rand, f Format, n int) []Record {
	records := make([]Record, n)
	for i := range records {
		r := &records[i]
		for len(r.Key) == 0 {
			r.Key = randomBytes(rnd, 20)
		}
		r.Value = randomBytes(rnd, 60)
		if f == FormatNUL {
			r.Key = bytes.ReplaceAll(r.Key, []byte{0}, []byte{1})
			r.Value = bytes.ReplaceAll(r.Value, []byte{0}, []byte{1})
			continue
		}
		if rnd.IntN(3) == 0 {
			r.Family = [...]string{"a", "pictures", "-x.y_Z", strings.Repeat("f", MaxFamilySize)}[rnd.IntN(4)]
		}
		if rnd.IntN(3) == 0 {
			r.Expires = time.UnixMilli(rnd.Int64N(4e12)).UTC()
		}
		if f == FormatJSONL || f == FormatJSON {
			r.Rev = rnd.Uint64() >> rnd.IntN(64)
			r.Time = time.UnixMilli(rnd.Int64N(4e12)).UTC()
		}
	}
	return records
}

// diffRecords says where two lists of records differ, or "".
func diffRecords(got, want []Record) string {
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if g.Family != w.Family || !bytes.Equal(g.Key, w.Key) || !bytes.Equal(g.Value, w.Value) ||
			g.Rev != w.Rev || !g.Time.Equal(w.Time) || !g.Expires.Equal(w.Expires) {
			return fmt.Sprintf("record %d is %.200q, want %.200q", i, fmt.Sprint(g), fmt.Sprint(w))
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d records, want %d", len(got), len(want))
	}
	return ""
}

// Ensure that what is exported is imported again, byte for byte.
func TestExportImport(t *testing.T) {
	for _, f := range fileFormats {
		t.Run(f.String(), func(t *testing.T) {
			rnd := newRand(t)
			for range 300 {
				want := randomRecords(rnd, f, rnd.IntN(30))
				file := exported(t, f, want)
				var r io.Reader = bytes.NewReader(file)
				if rnd.IntN(2) == 0 {
					r = iotest.HalfReader(r)
				}
				got, err := imported(t, f, r)
				if err != nil {
					t.Fatalf("import of\n%s= %v, want nil", file, err)
				}
				if d := diffRecords(got, want); d != "" {
					t.Fatalf("%s in\n%s", d, file)
				}
			}
		})
	}
}

// Ensure that large values pass, also beside small ones and in small reads.
func TestLargeValues(t *testing.T) {
	for _, f := range fileFormats {
		t.Run(f.String(), func(t *testing.T) {
			rnd := newRand(t)
			want := []Record{
				{Key: []byte("a"), Value: bytes.Repeat([]byte("text "), 1<<18)},
				{Key: []byte("b"), Value: []byte("small")},
				{Key: bytes.Repeat([]byte("k"), MaxKeySize), Value: []byte{}},
			}
			if f != FormatNUL {
				b := make([]byte, 1<<20)
				for i := range b {
					b[i] = byte(rnd.Uint32())
				}
				want = append(want, Record{Key: []byte{0xff, 0}, Value: b})
				want = append(want, Record{Key: []byte{0}, Value: bytes.Repeat([]byte("\"\r\n\\\x01"), 1<<17)})
			}
			file := exported(t, f, want)
			got, err := imported(t, f, iotest.HalfReader(bytes.NewReader(file)))
			if err != nil {
				t.Fatalf("import = %v, want nil", err)
			}
			if d := diffRecords(got, want); d != "" {
				t.Fatal(d)
			}
		})
	}
}

// Ensure that a JSON file that kvsh wrote is refused if it is cut anywhere.
func TestCutJSON(t *testing.T) {
	rnd := newRand(t)
	for _, f := range []Format{FormatJSONL, FormatJSON} {
		for _, n := range []int{0, 1, 12} {
			file := exported(t, f, randomRecords(rnd, f, n))
			for i := range file {
				if _, err := imported(t, f, bytes.NewReader(file[:i])); err == nil {
					t.Errorf("%s: a file cut after %d of %d bytes was accepted:\n%s", f, i, len(file), file)
				}
			}
		}
	}
}

// Ensure that an error of the reader comes up as it is, after no false end.
func TestReadError(t *testing.T) {
	rnd := newRand(t)
	broken := errors.New("disk on fire")
	for _, f := range fileFormats {
		file := exported(t, f, randomRecords(rnd, f, 5))
		for _, want := range []error{broken, io.ErrUnexpectedEOF} {
			_, err := imported(t, f, io.MultiReader(bytes.NewReader(file), iotest.ErrReader(want)))
			if !errors.Is(err, want) {
				t.Errorf("%s: import from a failing reader = %v, want %v", f, err, want)
			}
		}
	}
}

// Ensure that the caller may stop at any record.
func TestStopImport(t *testing.T) {
	rnd := newRand(t)
	for _, f := range fileFormats {
		file := exported(t, f, randomRecords(rnd, f, 5))
		n := 0
		for range NewImporter(bytes.NewReader(file), f, ImportOptions{}).Records() {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%s: %d records before the break, want 3", f, n)
		}
	}
}

// mustTime reads a time of a test.
func mustTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, ok := parseTime([]byte(text))
	if !ok {
		t.Fatalf("parseTime(%q) failed", text)
	}
	return at
}

// A difference has deletes, which the script of commands alone holds: they come
// back, and the file is known by its first one.
func TestKvshDeletes(t *testing.T) {
	records := []Record{
		{Key: []byte("-a\n\xff"), Delete: true},
		{Key: []byte("b"), Value: []byte("1")},
		{Key: []byte("c"), Family: "f.1", Delete: true},
	}
	data := exported(t, FormatKvsh, records)
	if f, _, err := Detect("", data); f != FormatKvsh || err != nil {
		t.Errorf("Detect(%q) = %v, %v, want kvsh", data, f, err)
	}
	got, err := imported(t, FormatKvsh, bytes.NewReader(data))
	if err != nil || len(got) != len(records) {
		t.Fatalf("%q is %v, %v", data, got, err)
	}
	for i, r := range records {
		if string(got[i].Key) != string(r.Key) || got[i].Family != r.Family || got[i].Delete != r.Delete || !bytes.Equal(got[i].Value, r.Value) {
			t.Errorf("record %d comes back as %+v, want %+v", i, got[i], r)
		}
	}
	for _, f := range fileFormats {
		if e, err := NewExporter(io.Discard, f, ExportOptions{}); f != FormatKvsh && (err != nil || e.Write(records[0]) == nil) {
			t.Errorf("%s takes a delete", f)
		}
	}
}
