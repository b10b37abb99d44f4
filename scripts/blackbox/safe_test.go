//go:build linux

package blackbox

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSafe: under --safe no command, and no line of a script, reads or writes
// another file, runs a program, or takes --safe back.
func TestSafe(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "a", "1")
	dir := filepath.Join(filepath.Dir(string(d)), "other")
	other := db(filepath.Join(dir, "o.kv"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	other.must(t, "", "set", "secret", "s")
	other.must(t, "", "snapshot", "save", filepath.Join(dir, "o.kvs"))
	for name, text := range map[string]string{"in.tsv": "k\tv\n", "script": "get a\n", "h.star": "def handle(kv, arg):\n    return {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, filepath.Dir(string(d)))
	for _, line := range []string{
		"import {dir}/in.tsv", "export -o {dir}/out", "set --file {dir}/in.tsv k", "append --file {dir}/in.tsv k",
		"lock build -- touch {dir}/ran", "exec a -- touch {dir}/ran", "watch --from 1 -- touch {dir}/ran", "edit a", "bench",
		"snapshot save {dir}/s.kvs", "snapshot ls {dir}", "snapshot verify {dir}/o.kvs", "snapshot rm -y {dir}/o.kvs",
		"snapshot restore {dir}/o.kvs --to {dir}/r.kv", "snapshot restore -y --replace {dir}/o.kvs",
		"restore --to-rev 1 --to {dir}/r.kv", "salvage --to {dir}/r.kv", "salvage --to {dir}/r.kv {dir}/o.kv", "diff {dir}/o.kvs",
		"check {dir}/o.kv", "inspect {dir}/o.kv/MARK", "inspect {db}/../other/o.kv/MARK", "handler add h {dir}/h.star", "man --dir {dir}",
	} {
		line = strings.NewReplacer("{dir}", dir, "{db}", string(d)).Replace(line)
		if r := d.run(t, "", append([]string{"--safe"}, strings.Fields(line)...)...); r.code != 6 {
			t.Errorf("--safe %s: exit %d, want 6: %s%s", line, r.code, short(r.stdout), short(r.stderr))
		}
		for _, door := range []string{line, "--safe=false " + line} {
			if r := d.run(t, "", "--safe", "-c", door); r.code != 6 {
				t.Errorf("--safe -c %q: exit %d, want 6: %s%s", door, r.code, short(r.stdout), short(r.stderr))
			}
		}
		unchanged(t, line, filepath.Dir(string(d)), before)
	}
	for _, line := range []string{"-d {o} get secret", "--db {o} list", "-d {o} set a 1", "-qd {o} list", "-f {dir}/script"} {
		line = strings.NewReplacer("{dir}", dir, "{o}", string(other)).Replace(line)
		r := d.run(t, "", "--safe", "-c", line)
		if (r.code != 6 && r.code != 2) || r.stdout != "" {
			t.Errorf("--safe -c %q: exit %d, printed %q, want 6 or 2 and nothing: %s", line, r.code, r.stdout, short(r.stderr))
		}
		unchanged(t, line, filepath.Dir(string(d)), before)
	}
	if r := d.run(t, "", "--safe", "-f", filepath.Join(dir, "script")); r.code != 6 {
		t.Errorf("--safe -f: exit %d, want 6", r.code)
	}
	for _, line := range []string{"get a", "check", "inspect {db}/MARK", "-d {db} list", "export", "set b 2"} {
		line = strings.ReplaceAll(line, "{db}", string(d))
		if r := d.run(t, "", "--safe", "-c", line); r.code != 0 {
			t.Errorf("--safe -c %q: exit %d, want 0: %s", line, r.code, short(r.stderr))
		}
	}
	if r := d.run(t, "", "--readonly", "-c", "--readonly=false set a 2"); r.code != 6 {
		t.Errorf("--readonly taken back by a line: exit %d, want 6", r.code)
	}
}

// TestModesOfFiles: whatever the umask, files of a database are for their owner
// alone.
func TestModesOfFiles(t *testing.T) {
	old := syscall.Umask(0) // which the program inherits
	defer syscall.Umask(old)
	d := newDB(t)
	snapshot := filepath.Join(filepath.Dir(string(d)), "s.kvs")
	d.must(t, strings.Repeat("k\tv\n", 100), "import", "--format", "tsv", "-")
	for range 20 {
		d.must(t, strings.Repeat("x", 100_000), "set", "large")
	}
	d.must(t, "", "compact")
	d.must(t, "", "set", "a", "1")
	d.must(t, "", "lock", "build", "--", "true")
	d.must(t, "", "snapshot", "save", snapshot)
	d.must(t, "", "export", "-o", snapshot+".jsonl")
	d.must(t, "", "snapshot", "restore", snapshot, "--to", string(d)+"-2")
	for path, line := range tree(t, filepath.Dir(string(d))) {
		if path == filepath.Dir(string(d)) {
			continue
		}
		if !strings.HasPrefix(line, "-rw------- ") && !strings.HasPrefix(line, "drwx------ ") {
			t.Errorf("%s is %.12q, want it for its owner alone", path, line)
		}
	}
}
