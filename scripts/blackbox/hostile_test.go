//go:build linux

package blackbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	hostileLimit  = commandLimit // after which a run counts as hung
	hostileMemory = 768 << 20    // bytes a run may have in memory at its worst: a record of 128 MiB that grew, and its garbage
)

// A watched run is one whose time and memory are bounded.
type watchedRun struct {
	result
	hung   bool
	memory int64 // bytes at its worst, as far as was seen
}

// runWatched runs a command that is given something hostile.
func runWatched(t *testing.T, c *exec.Cmd, stdin io.Reader) watchedRun {
	t.Helper()
	var stdout, stderr strings.Builder
	c.Stdin, c.Stdout, c.Stderr = stdin, &stdout, &stderr
	c.WaitDelay = time.Second // for a generator of stdin that never ends
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var r watchedRun
	done, measured := make(chan struct{}), make(chan int64)
	go func() {
		peak := int64(0)
		for {
			// Not the rusage of the process: that begins with the memory of the test.
			peak = max(peak, memoryOf(c.Process.Pid))
			select {
			case <-done:
				measured <- peak
				return
			case <-time.After(2 * time.Millisecond): // a sample
			}
		}
	}()
	timer := time.AfterFunc(hostileLimit, func() { _ = c.Process.Kill() })
	_ = c.Wait()
	r.hung = !timer.Stop()
	close(done)
	r.memory = <-measured
	r.result = result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
	return r
}

// memoryOf is the memory that a process has for itself, in bytes, without the
// files it maps; 0 when it has ended.
func memoryOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib int64
	if _, rest, ok := strings.Cut(string(text), "RssAnon:"); ok {
		_, _ = fmt.Sscan(rest, &kib)
	}
	return kib << 10
}

// judge fails the test if a run hung, took too much memory, crashed, or ended
// with a code that is none of the contract.
func (r *watchedRun) judge(t *testing.T, what string) {
	t.Helper()
	switch {
	case r.hung:
		t.Errorf("%s: still running after %v", what, hostileLimit)
	case r.memory > hostileMemory:
		t.Errorf("%s: %d MiB in memory, want at most %d", what, r.memory>>20, hostileMemory>>20)
	case strings.Contains(r.stderr, "goroutine ") || r.code < 0 || r.code > 7:
		t.Errorf("%s: exit %d, want 0 to 7: %s", what, r.code, short(r.stderr))
	case r.code > 1 && !strings.HasPrefix(r.stderr, "kvsh: ") && !strings.Contains(r.stderr, "\nkvsh: "):
		t.Errorf("%s: exit %d without a message: %s", what, r.code, short(r.stderr))
	}
}

// hostileLines are commands that read and write all files of a database.
var hostileLines = []string{
	"get a", "list", "check --deep", "info", "doctor", "log ls", "log show", "quarantine ls", "history a",
	"set a 2", "del b", "compact", "import {import}", "lock build -- true", "repair", "repair --apply -y", "snapshot save {snapshot}",
	"salvage --to {salvaged}",
}

// hostile is what may stand in the place of a file or folder of a database.
// aside is where the true one was moved to, outside of the database.
var hostile = map[string]func(path, aside string) error{
	"a link to its like outside": func(path, aside string) error { return os.Symlink(aside, path) },
	"a link to nothing":          func(path, aside string) error { return os.Symlink(aside+"-none", path) },
	"a link to a device":         func(path, _ string) error { return os.Symlink("/dev/zero", path) },
	"a pipe":                     func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
	"a folder":                   func(path, _ string) error { return os.Mkdir(path, 0o700) },
	"a file":                     func(path, _ string) error { return os.WriteFile(path, []byte("text\n"), 0o600) },
}

// planted are names that are not there and that a writer would make.
var planted = []string{"FORMAT.new", "MANIFEST.new", "REPAIR", "locks", "locks/build", "log/{next}", "history/{moved}", "tables/0000000000000001.tmp"}

// TestHostileDirectory: whatever somebody put in the place of a file of a
// database, no command writes or follows a link out of it, waits for ever,
// takes much memory, or ends in another way than with a message.
func TestHostileDirectory(t *testing.T) {
	d := newDB(t)
	for i := range 30 {
		d.must(t, strings.Repeat("x", 20_000), "set", fmt.Sprint("k", i))
	}
	d.must(t, "", "mset", "a", "1", "b", "2")
	d.must(t, "", "compact")
	d.must(t, "", "set", "c", "3")
	var names []string
	seen := map[string]bool{}
	for path := range tree(t, string(d)) {
		name, err := filepath.Rel(string(d), path)
		if err != nil {
			t.Fatal(err)
		}
		if folder := filepath.Dir(name); name == "." || folder != "." && seen[folder] {
			continue // one file of each folder
		} else if folder != "." {
			seen[folder] = true
		}
		names = append(names, name)
	}
	entries, err := os.ReadDir(filepath.Join(string(d), "log"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("log: %d entries, %v", len(entries), err)
	}
	runs, refused, worst := 0, 0, int64(0)
	for _, name := range append(names, planted...) {
		name = strings.ReplaceAll(name, "{next}", fmt.Sprintf("%020d", 33))
		name = strings.ReplaceAll(name, "{moved}", entries[0].Name())
		for kind, put := range hostile {
			h := &hostileCase{what: name + " is " + kind}
			if h.make(t, d, name, put) {
				h.run(t)
				runs, refused, worst = runs+h.runs, refused+h.refused, max(worst, h.worst)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was ever refused")
	}
	t.Logf("%d runs, %d of them refused, %d MiB at most", runs, refused, worst>>20)
}

// A hostileCase is one copy of a database in which one thing is hostile.
type hostileCase struct {
	what          string
	db            db
	outside       string // a directory that nothing may change
	runs, refused int
	worst         int64 // bytes in memory
}

// make copies the database and puts the hostile thing. It reports false where
// that changes nothing.
func (h *hostileCase) make(t *testing.T, from db, name string, put func(path, aside string) error) bool {
	t.Helper()
	dir := t.TempDir()
	h.db, h.outside = db(filepath.Join(dir, "test.kv")), filepath.Join(dir, "outside")
	if err := os.CopyFS(string(h.db), os.DirFS(string(from))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.outside, 0o700); err != nil {
		t.Fatal(err)
	}
	path, aside := filepath.Join(string(h.db), name), filepath.Join(h.outside, "aside")
	if name == "locks/build" {
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Lstat(path)
	if err == nil {
		err = os.Rename(path, aside)
	} else {
		err = os.WriteFile(aside, []byte("not of a database\n"), 0o600)
	}
	if err == nil {
		err = put(path, aside)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Lstat(path)
	return err != nil || before == nil || before.Mode().Type() != after.Mode().Type()
}

func (h *hostileCase) run(t *testing.T) {
	t.Helper()
	dir := filepath.Dir(string(h.db))
	data := filepath.Join(dir, "data.tsv")
	if err := os.WriteFile(data, []byte("a\t5\nz\t6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, h.outside)
	for i, line := range hostileLines {
		line = strings.NewReplacer("{import}", data, "{snapshot}", filepath.Join(dir, fmt.Sprint(i, ".kvs")),
			"{salvaged}", filepath.Join(dir, fmt.Sprint(i, ".kv"))).Replace(line)
		r := runWatched(t, h.db.command(context.WithoutCancel(t.Context()), append([]string{"--wait", "1s"}, strings.Fields(line)...)...), strings.NewReader(""))
		r.judge(t, fmt.Sprintf("%s: %s", h.what, line))
		unchanged(t, h.what+": "+line, h.outside, before)
		h.runs++
		if r.code > 1 {
			h.refused++
		}
		h.worst = max(h.worst, r.memory)
	}
}
