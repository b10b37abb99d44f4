package repl

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// newHistory opens a history in a file and fails the test if it cannot.
func newHistory(t *testing.T, file string) *history {
	t.Helper()
	h, err := openHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func remember(t *testing.T, h *history, entries ...string) {
	t.Helper()
	for _, e := range entries {
		if err := h.add(e); err != nil {
			t.Fatalf("add(%q): %v", e, err)
		}
	}
}

// What was remembered is there for the next shell, whatever characters it has.
func TestHistoryKeeps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "history")
	want := []string{"get a", "set k 'two\nlines'", `set k "\n\\n"`, "\\", "set k '\t世\xff\r'", "get a"}
	remember(t, newHistory(t, file), want...)
	if got := newHistory(t, file).entries; !slices.Equal(got, want) {
		t.Errorf("history = %q, want %q", got, want)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file = %v, %v, want 0600", info.Mode().Perm(), err)
	}
}

func TestHistoryLeavesOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h := newHistory(t, file)
	remember(t, h, "a", "a", "", " \t", "b", strings.Repeat("x", maxHistoryEntry+1))
	if len(h.entries) != 3 {
		t.Errorf("the shell remembers %d entries, want 3", len(h.entries))
	}
	if got, want := newHistory(t, file).entries, []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("the file has %q, want %q", got, want)
	}
}

// A line that a crash cut does not spoil the next one, and others may read a
// file of an older version no more.
func TestHistoryMends(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(file, []byte("whole\ncut"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := newHistory(t, file)
	if want := []string{"whole"}; !slices.Equal(h.entries, want) {
		t.Errorf("history = %q, want %q", h.entries, want)
	}
	remember(t, h, "next")
	if got, want := newHistory(t, file).entries, []string{"whole", "cut", "next"}; !slices.Equal(got, want) {
		t.Errorf("history = %q, want %q", got, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file = %v, %v, want 0600", info.Mode().Perm(), err)
	}
}

// The file stays within its bounds, keeps the newest commands, and keeps being
// the link that it was.
func TestHistoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "link")
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", file); err != nil {
		t.Fatal(err)
	}
	h := newHistory(t, file)
	pad := strings.Repeat("x", 20<<10)
	for i := range 250 { // 5 MB
		remember(t, h, fmt.Sprintf("%d %s", i, pad))
		if info, err := os.Stat(file); err != nil || info.Size() > maxHistoryBytes+21<<10 {
			t.Fatalf("after %d entries the file has %d bytes, want at most %d", i+1, info.Size(), maxHistoryBytes)
		}
	}
	got := newHistory(t, file).entries
	for i, e := range got {
		if want := strconv.Itoa(250 - len(got) + i); !strings.HasPrefix(e, want+" ") {
			t.Fatalf("entry %d of %d begins %.10q, want %q", i, len(got), e, want)
		}
	}
	if len(got) < 40 {
		t.Errorf("%d entries were kept, want at least 40", len(got))
	}
	if info, err := os.Lstat(file); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("files in the directory = %v, %v, want 2", files, err)
	}
}

// writeHistory is the environment variable that makes the test binary a shell
// that remembers commands: its file, and its name.
const writeHistory = "KVSH_TEST_WRITE_HISTORY"

// How many processes write, how much, and to what size of the file: it is
// shortened again and again.
const (
	historyWriters  = 4
	historyCommands = 300
	historyBytes    = 256 << 10
)

func TestMain(m *testing.M) {
	if name, file, ok := strings.Cut(os.Getenv(writeHistory), " "); ok {
		for i := 0; i < historyCommands; {
			// Long, so that writes which mix would show.
			err := appendHistory(file, fmt.Sprintf("%s %d %s\n", name, i, strings.Repeat(name, 3000)), historyBytes)
			switch {
			case err == nil:
				i++
			case !errors.Is(err, errHistoryBusy): // others were faster for long
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Shells that write at the same time lose and mix nothing, also while one of
// them shortens the file: whenever it is read, it holds what each of them wrote
// last, without a gap.
func TestHistoryOfSeveralProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	ended := make(chan error, historyWriters)
	for i := range historyWriters {
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), fmt.Sprintf("%s=%c %s", writeHistory, 'a'+i, file))
		p.Stderr = os.Stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- p.Wait() }()
	}
	next := map[string]int{}
	for running := historyWriters; running > 0; {
		select {
		case err := <-ended:
			running--
			if err != nil {
				t.Errorf("a shell: %v", err)
			}
		default:
		}
		next = checkHistory(t, file)
	}
	for name, n := range next {
		if n != historyCommands {
			t.Errorf("the last entry of %s is %d, want %d", name, n-1, historyCommands-1)
		}
	}
	if len(next) == 0 {
		t.Error("nothing was written")
	}
}

// checkHistory checks that the entries of each writer are whole and follow each
// other, and returns the number that each comes to next.
func checkHistory(t *testing.T, file string) map[string]int {
	t.Helper()
	next := map[string]int{}
	for i, e := range newHistory(t, file).entries {
		fields := strings.Fields(e)
		if len(fields) != 3 || fields[2] != strings.Repeat(fields[0], 3000) {
			t.Fatalf("entry %d is %.40q…, which nobody wrote", i, e)
		}
		n, err := strconv.Atoi(fields[1])
		if want, seen := next[fields[0]]; err != nil || seen && n != want {
			t.Fatalf("entry %d is number %s of %s, want %d", i, fields[1], fields[0], want)
		}
		next[fields[0]] = n + 1
	}
	return next
}
