//go:build linux

package blackbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// flipsPerFile bounds the bits flipped in one file without -soak.
const flipsPerFile = 120

// advisory is files that no answer depends on: their damage need not show.
var advisory = regexp.MustCompile(`^(LOCK|MARK|quarantine/.*)$`)

// TestNoFlippedBitPasses: with one bit of one file flipped, a command answers
// as before or is refused with exit 4 (3, where the file no longer says what it
// is) and the name of the file. check finds what is damaged, and neither
// writes. With -soak every bit of every file is flipped.
func TestNoFlippedBitPasses(t *testing.T) {
	r := newRand(t)
	d := newDB(t)
	want := map[string]string{}
	for i := range 40 {
		want[fmt.Sprintf("key%02d", i)] = text(r, 10+r.IntN(50))
	}
	d.must(t, jsonl(t, want), "import", "--format", "jsonl")
	for range 40 { // enough for the log to be rotated
		d.must(t, text(r, 30_000), "set", "large")
	}
	d.must(t, "", "set", "large", "x")
	want["large"] = "x"
	d.must(t, "", "compact") // into a table, and what the log held into history
	for i := range 20 {
		key, value := fmt.Sprintf("key%02d", 2*i), text(r, 10+r.IntN(50))
		d.must(t, "", "set", key, value)
		want[key] = value
	}
	appendToLog(t, d, bytesOf(r, 100))
	d.must(t, "", "set", "last", "x") // moves what was appended to quarantine
	want["last"] = "x"

	kinds := map[string]bool{}
	flips, refused := 0, 0
	for _, name := range files(t, string(d)) {
		path := filepath.Join(string(d), name)
		kinds[regexp.MustCompile(`/.*`).ReplaceAllString(name, "/")] = true
		n, no := flipFile(t, d, r.Uint64, path, name, want)
		flips += n
		refused += no
		t.Logf("%s: %d bits flipped, reading refused for %d", name, n, no)
	}
	t.Logf("%d bits flipped in all, reading refused for %d", flips, refused)

	for _, kind := range []string{"FORMAT", "LOCK", "MANIFEST", "MARK", "log/", "history/", "tables/", "quarantine/"} {
		if !kinds[kind] {
			t.Errorf("no bit of %s was flipped: there is no such file", kind)
		}
	}

	t.Run("snapshot", func(t *testing.T) {
		file := filepath.Join(filepath.Dir(string(d)), "backup.kvs")
		d.must(t, "", "snapshot", "save", file)
		n, no := flipFile(t, db(file), r.Uint64, file, "backup.kvs", want)
		t.Logf("%d bits flipped, reading refused for %d", n, no)
	})
}

// appendToLog leaves bytes behind the last record of the log, as a write that
// was cut short does.
func appendToLog(t *testing.T, d db, data string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(string(d), "log", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segment in the log of %s: %v", d, err)
	}
	f, err := os.OpenFile(segments[len(segments)-1], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// files lists the files of a database by their paths below it.
func files(t *testing.T, top string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(top), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// flipFile flips bits of one file, one at a time, reads the database with
// each, and puts the bit back. It returns how many bits it flipped and for how
// many of them reading was refused.
func flipFile(t *testing.T, d db, random func() uint64, path, name string, want map[string]string) (flips, refused int) {
	t.Helper()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bits := len(good) * 8
	step := 1
	if !*soak && bits > flipsPerFile {
		step = bits / flipsPerFile
	}
	for at := 0; at < bits; at += step {
		bit := at
		if step > 1 {
			bit = min(at+int(random()%uint64(step)), bits-1)
		}
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("bit %d of byte %d of %s", bit%8, bit/8, name)
		flips++
		if !readFlipped(t, d, what, name, want) {
			refused++
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(bad) {
			t.Fatalf("%s: reading or checking changed the file (error %v)", what, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	return flips, refused
}

// readFlipped lists and checks a database with a flipped bit, and reports
// whether listing answered.
func readFlipped(t *testing.T, d db, what, name string, want map[string]string) bool {
	t.Helper()
	r := d.run(t, "", "list", "-v", "-m", "tsv")
	switch r.code {
	case 0:
		equalEntries(t, what, parseList(t, r.stdout), want)
	case 3, 4:
		if !strings.Contains(r.stderr, filepath.Base(name)) {
			t.Errorf("%s: stderr does not name the file: %s", what, short(r.stderr))
		}
		// What was printed before the bad place must be true. The last line may be cut.
		whole := r.stdout[:strings.LastIndexByte(r.stdout, '\n')+1]
		for key, value := range parseList(t, whole) {
			if want[key] != value {
				t.Errorf("%s: list printed %q = %q before it was refused, want %q", what, key, value, want[key])
			}
		}
	default:
		t.Errorf("%s: list: exit %d, want 0, 3 or 4\nstderr: %s", what, r.code, short(r.stderr))
	}
	c := d.run(t, "", "check")
	switch {
	case c.code == 0 && r.code == 0 && advisory.MatchString(name):
	case c.code == 4, c.code == 3 && r.code != 0:
		if out := c.stdout + c.stderr; !strings.Contains(out, filepath.Base(name)) {
			t.Errorf("%s: check does not name the file: %s", what, short(out))
		}
	default:
		t.Errorf("%s: check: exit %d after list with exit %d, want 4\nstdout: %s\nstderr: %s", what, c.code, r.code, short(c.stdout), short(c.stderr))
	}
	return r.code == 0
}
