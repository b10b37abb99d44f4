package format

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenRecords show everything a record can hold.
func goldenRecords(f Format) []Record {
	at := time.Date(2026, 11, 20, 17, 30, 0, 5e6, time.UTC)
	records := []Record{
		{Key: []byte("plain"), Value: []byte("text"), Rev: 912, Time: at},
		{Key: []byte("empty"), Value: []byte{}, Rev: 913, Time: at},
		{Key: []byte("-a, b"), Value: []byte(` "quoted" 'text' \ `), Rev: 913, Time: at},
		{Key: []byte("täg 日本 😀"), Value: []byte("\u202eleft\u2028"), Rev: 914, Time: at},
		{Key: []byte("lines\t\n"), Value: []byte("one\r\ntwo\n"), Rev: 914, Time: at},
	}
	if f != FormatNUL {
		records = append(records,
			Record{Key: []byte("\x00\x01\xff"), Value: []byte("\x1b[31m\x7f\xed\xa0\x80"), Rev: 915, Time: at},
			Record{Key: []byte("temporary"), Value: []byte(`{"n":1}`), Family: "pictures", Rev: 916, Time: at, Expires: at.AddDate(0, 1, 0)})
	}
	if f != FormatJSONL && f != FormatJSON {
		for i := range records {
			records[i].Rev, records[i].Time = 0, time.Time{}
		}
	}
	return records
}

// Ensure that exports look as they always did, and that those of earlier
// versions are read for ever.
func TestExportGolden(t *testing.T) {
	for _, f := range fileFormats {
		path := filepath.Join("testdata", "export", "records."+f.String())
		file := exported(t, f, goldenRecords(f))
		if *update {
			if err := os.WriteFile(path, file, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(file, want) {
			t.Errorf("%s: export =\n%s\nwant\n%s", f, file, want)
		}
		got, err := imported(t, f, bytes.NewReader(want))
		if err != nil {
			t.Errorf("%s: import of the golden file = %v, want nil", f, err)
		}
		if d := diffRecords(got, goldenRecords(f)); d != "" {
			t.Errorf("%s: golden file: %s", f, d)
		}
	}
}

// Ensure that lists which kvsh prints in these modes can be imported.
func TestRowsImport(t *testing.T) {
	for mode, f := range map[Mode]Format{JSONL: FormatJSONL, JSON: FormatJSON, CSV: FormatCSV, TSV: FormatTSV, Kvsh: FormatKvsh, NUL: FormatNUL} {
		for _, columns := range [][]Column{
			{{Name: "key"}, {Name: "value"}},
			{{Name: "key"}, {Name: "value"}, {Name: "rev", Kind: Int}, {Name: "expires", Kind: Time}},
		} {
			if mode == NUL && len(columns) > 2 {
				continue // the items do not say where a row ends
			}
			var out bytes.Buffer
			rows := NewRows(&out, Options{Mode: mode, Header: len(columns) > 2}, columns...)
			var want []Record
			for _, r := range goldenRecords(f) {
				cells := []any{r.Key, r.Value, r.Rev, r.Expires}
				r.Family = ""
				if len(columns) == 2 {
					r.Expires = time.Time{}
				}
				if mode != JSONL && mode != JSON || len(columns) == 2 {
					r.Rev = 0
				}
				r.Time = time.Time{}
				want = append(want, r)
				if err := rows.Row(cells[:len(columns)]...); err != nil {
					t.Fatalf("%s: Row(%q) = %v", mode, r.Key, err)
				}
			}
			if err := rows.Close(); err != nil {
				t.Fatalf("%s: Close() = %v", mode, err)
			}
			got, err := imported(t, f, bytes.NewReader(out.Bytes()))
			if err != nil {
				t.Errorf("mode %s: import = %v, want nil, of\n%s", mode, err, out.Bytes())
			}
			if d := diffRecords(got, want); d != "" {
				t.Errorf("mode %s: %s in\n%s", mode, d, out.Bytes())
			}
		}
	}
}

// fuzzImport checks a reader with any input: it never panics, its records can
// be exported again and come back, and the result does not depend on how the
// input is cut into reads.
func fuzzImport(f *testing.F, format Format) {
	f.Add(exported(f, format, goldenRecords(format)))
	for _, seed := range []string{
		"", "\n", "a", "\xef\xbb\xbf{\"key\":\"a\",\"value\":[1, {\"b\":\"\\ud83d\\ude00\"}]}\r\n",
		"[{\"key\":\"a\",\"value\":-1e5}\n,{\"key_b64\":\"/w==\",\"value\":true}]",
		"key,value\r\n\"a\"\"\",\"b\r\nc\"\r\n", "value,key_b64,cf,expires\n,YQ==,x,2026-12-01T00:00:00Z\n",
		"a\tb\\x41\\u{e9}\n", "value\tkey\nb\ta\n",
		"# c\nset --cf=x --expires-at 2026-12-01T00:00:00Z -- 'a'\"\\n\"b c; set d ''", "a\x00b\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		records, err := imported(t, format, bytes.NewReader(file))
		again, errAgain := imported(t, format, &smallReads{data: file})
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("%s: %v at once, %v in small reads", format, err, errAgain)
		}
		if d := diffRecords(again, records); d != "" {
			t.Fatalf("%s: in small reads %s", format, d)
		}
		back, errBack := imported(t, format, bytes.NewReader(exported(t, format, records)))
		if errBack != nil {
			t.Fatalf("%s: import of an export = %v, want nil", format, errBack)
		}
		if d := diffRecords(back, records); d != "" {
			t.Fatalf("%s: after an export %s", format, d)
		}
	})
}

// smallReads returns three bytes at a time.
type smallReads struct{ data []byte }

func (r *smallReads) Read(p []byte) (int, error) {
	n, err := strings.NewReader(string(r.data[:min(3, len(r.data))])).Read(p)
	r.data = r.data[n:]
	return n, err
}

func FuzzImportJSONL(f *testing.F) { fuzzImport(f, FormatJSONL) }
func FuzzImportJSON(f *testing.F)  { fuzzImport(f, FormatJSON) }
func FuzzImportCSV(f *testing.F)   { fuzzImport(f, FormatCSV) }
func FuzzImportTSV(f *testing.F)   { fuzzImport(f, FormatTSV) }
func FuzzImportKvsh(f *testing.F)  { fuzzImport(f, FormatKvsh) }
func FuzzImportNUL(f *testing.F)   { fuzzImport(f, FormatNUL) }

// FuzzDecompress checks that no input makes a decompressor panic, and that its
// errors are those of bad data.
func FuzzDecompress(f *testing.F) {
	f.Add(compressed(f, CompressionGzip, []byte("set a b\n")))
	f.Add(compressed(f, CompressionZstd, []byte("set a b\n")))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, c, err := Detect("", file)
		if err == nil && got == FormatUnknown {
			t.Fatalf("Detect = %s, %s without an error", got, c)
		}
		if c == CompressionNone {
			return
		}
		if _, err := imported(t, FormatNUL, NewDecompressor(bytes.NewReader(file), c)); err != nil {
			if bad := err.(*InputError); bad.Err != nil {
				t.Fatalf("error %v of bad data passes for one of the reader: %v", err, bad.Err)
			}
		}
	})
}
