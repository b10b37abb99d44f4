//go:build linux

package blackbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reading is commands that read, each as it may be called on the database of
// newReadable.
var reading = [][]string{
	{"get", "user:1"},
	{"get", "--json", "user:1", "user:2"},
	{"get", "nothing"},
	{"list"},
	{"list", "-l"},
	{"list", "-v", "--suffix", ":2"},
	{"list", "--json"},
	{"list", "-m", "table"},
	{"count"},
	{"count", "--regex", "^user"},
	{"exists", "user:1"},
	{"ttl", "user:1"},
	{"show", "user:1"},
	{"tree"},
	{"grep", "Ada"},
	{"hash"},
	{"hash", "--at", "1"},
	{"get", "--at", "1", "user:1"},
	{"history", "user:1"},
	{"diff"},
	{"diff", "--patch", "1"},
	{"undo", "--dry-run", "--to", "1"},
	{"clear", "-y", "--dry-run"},
	{"info"},
	{"info", "--json"},
	{"export"},
	{"export", "--format", "csv"},
	{"log", "ls"},
	{"log", "show"},
	{"log", "show", "--json", "2.."},
	{"log", "show", "--hex"},
	{"log", "stat"},
	{"log", "grep", "Ada"},
	{"log", "follow", "--from", "1", "--limit", "2"},
	{"log", "verify"},
	{"doctor"},
	{"doctor", "--json"},
	{"check"},
	{"check", "--deep"},
	{"repair"},
	{"repair", "--json"},
	{"quarantine", "ls"},
	{"compact", "--dry-run"},
	{"config"},
	{"config", "sync"},
	{"cf", "ls"},
	{"snapshot", "ls"},
	{"handler", "ls"},
	{"handler", "show", "swap"},
	{"call", "--dry-run", "swap", "user:1", "user:2"},
	{"version"},
	{"set", "--dry-run", "user:1", "x"},
	{"del", "-y", "--dry-run", "--prefix", "user:"},
	{"-c", "get user:1; list; begin; get user:1; rollback"},
}

// otherCommands is the commands that are not in reading: they write, write
// elsewhere, or do nothing by themselves.
var otherCommands = []string{
	"set", "del", "mset", "incr", "append", "mv", "cp", "begin", "commit", "rollback", "import",
	"snapshot save", "snapshot restore", "snapshot verify", "snapshot rm", "restore", "init", "cf rm", "inspect",
	"salvage", "quarantine show", "quarantine restore", "quarantine rm",
	"handler add", "handler rm", "clear", "edit", "bench", "exec", "lock", "watch", "use", "shell", "completion", "man", "help",
}

// TestEveryCommandIsTriedOrNamed: a command that help lists is one of those
// that are tried for leaving the database alone, or is known not to be such.
func TestEveryCommandIsTriedOrNamed(t *testing.T) {
	known := map[string]bool{}
	for _, name := range otherCommands {
		known[name] = true
	}
	for _, args := range reading {
		known[args[0]] = true
		known[strings.Join(args[:min(2, len(args))], " ")] = true
	}
	names := helpNames(t, "help")
	if len(names) < 20 {
		t.Fatalf("help lists %q, want 20 commands or more", names)
	}
	for _, name := range names {
		children := helpNames(t, name, "--help")
		for _, child := range children {
			if !known[name+" "+child] {
				t.Errorf("kvsh %s %s is neither in reading nor in otherCommands", name, child)
			}
		}
		if len(children) == 0 && !known[name] {
			t.Errorf("kvsh %s is neither in reading nor in otherCommands", name)
		}
	}
}

// helpNames returns the names of the commands a help page lists.
func helpNames(t *testing.T, args ...string) []string {
	t.Helper()
	var names []string
	heading := ""
	entry := regexp.MustCompile(`^  ([a-z]+) +[A-Z]`)
	for line := range strings.Lines(newDB(t).must(t, "", args...)) {
		if !strings.HasPrefix(line, " ") && strings.HasSuffix(line, ":\n") {
			heading = line
		}
		if found := entry.FindStringSubmatch(line); found != nil && !strings.HasPrefix(heading, "Flags") {
			names = append(names, found[1])
		}
	}
	return names
}

// newReadable makes a small database with a history, an import and a cut.
func newReadable(t *testing.T) db {
	t.Helper()
	d := newDB(t)
	d.must(t, "", "set", "user:1", "Ada Lovelace")
	d.must(t, "", "mset", "user:1", "Ada King", "user:2", "Charles Babbage", "old", "x")
	d.must(t, "", "del", "old")
	d.must(t, "", "handler", "add", "swap", "../handlers/swap.star")
	d.must(t, `{"key":"import:1","value":"one"}`+"\n"+`{"key":"import:2","value":"two"}`+"\n", "import", "--format", "jsonl")
	return d
}

// TestReadingWritesNothing: a command that reads leaves every file of the
// database as it was, and works where it may not write.
func TestReadingWritesNothing(t *testing.T) {
	d := newReadable(t)
	before := tree(t, string(d))
	for _, args := range reading {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := d.run(t, "", args...)
			if r.code > 1 {
				t.Errorf("kvsh %s: exit %d\nstderr: %s", describe(args), r.code, short(r.stderr))
			}
			unchanged(t, describe(args), string(d), before)
		})
	}
	t.Logf("%d reading commands, %d files", len(reading), len(before))
}

// TestReaderBesideWriters: a reader beside a writing process opens nothing for
// writing, creates and locks nothing.
func TestReaderBesideWriters(t *testing.T) {
	need(t, "strace")
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not run here: %v, %s", err, short(string(out)))
	}
	d := newReadable(t)
	w := d.open(t)
	trace := filepath.Join(t.TempDir(), "trace")
	calls := "trace=openat,?open,?creat,flock,fcntl,ftruncate,?rename,renameat,renameat2,unlinkat,?unlink,mkdirat,?mkdir,pwrite64,fsync,fdatasync"
	// Calls that name the database, or a descriptor opened below it (-y).
	forbidden := regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|^\d+ +(flock|ftruncate|rename\w*|unlink\w*|mkdir\w*|creat|pwrite64|fsync|fdatasync)\(|F_(OFD_)?SETLKW?\b`)
	checked := 0
	for i, args := range reading {
		if _, err := w.ask(fmt.Sprintf("mset --rev a %d b %d\n", i, i)); err != nil {
			t.Fatalf("writer: %v", err)
		}
		c := exec.Command("strace", append([]string{"-f", "-y", "-o", trace, "-e", calls, program, "-d", string(d)}, args...)...)
		c.Env = environment(filepath.Dir(string(d)))
		if r := finish(t, c, ""); r.code > 1 {
			t.Errorf("%s beside a writer: exit %d\nstderr: %s", describe(args), r.code, short(r.stderr))
		}
		checked += checkTrace(t, trace, string(d), describe(args), forbidden)
	}
	if err := w.wait(); err != nil {
		t.Errorf("writer: %v", err)
	}
	if checked == 0 {
		t.Errorf("strace saw no call on %s", d)
	}
	t.Logf("%d reading commands beside a writer, %d system calls on the database", len(reading), checked)
}

// checkTrace fails the test for each call in a trace that names the database
// and is forbidden, and returns the number of calls that name it.
func checkTrace(t *testing.T, trace, name, what string, forbidden *regexp.Regexp) int {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if !strings.Contains(line, name) {
			continue
		}
		n++
		if forbidden.MatchString(line) {
			t.Errorf("%s: %s", what, line)
		}
	}
	return n
}
