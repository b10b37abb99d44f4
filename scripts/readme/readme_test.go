package readme

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// An example is a command of the README and what it prints there: nothing, if
// nothing is shown.
type example struct {
	line    int
	command string
	output  []string
}

// examples are the commands of the README by the section they stand in. Lines
// that are indented and begin with $ are commands; a heredoc goes on to END.
func examples(t *testing.T) map[string][]example {
	t.Helper()
	b, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	all, section, heredoc := map[string][]example{}, "", false
	for i, line := range strings.Split(string(b), "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		text, indented := strings.CutPrefix(line, "    ")
		command, isCommand := strings.CutPrefix(text, "$ ")
		n := len(all[section])
		switch {
		case !indented:
		case heredoc:
			all[section][n-1].command += "\n" + text
			heredoc = text != "END"
		case isCommand:
			all[section] = append(all[section], example{line: i + 1, command: command})
			heredoc = strings.Contains(command, "<<'END'")
		case n > 0:
			all[section][n-1].output = append(all[section][n-1].output, text)
		}
	}
	return all
}

// A place is where the commands of the README run: a directory of their own,
// with the program of this repository.
type place struct {
	dir string
	env []string
}

func newPlace(t *testing.T) place {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "kvsh"), "kvsh")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	scripts, err := filepath.Abs(root + "/scripts")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(scripts, filepath.Join(dir, "scripts")); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C"}
	return place{dir, env}
}

// run runs a command and returns its lines of output, those to stderr too.
func (p place) run(command string) ([]string, error) {
	// No example waits for something; one that does so has gone wrong.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", command)
	c.WaitDelay = time.Minute
	c.Dir, c.Env = p.dir, p.env
	out, err := c.CombinedOutput()
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), err
}

// matches reports whether lines are as shown; … stands for anything.
func matches(lines, shown []string) bool {
	pattern := regexp.QuoteMeta(strings.Join(shown, "\n"))
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(strings.Join(lines, "\n"))
}

// created is the remark of the first write, which the README does not repeat.
func created(lines []string) bool {
	return len(lines) == 1 && strings.HasPrefix(lines[0], "created ")
}

// needs is the program that a command cannot do without.
func needs(command string) string {
	for _, program := range []string{"redis-cli", "sqlite3"} {
		if strings.Contains(command, program) {
			return program
		}
	}
	return ""
}

func TestExamples(t *testing.T) {
	p, all := newPlace(t), examples(t)
	skipped := map[string]bool{}
	ran := 0
	for _, section := range []string{"A first session", "Lines to copy"} {
		for _, e := range all[section] {
			program := needs(e.command)
			if program != "" && !skipped[program] && !p.has(t, program) {
				t.Logf("SKIP README.md:%d and on: no %s here", e.line, program)
				skipped[program] = true
			}
			if program != "" && skipped[program] || skipped["redis-cli"] && strings.Contains(e.command, "dump.rdb") ||
				skipped["sqlite3"] && strings.Contains(e.command, "sqlite.kv") {
				continue
			}
			lines, err := p.run(e.command)
			if len(lines) > 0 && created(lines[:1]) {
				lines = lines[1:]
			}
			// A miss of the cache is a message, and then the value is set.
			if strings.Contains(e.command, "||") {
				lines = nil
			}
			if code(err) == 1 && len(e.output) > 0 {
				err = nil // a "no", such as of diff, which is shown
			}
			if err != nil || !matches(lines, e.output) {
				t.Errorf("README.md:%d: %s printed %q, %v, want %q", e.line, e.command, lines, err, e.output)
			}
			ran++
		}
	}
	if ran < 20 {
		t.Errorf("%d commands ran, want 20 and more: were they found?", ran)
	}
}

// code is the exit code of a command by the error of running it.
func code(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// has reports whether a program can be used here. Redis has a server of its own.
func (p place) has(t *testing.T, program string) bool {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil || program != "redis-cli" {
		return err == nil
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		return false
	}
	socket := filepath.Join(p.dir, "redis.sock")
	server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", p.dir)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	bin, _, _ := strings.Cut(strings.TrimPrefix(p.env[0], "PATH="), ":")
	wrapper := fmt.Sprintf("#!/bin/sh\nexec %s -s %s \"$@\"\n", path, socket)
	if err := os.WriteFile(filepath.Join(bin, "redis-cli"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return true
		}
	}
	t.Fatal("redis-server does not listen")
	return false
}

// The way out of damage is as the README shows it: a byte of the second record
// is another, and every command there does what is said of it.
func TestAfterACrash(t *testing.T) {
	p := newPlace(t)
	if _, err := p.run("kvsh notes.kv set user:1 old && kvsh notes.kv set user:1 'Ada King' && kvsh notes.kv set user:2 x"); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(p.dir, "notes.kv/log/00000000000000000001")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), "King")
	b[at] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	codes := []int{4, 0, 4, 4, 0, 0} // of the commands, in order
	shown := examples(t)["After a crash"]
	if len(shown) != len(codes) {
		t.Fatalf("README.md has %d commands after a crash, want %d", len(shown), len(codes))
	}
	for i, e := range shown {
		lines, err := p.run(e.command)
		if code(err) != codes[i] || len(e.output) > 0 && !matches(lines, e.output) {
			t.Errorf("README.md:%d: %s = %d, want %d; it printed %q, want %q", e.line, e.command, code(err), codes[i], lines, e.output)
		}
	}
}

// Every file that is linked is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)\)`)
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}
