package format

import (
	"bytes"
	"testing"
)

// Ensure that the longest value comes back from what is written of it, also
// where every byte of it is an escape.
func TestLongestEscapes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes hundreds of megabytes")
	}
	value := bytes.Repeat([]byte{0x7f}, MaxValueSize)
	for _, f := range []Format{FormatJSONL, FormatJSON} {
		var out bytes.Buffer
		x, err := NewExporter(&out, f, ExportOptions{})
		if err == nil {
			err = x.Write(Record{Key: []byte("k"), Value: value})
		}
		if err == nil {
			err = x.Close()
		}
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		n := 0
		for r, err := range NewImporter(&out, f, ImportOptions{Name: "data"}).Records() {
			if err != nil || !bytes.Equal(r.Value, value) {
				t.Errorf("%s: a value of %d bytes, %v; want that of %d", f, len(r.Value), err, len(value))
			}
			n++
		}
		if n != 1 {
			t.Errorf("%s: %d records, want 1", f, n)
		}
	}
}
