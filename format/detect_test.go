package format

import (
	"errors"
	"testing"
)

// Ensure that files are known by their names and by their content.
func TestDetect(t *testing.T) {
	const ours = `{"kvsh":"export","version":1}` + "\n"
	for _, test := range []struct {
		name, head string
		want       Format
	}{
		{"a.jsonl", "", FormatJSONL},
		{"a.ndjson", "", FormatJSONL},
		{"dir.csv/a.TSV", "", FormatTSV},
		{"a.csv", "set a b", FormatCSV},
		{"a.json", "", FormatJSON},
		{"a.json", " [", FormatJSON},
		{"a.json", `{"key":"a","value":"b"}`, FormatJSONL},
		{"a.kvsh", "", FormatKvsh},
		{"a.nul", "", FormatNUL},
		{"", "", FormatJSONL},
		{"a.txt", ours, FormatJSONL},
		{"", "\xef\xbb\xbf\r\n [{", FormatJSON},
		{"", "key,value\n", FormatCSV},
		{"", "\"value\",\"key\"\r\na,b\r\n", FormatCSV},
		{"", csvHeader + "\n", FormatCSV},
		{"", tsvHeader + "\n", FormatTSV},
		{"", "a\tb\n", FormatTSV},
		{"", "set \"a\tb\" c", FormatKvsh},
		{"", "# notes\nset a b", FormatKvsh},
		{"", "a\x00b\x00", FormatNUL},
		{"", "{\x00b\x00", FormatNUL},
		{"README", "hello world\n", FormatUnknown},
		{"", "name,age\n", FormatUnknown},
	} {
		for _, c := range []Compression{CompressionNone, CompressionGzip, CompressionZstd} {
			name, head := test.name, test.head
			if c != CompressionNone {
				head = string(compressed(t, c, []byte(head)))
				if name != "" {
					name += "." + c.String()
				}
			}
			got, gotC, err := Detect(name, []byte(head))
			if got != test.want || gotC != c {
				t.Errorf("Detect(%q, %q) = %s, %s, want %s, %s", name, head, got, gotC, test.want, c)
			}
			var bad *InputError
			if (test.want == FormatUnknown) != errors.As(err, &bad) {
				t.Errorf("Detect(%q, %q) = %v for %s", name, head, err, test.want)
			}
		}
	}
	if _, c, _ := Detect("misnamed.csv", compressed(t, CompressionZstd, nil)); c != CompressionZstd {
		t.Errorf("Detect of zstd in a .csv = %s, want %s", c, CompressionZstd)
	}
	if f, c, _ := Detect("a.csv.gz", nil); f != FormatCSV || c != CompressionGzip {
		t.Errorf("Detect(%q) = %s, %s, want %s, %s", "a.csv.gz", f, c, FormatCSV, CompressionGzip)
	}
}

// Ensure that every format has a name that is read back.
func TestParseFormat(t *testing.T) {
	for _, name := range FormatNames() {
		f, err := ParseFormat(name)
		if err != nil || f.String() != name {
			t.Errorf("ParseFormat(%q) = %s, %v", name, f, err)
		}
	}
	for _, name := range []string{"", "unknown", "JSON", "xml"} {
		if f, err := ParseFormat(name); err == nil {
			t.Errorf("ParseFormat(%q) = %s, want an error", name, f)
		}
	}
}
