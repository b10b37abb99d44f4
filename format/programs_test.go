package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Tests with the programs whose formats these are. One that is not there is a
// visible SKIP.

// needPrograms skips a test that cannot show something.
func needPrograms(t *testing.T, shows string, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIP no %s: not shown that %s", name, shows)
		}
	}
}

// run runs a program with an input and returns its output.
func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = bytes.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s %q = %v\n%s%s", name, args, err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}

// distinctRecords are n records with keys that differ, of 1 to longest bytes,
// sorted.
func distinctRecords(rnd *rand.Rand, n, longest int) []Record {
	byKey := map[string]Record{}
	for len(byKey) < n {
		key := make([]byte, 1+rnd.IntN(longest))
		for i := range key {
			key[i] = byte(rnd.Uint32())
		}
		value := make([]byte, rnd.IntN(300))
		for i := range value {
			value[i] = byte(rnd.Uint32())
		}
		if rnd.IntN(4) == 0 {
			value = bytes.Repeat([]byte("ab\\ '\"\n"), rnd.IntN(200)) // compresses
		}
		byKey[string(key)] = Record{Key: key, Value: value}
	}
	records := make([]Record, 0, n)
	for _, r := range byKey {
		records = append(records, r)
	}
	sortRecords(records)
	return records
}

// sortRecords sorts records by family and key.
func sortRecords(records []Record) {
	slices.SortFunc(records, func(a, b Record) int {
		if c := strings.Compare(a.Family, b.Family); c != 0 {
			return c
		}
		return bytes.Compare(a.Key, b.Key)
	})
}

// mustImport is imported for a file without fault.
func mustImport(t testing.TB, f Format, file []byte) []Record {
	t.Helper()
	records, err := imported(t, f, bytes.NewReader(file))
	if err != nil {
		t.Fatalf("%s: import = %v, want nil", f, err)
	}
	return records
}

// lastRecords is what a file comes to: of each key the last record, without the
// deleted ones, sorted.
func lastRecords(records []Record) []Record {
	last := map[string]Record{}
	for _, r := range records {
		last[r.Family+"\x00"+string(r.Key)] = r
	}
	var left []Record
	for _, r := range last {
		if !r.Delete {
			left = append(left, r)
		}
	}
	sortRecords(left)
	return left
}

// Ensure that db_load takes a dump, and that what db_dump writes comes back.
func TestDumpBerkeleyDB(t *testing.T) {
	needPrograms(t, "Berkeley DB takes a dump and gives it back", "db_load", "db_dump")
	rnd := newRand(t)
	want := distinctRecords(rnd, 500, 600)
	for i := range want {
		want[i].Family = [...]string{"first", "second"}[i*2/len(want)]
	}
	for _, test := range []struct {
		name string
		want []Record
		args []string
	}{
		{"one", distinctRecords(rnd, 500, 600), nil},
		{"one hash", distinctRecords(rnd, 500, 600), []string{"-t", "hash"}},
		{"named", want, nil},
		{"none", nil, nil},
	} {
		db := filepath.Join(t.TempDir(), "a.db")
		run(t, exported(t, FormatDump, test.want), "db_load", append(test.args, db)...)
		for _, args := range [][]string{{db}, {"-p", db}} {
			got := lastRecords(mustImport(t, FormatDump, run(t, nil, "db_dump", args...)))
			if d := diffRecords(got, test.want); d != "" {
				t.Errorf("%s: db_dump %q: %s", test.name, args, d)
			}
		}
	}
}

// Ensure that mdb_load takes a dump, and that what mdb_dump writes comes back.
func TestDumpLMDB(t *testing.T) {
	needPrograms(t, "LMDB takes a dump and gives it back", "mdb_load", "mdb_dump")
	rnd := newRand(t)
	const longestKey = 511 // of LMDB
	named := distinctRecords(rnd, 300, longestKey)
	for i := range named {
		named[i].Family = [...]string{"first", "second"}[i*2/len(named)]
	}
	for _, want := range [][]Record{distinctRecords(rnd, 300, longestKey), named, nil} {
		dir := t.TempDir()
		run(t, exported(t, FormatDump, want), "mdb_load", dir)
		args := []string{dir}
		if len(want) > 0 && want[0].Family != "" {
			args = []string{"-a", dir}
		}
		got := mustImport(t, FormatDump, run(t, nil, "mdb_dump", args...))
		if d := diffRecords(got, want); d != "" {
			t.Errorf("mdb_dump %q: %s", args, d)
		}
		// Older versions write a backslash so that nobody can read it back.
		got, err := imported(t, FormatDump, bytes.NewReader(run(t, nil, "mdb_dump", append([]string{"-p"}, args...)...)))
		if err != nil {
			if !strings.Contains(err.Error(), "dump without -p") {
				t.Errorf("mdb_dump -p %q: %v", args, err)
			}
		} else if d := diffRecords(got, want); d != "" {
			t.Errorf("mdb_dump -p %q: %s", args, d)
		}
	}
	want := distinctRecords(rnd, 300, longestKey)
	for i := range want {
		want[i].Key = bytes.ReplaceAll(want[i].Key, []byte{'\\'}, []byte{'/'})
		want[i].Value = bytes.ReplaceAll(want[i].Value, []byte{'\\'}, []byte{'/'})
	}
	sortRecords(want)
	dir := t.TempDir()
	run(t, exported(t, FormatDump, want), "mdb_load", dir)
	if d := diffRecords(mustImport(t, FormatDump, run(t, nil, "mdb_dump", "-p", dir)), want); d != "" {
		t.Errorf("mdb_dump -p: %s", d)
	}
}

// Ensure that sqlite3 holds, byte for byte, what was exported for it, also after
// a second time, and nothing of a file that was cut.
func TestSQLProgram(t *testing.T) {
	needPrograms(t, "sqlite3 takes an export", "sqlite3")
	rnd := newRand(t)
	records := randomRecords(rnd, FormatJSONL, 300)
	records = append(records, Record{Key: []byte("large"), Value: bytes.Repeat([]byte{0, '\'', 0xff}, 1<<20)})
	for i := range records {
		records[i].Rev >>= 1
	}
	file := exported(t, FormatSQL, records)
	db := filepath.Join(t.TempDir(), "a.db")
	const query = "SELECT cf, hex(key), hex(value), coalesce(rev, 0), coalesce(time, ''), coalesce(expires, '') FROM kv ORDER BY cf, key"
	want := ""
	for _, r := range lastRecords(records) {
		at := ""
		if !r.Expires.IsZero() {
			at = r.Expires.Format(TimeLayout)
		}
		when := ""
		if !r.Time.IsZero() {
			when = r.Time.Format(TimeLayout)
		}
		want += fmt.Sprintf("%s|%X|%X|%d|%s|%s\n", r.Family, r.Key, r.Value, r.Rev, when, at)
	}
	for range 2 {
		run(t, file, "sqlite3", "-bail", db)
		if got := string(run(t, nil, "sqlite3", db, query)); got != want {
			t.Fatalf("sqlite3 holds\n%.2000s\nwant\n%.2000s", got, want)
		}
	}
	small := exported(t, FormatSQL, []Record{{Key: []byte("a"), Value: []byte("b")}})
	for _, n := range []int{len(small) - 2, len(small) - len("COMMIT;\n"), len(small) / 2} {
		db := filepath.Join(t.TempDir(), "cut.db")
		c := exec.Command("sqlite3", db)
		c.Stdin = bytes.NewReader(small[:n])
		_ = c.Run() // it may call the cut an error, or not
		if got := run(t, nil, "sqlite3", db, "SELECT count(*) FROM sqlite_master"); string(got) != "0\n" {
			// sqlite3 runs a last statement that lacks its semicolon.
			if n != len(small)-2 {
				t.Errorf("sqlite3 holds %s tables of a file cut after %d of %d bytes, want 0", got, n, len(small))
			}
		}
	}
}
