//go:build linux

package blackbox

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	soak     = flag.Bool("soak", false, "run the long variants")
	rounds   = flag.Int("rounds", defaultRounds(), "rounds of five kills among eight writing processes; KVSH_ROUNDS sets the default")
	seedFlag = flag.Uint64("seed", 0, "seed of the random choices; 0 takes one from the clock")
	binary   = flag.String("kvsh", "", "program to test; built from this tree unless given")
)

// program is the absolute path of the program under test.
var program string

// commandLimit is how long one run of the program may take before it counts
// as hung.
const commandLimit = 2 * time.Minute

func defaultRounds() int {
	if n, err := strconv.Atoi(os.Getenv("KVSH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 100
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kvsh-blackbox")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs the program, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = *binary
	if program == "" {
		program = filepath.Join(dir, "kvsh")
		build := exec.Command("go", "build", "-trimpath", "-o", program, "kvsh")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
	}
	if program, err = filepath.Abs(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if out, err := exec.Command(program, "--version").Output(); err != nil || len(out) == 0 {
		fmt.Fprintf(os.Stderr, "%s --version: printed %q, error %v: this is no kvsh to test\n", program, out, err)
		return 1
	}
	return m.Run()
}

// newRand returns the source of a test's choices and prints its seed.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (again: -run '^%s$' -seed %d)", seed, t.Name(), seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// A db is a path of a database.
type db string

// newDB returns a path at which nothing is, in a directory of the test.
func newDB(t *testing.T) db {
	t.Helper()
	return db(filepath.Join(t.TempDir(), "test.kv"))
}

// A result is how one run of the program ended.
type result struct {
	stdout, stderr string
	code           int // exit code; -1 after a signal
}

// command prepares a run of the program on the database, in an environment
// that holds nothing of the user's.
func (d db) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, append([]string{"-d", string(d)}, args...)...)
	c.Env = environment(filepath.Dir(string(d)))
	return c
}

func environment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TERM=dumb", "LC_ALL=C.UTF-8"}
}

// run runs one command with bytes on stdin.
func (d db) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	return finish(t, d.command(ctx, args...), stdin)
}

// finish runs a prepared command to its end.
func finish(t *testing.T, c *exec.Cmd, stdin string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && c.ProcessState == nil {
		t.Fatalf("%s: %v", describe(c.Args), err)
	}
	for _, m := range advice.FindAllStringSubmatch(stderr.String(), -1) {
		if !isCommand(m[1]) {
			t.Errorf("%s: the message names kvsh %s, which is no command: %s", describe(c.Args), m[1], short(stderr.String()))
		}
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// advice is a command that a message tells the user of.
var advice = regexp.MustCompile(`"kvsh (?:-\S+ \S+ )*([a-z]+)`)

var known sync.Map // command to whether help knows it

// isCommand reports whether the program has a command.
func isCommand(name string) bool {
	if is, ok := known.Load(name); ok {
		return is.(bool)
	}
	is := exec.Command(program, "help", name).Run() == nil
	known.Store(name, is)
	return is
}

// must runs one command, fails the test unless it exits with 0, and returns
// its stdout.
func (d db) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := d.run(t, stdin, args...)
	if r.code != 0 {
		t.Fatalf("kvsh %s: exit %d, want 0\nstderr: %s", describe(args), r.code, short(r.stderr))
	}
	return r.stdout
}

// describe joins the words of a command for a message.
func describe(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = short(strconv.Quote(a))
	}
	return strings.Join(words, " ")
}

// short cuts a text for a message.
func short(s string) string {
	const limit = 600
	if len(s) <= limit {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:limit], len(s))
}

// list returns the entries with a prefix. Keys and values must be of
// characters that need no escape in the tab separated form.
func (d db) list(t *testing.T, prefix string) map[string]string {
	t.Helper()
	return parseList(t, d.must(t, "", "list", "-v", "-m", "tsv", "--prefix", prefix))
}

func parseList(t *testing.T, out string) map[string]string {
	t.Helper()
	entries := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("list -v printed a line without a tab: %s", short(strconv.Quote(line)))
		}
		entries[key] = value
	}
	return entries
}

// count returns the number of keys with a prefix.
func (d db) count(t *testing.T, prefix string) int {
	t.Helper()
	out := strings.TrimSpace(d.must(t, "", "count", "--prefix", prefix))
	n, err := strconv.Atoi(out)
	if err != nil {
		t.Fatalf("count --prefix %s printed %q, want a number", prefix, out)
	}
	return n
}

// text returns size random letters and digits, which no format escapes.
func text(r *rand.Rand, size int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901"
	b := make([]byte, size)
	for i := 0; i < size; {
		for bits := r.Uint64(); bits > 0 && i < size; bits >>= 6 {
			b[i] = letters[bits&63]
			i++
		}
	}
	return string(b)
}

// bytesOf returns size random bytes of all values.
func bytesOf(r *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// need skips the test unless all programs are there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("no %s here", p)
		}
	}
}
