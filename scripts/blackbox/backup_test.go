//go:build linux

package blackbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Backups taken while eight processes write are each the state of exactly one
// revision, the increments between them reach every revision, and what they
// say of themselves is true.
func TestBackupsWhileOthersWrite(t *testing.T) {
	d := newDB(t)
	dir := filepath.Join(filepath.Dir(string(d)), "backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRand(t)
	span, every := 4*time.Second, 250*time.Millisecond
	if *soak {
		span, every = time.Minute, time.Second
	}
	d.must(t, "", "set", "first", "1")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 8 {
		value := text(r, 4000)
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("w%d:%d", w, i%50)
				script := fmt.Sprintf("begin\nset %s %s\nset --ttl 1s %s:brief 1\ndel w%d:%d\ncommit\n", key, value, key, w, (i+25)%50)
				if res := d.run(t, script, "--wait", "60s"); res.code != 0 {
					t.Errorf("writer %d: exit %d: %s", w, res.code, short(res.stderr))
					return
				}
			}
		})
	}
	for n, end := 0, time.Now().Add(span); n < 3 || time.Now().Before(end); n++ {
		next := time.Now().Add(every)
		d.must(t, "", "-q", "--wait", "60s", "snapshot", "save", dir, "--log")
		time.Sleep(time.Until(next))
	}
	close(stop)
	writers.Wait()

	type line struct {
		File     string
		Rev      int
		Keys     int
		Verified string
		After    *int
	}
	snapshots, increments, last := 0, 0, 0
	var first string
	for text := range strings.Lines(d.must(t, "", "snapshot", "ls", dir, "--json")) {
		var b line
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatalf("snapshot ls printed %q: %v", text, err)
		}
		if b.Verified != "whole" {
			t.Errorf("%s is verified %q, want whole", b.File, b.Verified)
		}
		if b.After != nil {
			increments++
			continue
		}
		snapshots++
		last = max(last, b.Rev)
		first = b.File
		at := fmt.Sprint(b.Rev)
		want, got := d.must(t, "", "hash", "--at", at), db(b.File).must(t, "", "hash", "--at", at)
		if want != got {
			t.Errorf("%s is not revision %d: digest %q, want %q", b.File, b.Rev, got, want)
		}
	}
	if snapshots < 3 || increments != snapshots-1 {
		t.Errorf("there are %d snapshots and %d increments, want at least 3, and an increment between each two", snapshots, increments)
	}
	// The first snapshot and the increments alone reach every revision.
	for range 10 {
		rev := 1 + r.IntN(last)
		if rev < int(revisionOf(t, first)) {
			continue
		}
		target := db(filepath.Join(t.TempDir(), "restored.kv"))
		target.must(t, "", "-q", "snapshot", "restore", dir, "--to-rev", fmt.Sprint(rev))
		want, got := d.must(t, "", "hash", "--at", fmt.Sprint(rev)), target.must(t, "", "hash", "--at", fmt.Sprint(rev))
		if want != got {
			t.Errorf("restored to revision %d: digest %q, want %q", rev, got, want)
		}
	}
	t.Logf("%d snapshots and %d increments over %d revisions", snapshots, increments, last)
}

func revisionOf(t *testing.T, snapshot string) int64 {
	t.Helper()
	var info struct{ Rev int64 }
	if err := json.Unmarshal([]byte(db(snapshot).must(t, "", "info", "--json")), &info); err != nil {
		t.Fatal(err)
	}
	return info.Rev
}

// The drill restores what the nightly backup left, is silent with -q, and
// notices a backup that is not what was saved.
func TestRestoreDrill(t *testing.T) {
	need(t, "sh", "awk", "mktemp")
	d := newDB(t)
	dir := filepath.Join(filepath.Dir(string(d)), "my backups")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.must(t, "", "mset", "a", "1", "b", "2")
	d.must(t, "", "set", "--ttl", "1h", "c", "3")
	d.must(t, "", "-q", "snapshot", "save", dir, "--log", "--keep", "7d")
	d.must(t, "", "del", "b")
	d.must(t, "", "-q", "snapshot", "save", dir, "--log-only")
	drill := func(args ...string) result {
		c := exec.Command("../restore-drill.sh", append(args, dir)...)
		c.Env = append(environment(t.TempDir()), "KVSH="+program, "TMPDIR="+t.TempDir())
		return finish(t, c, "")
	}
	if r := drill(); r.code != 0 || !strings.HasPrefix(r.stdout, "restored and compared ") || !strings.HasSuffix(r.stdout, ", 2 keys\n") {
		t.Errorf("restore-drill.sh = exit %d, %q, %q, want 0 and a line", r.code, r.stdout, r.stderr)
	}
	if r := drill("-q"); r.code != 0 || r.stdout+r.stderr != "" {
		t.Errorf("restore-drill.sh -q = exit %d, %q, %q, want 0 and nothing", r.code, r.stdout, r.stderr)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.kvs"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the backups are %q, %v", names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := drill("-q"); r.code == 0 || r.stderr == "" {
		t.Errorf("restore-drill.sh of a damaged backup = exit %d, %q, want an error", r.code, r.stderr)
	}
}

// The service and the timer are what systemd takes, but for the program and
// user that are not on every machine.
func TestSystemdUnits(t *testing.T) {
	need(t, "systemd-analyze")
	out, err := exec.Command("systemd-analyze", "verify", "../backup/kvsh-backup.service", "../backup/kvsh-backup.timer").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "/usr/local/bin/kvsh is not executable") && !strings.Contains(line, "man ") {
			t.Errorf("systemd-analyze verify (%v): %s", err, line)
		}
	}
}
