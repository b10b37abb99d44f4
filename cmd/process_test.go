package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// invoke runs the program within this process, as a pipe or script would.
func invoke(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(context.Background(), args, Streams{
		In: strings.NewReader(stdin), Out: &o, Err: &e, Getenv: func(string) string { return "" },
	})
	return code, o.String(), e.String()
}

// readingLines are commands that read, for every command that can.
var readingLines = []string{
	"get a", "get none", "get --json a b", "list", "list -l", "list -v --suffix a", "count", "exists a", "ttl a", "--cf drafts list",
	"cf ls", "export", "export --format csv", "info", "info --json", "check", "check --deep", "log ls", "log show", "log show --json",
	"log show --hex", "log stat", "log grep 4", "log follow --from 1 --limit 1", "log verify --deep", "inspect %[1]s/MARK", "inspect --json %[1]s.kvs", "doctor", "doctor --json", "config", "config sync", "snapshot ls", "snapshot verify %[1]s.kvs", "snapshot save %[1]s-copy.kvs",
	"--dry-run snapshot rm %[1]s.kvs",
	"compact --dry-run", "--dry-run set a 9", "--dry-run del -y --prefix a", "--dry-run incr n", "--dry-run mset a 1", "--dry-run append a 1",
	"--dry-run ttl a 1h", "--dry-run mv a z", "--dry-run cp a z", "--dry-run cf rm drafts", "--dry-run import %[1]s.jsonl",
	"--dry-run config sync never", "--dry-run snapshot restore --replace %[1]s.kvs", "--readonly set a 9", "--readonly import %[1]s.jsonl",
	"show a", "show --hex a", "hash", "hash --json", "tree", "grep 4", "exec a -- /bin/true", "watch --from 1 --limit 1", "--dry-run clear -y",
	"handler ls", "handler show set-x", "handler show set-x --version 1", "--dry-run handler rm set-x", "--dry-run call set-x a",
	"--dry-run handler add h %[1]s.star",
	"get --at 1 a", "list -l --at 10m", "hash --at 1", "export --at 1", "history a", "diff", "diff --patch 1", "diff 1 %[1]s.kvs", "--dry-run undo",
	"--dry-run undo -f --to 1", "--dry-run restore --to-rev 1 --to %[1]s-new.kv",
	"repair", "repair --json", "--dry-run salvage --to %[1]s-salvaged.kv", "quarantine ls", "quarantine show none", "quarantine restore none",
	"--dry-run -y quarantine rm --all",
	"help", "man", "completion bash", "version",
}

// notReading are the commands that have no line above: they end a transaction,
// wait for a person, hold a lock, or write beside the database.
var notReading = []string{"begin", "commit", "rollback", "shell", "use", "init", "lock", "edit", "bench"}

// readable makes a database with tables, a log and a family, and files beside it.
func readable(t *testing.T) (dir, db string) {
	t.Helper()
	dir = t.TempDir()
	db = filepath.Join(dir, "t.kv")
	source := "def handle(kv, arg):\n    return {k: 'x' for k in kv}\n"
	if err := os.WriteFile(db+".star", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("mset a 1 b 2; handler add set-x %[1]s.star; --cf drafts set d 3; compact; set a 4; del b; snapshot save %[1]s.kvs; export -o %[1]s.jsonl", db)
	if code, _, errs := invoke(t, script, "-d", db); code != exitYes {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	return dir, db
}

// files is everything below a directory that a command could change.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if info.Mode().IsRegular() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano(), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A command that reads leaves the database as it was, byte for byte.
func TestReadingChangesNothing(t *testing.T) {
	_, db := readable(t)
	before := files(t, db)
	for _, line := range readingLines {
		code, _, errs := invoke(t, "", append([]string{"-d", db}, readingWords(t, line, db)...)...)
		if code != exitYes && code != exitNo && !strings.HasPrefix(line, "--readonly") {
			t.Errorf("%q = %d: %s", line, code, errs)
		}
		if after := files(t, db); !maps.Equal(before, after) {
			t.Errorf("%q changed the database", line)
			before = after
		}
	}
}

func readingWords(t *testing.T, line, db string) []string {
	t.Helper()
	if strings.Contains(line, "%") {
		line = fmt.Sprintf(line, db)
	}
	if strings.Contains(line, "-copy") {
		t.Cleanup(func() { os.Remove(db + "-copy.kvs") })
	}
	return strings.Fields(line)
}

// Every command is looked at by the test above, or is known not to read.
func TestEveryCommandIsKnown(t *testing.T) {
	s, _, _ := testSession(t)
	walk(newRoot(s, nil), func(c *cobra.Command) {
		if !c.HasParent() || c.HasSubCommands() || slices.Contains(notReading, c.Name()) {
			return
		}
		name := commandName(c)
		if !slices.ContainsFunc(readingLines, func(line string) bool {
			return strings.Contains(" "+line+" ", " "+name+" ")
		}) {
			t.Errorf("no line that reads has the command %q", name)
		}
	})
}

// Reading works where nothing may be written, also for another user.
func TestReadingAsAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, db := readable(t)
	program := filepath.Join(dir, "kvsh") // as which the test program is the program
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(program, data, 0o755)
	}
	for d := dir; err == nil && d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		err = os.Chmod(d, 0o755)
	}
	if err == nil {
		err = filepath.WalkDir(db, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				return os.Chmod(path, 0o555)
			} else if err == nil {
				return os.Chmod(path, 0o444)
			}
			return err
		})
	}
	if err == nil {
		err = errors.Join(os.Chmod(db+".kvs", 0o444), os.Chmod(db+".jsonl", 0o444))
	}
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, db)
	as := func(line string) int {
		c := exec.Command(program, append([]string{"-d", db}, readingWords(t, line, db)...)...)
		c.Env = []string{"HOME=" + dir}
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := c.CombinedOutput()
		if code := c.ProcessState.ExitCode(); code > exitNo && code != exitRefused && code != exitIO {
			t.Errorf("%q = %d, %v: %s", line, code, err, out)
		}
		return c.ProcessState.ExitCode()
	}
	for _, line := range readingLines {
		// A copy has no place to go to, and a refusal is no reading.
		if strings.Contains(line, "-copy") || strings.HasPrefix(line, "--readonly") {
			continue
		}
		if code := as(line); code > exitNo {
			t.Errorf("%q as another user = %d", line, code)
		}
	}
	for _, line := range []string{"set a 9", "config sync never"} {
		if code := as(line); code != exitIO {
			t.Errorf("%q as another user = %d, want %d", line, code, exitIO)
		}
	}
	if !maps.Equal(before, files(t, db)) {
		t.Error("the database was changed")
	}
}

// Each exit code, by what leads to it.
func TestExitCodesOfCommands(t *testing.T) {
	dir, db := readable(t)
	bad := filepath.Join(dir, "bad.kv")
	invoke(t, "set a 1; set b 2; set c 3", "-d", bad)
	segment := filepath.Join(bad, "log", "00000000000000000001")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	data[80] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bad.csv": "key,value\n\"a\n", "bad.jsonl": "{\"key\":1}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		code  int
		lines []string
	}{
		{exitYes, []string{"get a", "-d mem: count", "set x 1", "del x", "check"}},
		{exitNo, []string{"get none", "exists none", "set --if-absent a 1", "del none", "log show 99", "mset --if-absent a 1"}},
		{exitUsage, []string{"gte a", "get", "list --bad", "incr a x", "log show x", "begin", "--mode loud list", "set --ttl 5 a b"}},
		{exitIO, []string{"-d " + dir + "/none.kv get a", "-d " + dir + "/no/x.kv set a 1", "import " + dir + "/none.csv", "snapshot save " + dir + "/no/x.kvs"}},
		{exitDamaged, []string{"-d " + bad + " get a", "-d " + bad + " set a 1", "check " + bad, "-d " + bad + " log show", "-d " + bad + " log ls"}},
		{exitRefused, []string{"--readonly set a 1", "del --prefix a", "init", "-d " + db + ".kvs set a 1", "-d mem: check", "snapshot save " + db + ".kvs", "--safe import x.csv"}},
		{exitBadInput, []string{"import " + dir + "/bad.csv", "import " + dir + "/bad.jsonl"}},
		{exitTimeout, []string{"--timeout 1ns get a", "--timeout 1ns list"}},
	} {
		for _, line := range c.lines {
			code, _, errs := invoke(t, "", append([]string{"-d", db}, strings.Fields(line)...)...)
			if code != c.code {
				t.Errorf("%q = %d, want %d: %s", line, code, c.code, errs)
			}
			if code > exitNo && !strings.HasPrefix(errs, "kvsh: ") {
				t.Errorf("%q says %q, want a message of kvsh", line, errs)
			}
		}
	}
}

// Somebody holds the lock: a write waits as long as it is told, then says who.
func TestBusy(t *testing.T) {
	_, db := readable(t)
	f, err := os.OpenFile(filepath.Join(db, "LOCK"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"set a 1", "incr n", "config sync never"} {
		code, _, errs := invoke(t, "", append([]string{"-d", db, "--wait", "0s"}, strings.Fields(line)...)...)
		if code != exitBusy || !strings.Contains(errs, "locked by") {
			t.Errorf("%q = %d, %q, want %d and who holds the lock", line, code, errs, exitBusy)
		}
	}
	if code, out, _ := invoke(t, "", "-d", db, "get", "a"); code != exitYes || out != "4" {
		t.Errorf("get beside a writer = %d, %q", code, out)
	}
}

// A closedPipe is an output that nobody reads any more.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// What ends from outside has the codes of the shell.
func TestEndsFromOutside(t *testing.T) {
	_, db := readable(t)
	for _, line := range []string{"list", "get a", "export", "log show"} {
		var errs bytes.Buffer
		code := Run(context.Background(), append([]string{"-d", db}, strings.Fields(line)...), Streams{
			In: strings.NewReader(""), Out: closedPipe{}, Err: &errs, Getenv: func(string) string { return "" },
		})
		if code != exitClosedPipe || errs.Len() > 0 {
			t.Errorf("%q into a closed pipe = %d, %q, want %d and nothing", line, code, &errs, exitClosedPipe)
		}
	}
	for cause, want := range map[error]int{context.Canceled: exitInterrupted, errTerminated: exitTerminated} {
		for _, args := range [][]string{{"-d", db, "set", "a", "x"}, {"-d", db}} {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(cause)
			code := Run(ctx, args, Streams{
				In: strings.NewReader("set a x\n"), Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" },
			})
			if code != want {
				t.Errorf("%q with the end %v = %d, want %d", args[2:], cause, code, want)
			}
		}
	}
	if _, out, _ := invoke(t, "", "-d", db, "get", "a"); out != "4" {
		t.Errorf("a write that was ended is there: %q", out)
	}
}
