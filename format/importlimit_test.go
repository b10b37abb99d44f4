package format

import (
	"strings"
	"testing"
)

// An endless reader yields a text, then another one again and again.
type endless struct{ head, again string }

func (r *endless) Read(b []byte) (n int, err error) {
	n = copy(b, r.head)
	r.head = r.head[n:]
	for n < len(b) && r.head == "" {
		n += copy(b[n:], r.again)
	}
	return n, nil
}

// Ensure that a record without an end is refused, whatever it is made of, and
// that one whose text would have to be copied is refused as soon as no value has
// room for it.
func TestEndlessRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a hundred megabytes")
	}
	const most = maxRecordText + 64 // with what stands before the record
	for _, c := range []struct {
		format      Format
		head, again string
		read        int64 // bytes at most
		want        string
	}{
		{FormatKvsh, "set k ", "a", 3 * MaxValueSize, "data:1: a word of more than 33554432 bytes"},
		{FormatKvsh, "set k '", "a", 3 * MaxValueSize, "data:1: a word of more than 33554432 bytes"},
		{FormatKvsh, `set k "`, "a", 3 * MaxValueSize, "data:1: a word of more than 33554432 bytes"},
		{FormatKvsh, `set k "`, `\x01`, most, "data:1: a word of more than 33554432 bytes"},
		{FormatKvsh, "set k ", `a'b'`, most, "data:1: a word of more than 33554432 bytes"},
		{FormatCSV, "key,value\nk,\"", `""`, most, "data:2: a field of more than 33554432 bytes"},
		{FormatCSV, "key,value\nk,\"", "a", most, "data:2: a record of more than 128 MiB"},
		{FormatTSV, "k\t", `\\`, most, "data:1: a record of more than 128 MiB"},
		{FormatJSONL, `{"key":"`, "a", most, "data:1: a record of more than 128 MiB"},
		{FormatJSON, `[{"key":"`, `\n`, 4 * MaxValueSize, "data:1: bad JSON: a string of more than"},
	} {
		m := NewImporter(&endless{c.head, c.again}, c.format, ImportOptions{Name: "data"})
		var err error
		for _, e := range m.Records() {
			err = e
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s of endless %q = %v, want %q", c.format, c.again, err, c.want)
		}
		if n := m.BytesRead(); n > c.read {
			t.Errorf("%s of endless %q read %d bytes, want at most %d", c.format, c.again, n, c.read)
		}
	}
}

// Ensure that the largest value passes in the formats that write it longest,
// and what follows it too.
func TestLargestValue(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a hundred megabytes")
	}
	for _, c := range []struct {
		format      Format
		head, again string
		tail        string
	}{
		{FormatKvsh, `set k "`, `\x01`, "\"\nset l m\n"},
		{FormatTSV, "k\t", `\x01`, "\nl\tm\n"},
		{FormatCSV, "key,value\nk,\"", `""`, "\"\nl,m\n"},
		{FormatJSONL, `{"key":"k","value":"`, `\n`, "\"}\n" + `{"key":"l","value":"m"}` + "\n"},
	} {
		text := c.head + strings.Repeat(c.again, MaxValueSize) + c.tail
		var sizes []int
		for r, err := range NewImporter(strings.NewReader(text), c.format, ImportOptions{}).Records() {
			if err != nil {
				t.Fatalf("%s of the largest value = %v, want nil", c.format, err)
			}
			sizes = append(sizes, len(r.Value))
		}
		if len(sizes) != 2 || sizes[0] != MaxValueSize || sizes[1] != 1 {
			t.Errorf("%s of the largest value has values of %d bytes, want %d and 1", c.format, sizes, MaxValueSize)
		}
	}
}
