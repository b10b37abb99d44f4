//go:build linux

package blackbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A jsonLine is one line of the jsonl format, of which the header and the last
// line have neither key.
type jsonLine struct {
	Key      *string `json:"key,omitempty"`
	KeyB64   *string `json:"key_b64,omitempty"`
	Value    *string `json:"value,omitempty"`
	ValueB64 *string `json:"value_b64,omitempty"`
}

// field puts bytes into the plain or the base64 field of a line.
func field(s string, plain, b64 **string) {
	if utf8.ValidString(s) {
		*plain = &s
		return
	}
	e := base64.StdEncoding.EncodeToString([]byte(s))
	*b64 = &e
}

// jsonl writes entries as another program would: no header, no last line.
func jsonl(t *testing.T, entries map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		var line jsonLine
		field(key, &line.Key, &line.KeyB64)
		field(entries[key], &line.Value, &line.ValueB64)
		if err := enc.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// export returns all entries of a database, by the jsonl format.
func (d db) export(t *testing.T) map[string]string {
	t.Helper()
	entries := map[string]string{}
	for line := range strings.Lines(d.must(t, "", "export", "--format", "jsonl")) {
		var l jsonLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("export printed %s: %v", short(line), err)
		}
		if l.Key == nil && l.KeyB64 == nil {
			continue
		}
		entries[pick(t, l.Key, l.KeyB64)] = pick(t, l.Value, l.ValueB64)
	}
	return entries
}

// pick returns the bytes of the one field that is there.
func pick(t *testing.T, plain, b64 *string) string {
	t.Helper()
	if (plain == nil) == (b64 == nil) {
		t.Fatal("export printed a line with both or neither of a field and its _b64 form")
	}
	if plain != nil {
		return *plain
	}
	b, err := base64.StdEncoding.DecodeString(*b64)
	if err != nil {
		t.Fatalf("export printed %q as base64: %v", short(*b64), err)
	}
	return string(b)
}

// equalEntries fails the test unless two sets of entries are the same.
func equalEntries(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[key]; !ok || value != want[key] {
			t.Errorf("%s: %s = %s, %v, want %s", what, short(fmt.Sprintf("%q", key)),
				short(fmt.Sprintf("%q", value)), ok, short(fmt.Sprintf("%q", want[key])))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: key %s came from nowhere", what, short(fmt.Sprintf("%q", key)))
		}
	}
}

// nasty is bytes that one format or another gives a meaning to.
var nasty = []string{
	"", " ", "  lead and trail  ", "\n", "\r\n", "\r", "a\nb", "a\r\nb", "a\rb", "\t", "a\tb", "\x00", "a\x00b", "\xff", "\xc3\x28",
	"\xed\xa0\x80", "\ufeffbom", "\"", "'", `\`, `\n`, `\x41`, `\\`, `a"b'c\d`, ",", `"a","b"`, "key,value", "#no comment", "; x", "-1", "--flag",
	"=", "a=b", "$HOME", "`id`", "$(id)", "*3\r\n$3\r\nSET\r\n", "HEADER=END", "DATA=END", " 61", "{", `{"key":"x"}`, "[1]", "null", "true",
	"\u2028", "\u0085", "é", "e\u0301", "日本", "😀", "\x1b[31m", "\x7f", "NUL", "begin", "commit", "*", "?", "[a-z]", "~", "&", "|", ">", "<",
}

// anyEntries is the nasty ones and random ones.
func anyEntries(r *rand.Rand) map[string]string {
	entries := map[string]string{}
	for i, s := range nasty {
		entries["value/"+fmt.Sprint(i)] = s
		if s != "" {
			entries[s] = "key " + fmt.Sprint(i)
		}
	}
	for range 200 {
		entries[bytesOf(r, 1+r.IntN(40))] = bytesOf(r, r.IntN(200))
	}
	entries[bytesOf(r, 65_535)] = "the longest key"
	entries["large"] = bytesOf(r, 1<<20)
	entries[text(r, 1)] = text(r, 300_000)
	return entries
}

// lineEntries is entries without NUL.
func lineEntries(r *rand.Rand) map[string]string {
	entries := map[string]string{}
	for key, value := range anyEntries(r) {
		if key = strings.ReplaceAll(key, "\x00", "0"); key != "" {
			entries[key] = strings.ReplaceAll(value, "\x00", "0")
		}
	}
	return entries
}

// TestEveryFormatGivesBackWhatItTook: what is exported and imported again, by
// every format that goes both ways, through a pipe and through a file whose
// name tells the format, is the same bytes.
func TestEveryFormatGivesBackWhatItTook(t *testing.T) {
	r := newRand(t)
	for format, entries := range map[string]func(*rand.Rand) map[string]string{
		"jsonl": anyEntries, "json": anyEntries, "csv": anyEntries, "tsv": anyEntries, "kvsh": anyEntries,
		"nul": lineEntries,
	} {
		want := entries(r)
		t.Run(format, func(t *testing.T) {
			d := newDB(t)
			d.must(t, jsonl(t, want), "import", "--format", "jsonl")
			equalEntries(t, "import of jsonl", d.export(t), want)

			piped := newDB(t)
			piped.must(t, d.must(t, "", "export", "--format", format), "import", "--format", format)
			equalEntries(t, "through a pipe", piped.export(t), want)

			for _, suffix := range []string{"", ".gz", ".zst"} {
				file := filepath.Join(t.TempDir(), "export."+format+suffix)
				d.must(t, "", "export", "--format", format, "-o", file)
				filed := newDB(t)
				filed.must(t, "", "import", file)
				equalEntries(t, "through a file "+filepath.Base(file), filed.export(t), want)
			}
		})
	}
}

// TestSetAndGetAreExact: `set K < f` and `get K > f` give back exact bytes,
// for any key an argument can hold.
func TestSetAndGetAreExact(t *testing.T) {
	r := newRand(t)
	d := newDB(t)
	values := slices.Concat(nasty, []string{bytesOf(r, 1), bytesOf(r, 4096), bytesOf(r, 65_536), bytesOf(r, 1<<20) + "\n", bytesOf(r, 32<<20)})
	want := map[string]string{}
	for i, value := range values {
		key := fmt.Sprint("k", i)
		if i < len(nasty) && nasty[i] != "" && !strings.Contains(nasty[i], "\x00") {
			key = nasty[i]
		}
		d.must(t, value, "set", "--", key)
		want[key] = value
	}
	for key, value := range want {
		if got := d.must(t, "", "get", "--", key); got != value {
			t.Errorf("get %q = %s, want %s", key, short(fmt.Sprintf("%q", got)), short(fmt.Sprintf("%q", value)))
		}
	}
	// The same by a file.
	file := filepath.Join(t.TempDir(), "value")
	value := bytesOf(r, 100_000)
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	d.must(t, "", "set", "--file", file, "from a file")
	if got := d.must(t, "", "get", "from a file"); got != value {
		t.Errorf("set --file: get printed %d bytes that are not the %d of the file", len(got), len(value))
	}
}
