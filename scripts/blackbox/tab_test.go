//go:build linux

package blackbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// A person sits at a terminal in front of another shell. The kvsh that the
// shell finds completes as the real one does, and hands every other command
// line, word by word, to the test.
type person struct {
	t     *testing.T
	term  *os.File
	words *os.File // what was run: each word before a NUL, at the end a line feed

	prompts int // that the shell has shown, which it counts in them

	mu  sync.Mutex
	out bytes.Buffer // all that the terminal showed
}

// bashCompletion is the package of that name.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// A tabShell is a shell with the file that makes it ready and the commands in
// it. SCRIPT is the script of kvsh, HOME the home of the person. The usual Tab of
// zsh first expands the word, and so runs what it holds: here it completes alone.
type tabShell struct {
	name, program, rc, commands string
	args                        []string
}

// The script is read at the start, or, as when it is installed, by the shell
// itself at the first Tab.
var tabShells = []tabShell{
	{"bash alone", "bash", "rc", `PS1='READY$n> '; PROMPT_COMMAND='((n++))'; HISTFILE=
bind 'set bell-style none'; . SCRIPT`, bashArgs},
	{"bash with bash-completion", "bash", "rc", `PS1='READY$n> '; PROMPT_COMMAND='((n++))'; HISTFILE=
mkdir -p HOME/bc/completions; cp SCRIPT HOME/bc/completions/kvsh; BASH_COMPLETION_USER_DIR=HOME/bc
. ` + bashCompletion + `; bind 'set bell-style none'`, bashArgs},
	{"zsh", "zsh", ".zshrc", zshReady + "autoload -Uz compinit; compinit -u -D; . SCRIPT", []string{"-i"}},
	{"zsh, installed", "zsh", ".zshrc", zshReady + `mkdir HOME/functions; cp SCRIPT HOME/functions/_kvsh
fpath=(HOME/functions $fpath); autoload -Uz compinit; compinit -u -D`, []string{"-i"}},
	{"fish", "fish", "config.fish", fishReady + "source SCRIPT", fishArgs},
	{"fish, installed", "fish", "config.fish", fishReady + `mkdir HOME/tab; cp SCRIPT HOME/tab/
set -p fish_complete_path HOME/tab`, fishArgs},
}

var (
	bashArgs = []string{"--noprofile", "--rcfile", "HOME/rc", "-i"}
	fishArgs = []string{"--no-config", "-i", "-C", "source HOME/config.fish"}
)

const (
	zshReady = `PS1='READY$n> '; setopt promptsubst; precmd() { ((n++)) }; HISTFILE=
unsetopt beep; bindkey -e; bindkey '^I' complete-word
`
	fishReady = `set -g n 0; set -g fish_greeting
function count_up --on-event fish_prompt; set -g n (math $n + 1); end
function fish_prompt; printf 'READY%d> ' $n; end
`
)

// sit starts a shell in front of which a person sits, in a directory that holds
// the database test.kv, with an environment of its own.
func sit(t *testing.T, sh *tabShell, dir string) *person {
	t.Helper()
	need(t, sh.program)
	if strings.Contains(sh.commands, bashCompletion) {
		if _, err := os.Stat(bashCompletion); err != nil {
			t.Skipf("no bash-completion here: %v", err)
		}
	}
	home := t.TempDir()
	bin, pipe := filepath.Join(home, "bin"), filepath.Join(home, "words")
	script := filepath.Join(home, "kvsh."+sh.program)
	write := func(file, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(bin, "kvsh"), fmt.Sprintf("#!/bin/sh\ncase $1 in __tab) exec '%s' \"$@\" ;; esac\nprintf '%%s\\0' \"$@\" >'%s'\necho >'%s'\n", program, pipe, pipe), 0o755)
	out, err := exec.Command(program, "completion", sh.program).Output()
	if err != nil {
		t.Fatalf("kvsh completion %s: %v", sh.program, err)
	}
	write(script, string(out), 0o644)
	write(filepath.Join(home, sh.rc), strings.NewReplacer("SCRIPT", script, "HOME", home).Replace(sh.commands)+"\n", 0o644)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t}
	if p.words, err = os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.words.Close() })
	shell := exec.Command(sh.program)
	for _, arg := range sh.args {
		shell.Args = append(shell.Args, strings.ReplaceAll(arg, "HOME", home))
	}
	shell.Dir = dir
	shell.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "ZDOTDIR=" + home, "TERM=xterm",
		"KVSH_TAB_TIME=2m", // whatever else this machine does
		"LC_ALL=C.UTF-8", "KVSH_DB=" + filepath.Join(dir, "test.kv"), "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home,
	}
	if p.term, err = pty.StartWithSize(shell, &pty.Winsize{Rows: 50, Cols: 120}); err != nil {
		t.Fatalf("%s: %v", sh.name, err)
	}
	t.Cleanup(func() {
		p.term.Close()
		_ = shell.Process.Kill()
		_ = shell.Wait()
	})
	go p.read()
	return p
}

// read keeps what the terminal shows, and answers the shell that asks what kind
// of terminal this is.
func (p *person) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.term.Read(buffer)
		p.mu.Lock()
		p.out.Write(buffer[:n])
		p.mu.Unlock()
		if bytes.Contains(buffer[:n], []byte("\x1b[c")) || bytes.Contains(buffer[:n], []byte("\x1b[0c")) {
			_, _ = p.term.WriteString("\x1b[?6c")
		}
		if err != nil {
			return
		}
	}
}

// shown is all that the terminal showed.
func (p *person) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// waitForPrompt waits until the shell shows its next prompt and edits a line: keys
// typed before belong to the terminal, not to the shell.
func (p *person) waitForPrompt() {
	p.t.Helper()
	p.prompts++
	prompt := fmt.Sprintf("READY%d> ", p.prompts)
	for deadline := time.Now().Add(commandLimit); !strings.Contains(p.shown(), prompt) || !p.isEditing(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("the terminal does not show %q, or no line is edited: %q", prompt, p.shown())
		}
		time.Sleep(time.Millisecond) // the next look
	}
}

// isEditing reports whether the shell has the terminal hand on keys one by one.
func (p *person) isEditing() bool {
	p.t.Helper()
	conn, err := p.term.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	var mode *unix.Termios
	var modeErr error
	err = conn.Control(func(fd uintptr) { mode, modeErr = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	if err := errors.Join(err, modeErr); err != nil {
		p.t.Fatal(err)
	}
	return mode.Lflag&unix.ICANON == 0
}

// run types keys and Enter, and returns the words of the kvsh command that the
// shell then ran.
func (p *person) run(keys string) []string {
	p.t.Helper()
	p.waitForPrompt()
	if _, err := p.term.WriteString(keys + "\r"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.words.SetReadDeadline(time.Now().Add(commandLimit)); err != nil {
		p.t.Fatal(err)
	}
	var got []byte
	for buffer := make([]byte, 4096); !bytes.HasSuffix(got, []byte("\x00\n")); {
		n, err := p.words.Read(buffer)
		got = append(got, buffer[:n]...)
		if err != nil && !errors.Is(err, io.EOF) {
			p.t.Fatalf("after %q no command ran: %v; the terminal shows %q", keys, err, p.shown())
		}
	}
	return strings.Split(string(got[:len(got)-2]), "\x00")
}

// oddKeys are keys that a shell would tear apart if nobody quoted them, each
// told from the others by its first two characters.
var oddKeys = []string{
	"a1:b:c", "a2 b  c", "a3'b", `a4"b`, "a5$HOME", "a6`x`", `a7\b`, "a8*?[x]", "a9{x,y}", "b1&;|<>", "b2!x", "b3#~", "b4=é世", "b5(x)^%",
	"d1\x01x", "d2\xffx", "c1-d", "c2 $(touch gone)", "c3'\"\\$ ", "c4/x.y",
}

// TestTabOddKeys: a key that Tab completes reaches the program as the bytes it
// has, in every shell, behind every way to begin it.
func TestTabOddKeys(t *testing.T) {
	for _, sh := range tabShells {
		t.Run(sh.name, func(t *testing.T) {
			d := newDB(t)
			for _, key := range oddKeys {
				d.must(t, "", "set", "--", key, "1")
			}
			dir := filepath.Dir(string(d))
			p := sit(t, &sh, dir)
			for _, key := range oddKeys {
				for _, quote := range []string{"", "'", `"`} {
					if sh.program == "zsh" && quote != "" && !utf8.ValidString(key) {
						continue // zsh could not quote it, and so is not offered it
					}
					if got, want := p.run("kvsh get "+quote+key[:2]+"\t"), []string{"get", key}; !slices.Equal(got, want) {
						t.Errorf("kvsh get %s%s and Tab gives %q, want %q", quote, key[:2], got, want)
					}
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "gone")); err == nil {
				t.Error("a key was run as a command")
			}
		})
	}
}

// TestTabCandidates: Tab knows commands, flags, files, databases and what is in
// them; behind a level of keys more can be typed; what a line holds is not run.
func TestTabCandidates(t *testing.T) {
	d := newDB(t)
	dir := filepath.Dir(string(d))
	d.must(t, "", "mset", "user:1:mail", "a", "user:1:name", "b", "user:2", "c", "log/2026/11", "d", "log/2026/12", "e", "z", "f")
	d.must(t, "", "--cf", "drafts", "set", "x1", "y")
	d.must(t, "", "handler", "add", "swap", "../handlers/swap.star")
	d.must(t, "", "snapshot", "save", filepath.Join(dir, "backup.kvs"))
	db(filepath.Join(dir, "other.kv")).must(t, "", "set", "only", "1")
	if err := os.WriteFile(filepath.Join(dir, "items.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sh := range tabShells {
		t.Run(sh.name, func(t *testing.T) {
			p := sit(t, &sh, dir)
			for _, c := range []struct {
				keys string
				want string // the words, between blanks
			}{
				{"ge\tz", "get z"},
				{"get us\tX", "get user:X"},
				{"get us\t1\tX", "get user:1:X"},
				{"get us\t1\tna\t", "get user:1:name"},
				{"get lo\t\t11\t", "get log/2026/11"},
				{"snapshot ver\tback\t", "snapshot verify backup.kvs"},
				{"get --defa\tv z", "get --default v z"},
				{"get -m quo\tz", "get -m quoted z"},
				{"get --mode=quo\tz", "get --mode=quoted z"},
				{"--cf dr\tget x\t", "--cf drafts get x1"},
				{"list --cf dr\t", "list --cf drafts"},
				{"call sw\tlo\t2026/11 z", "call swap log/2026/11 z"},
				{"config sy\tne\t", "config sync never"},
				{"undo --rev 3\t", "undo --rev 3"},
				{"log show 1..3\t", "log show 1..3"},
				{"import --on-conflict ke\tite\t", "import --on-conflict keep items.jsonl"},
				{"import --format js\tl ite\t", "import --format jsonl items.jsonl"},
				{"-d other.kv get on\t", "-d other.kv get only"},
				{"-qdother.kv get on\t", "-qdother.kv get only"},
				{"get --db=other.kv on\t", "get --db=other.kv only"},
				{"oth\tget on\t", "other.kv get only"},
				{"help snap\t", "help snapshot"},
				{"get 'us\t2'", "get user:2"},
				{`get "u` + "\t" + `2"`, "get user:2"},
				{`get "us` + "\t1\tna\t", "get user:1:name"},
				{`list --prefix "us` + "\t" + `1"`, "list --prefix user:1"},
				{`oth` + "\t" + `get "o` + "\t", "other.kv get only"},
				{"get nothing\tX", "get nothingX"},
				{"get $(touch gone)us\t\x15kvsh get z", "get z"},
				{"get `touch gone`us\t\x15kvsh get z", "get z"},
			} {
				got := strings.Join(p.run("kvsh "+c.keys), " ")
				if got != c.want {
					t.Errorf("kvsh %q gives %q, want %q", c.keys, got, c.want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "gone")); err == nil {
				t.Error("Tab ran what stands on the line")
			}
		})
	}
}

// TestTabInTrouble: whatever state the database is in, Tab says nothing of it,
// changes nothing, and does not wait.
func TestTabInTrouble(t *testing.T) {
	tab := func(t *testing.T, d db, wait, line string) (string, time.Duration) {
		t.Helper()
		c := exec.CommandContext(t.Context(), program, "__tab", "fish", line)
		c.Env = append(environment(filepath.Dir(string(d))), "KVSH_DB="+string(d), "KVSH_TAB_TIME="+wait)
		start := time.Now()
		r := finish(t, c, "")
		if r.code != 0 || r.stderr != "" {
			t.Errorf("__tab %q ends with %d and says %q, want 0 and nothing", line, r.code, short(r.stderr))
		}
		return r.stdout, time.Since(start)
	}
	t.Run("missing", func(t *testing.T) {
		d := newDB(t)
		if got, _ := tab(t, d, "20s", "kvsh get "); got != "words\n" {
			t.Errorf("without a database Tab offers %q", got)
		}
		if _, err := os.Stat(string(d)); err == nil {
			t.Error("Tab made a database")
		}
	})
	t.Run("sound, and locked", func(t *testing.T) {
		d := newReadable(t)
		before := tree(t, string(d))
		lock, err := os.Open(filepath.Join(string(d), "LOCK"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		for line, want := range map[string]string{
			"kvsh get us":      "words\nuser:\t2 keys\n",
			"kvsh call ":       "swap",
			"kvsh undo --rev ": "4\t",
			"kvsh config ":     "sync\talways",
			"kvsh cf rm ":      "words\n",
		} {
			if got, _ := tab(t, d, "20s", line); !strings.Contains(got, want) {
				t.Errorf("__tab %q answers %q, want %q", line, got, want)
			}
		}
		unchanged(t, "__tab", string(d), before)
	})
	t.Run("damaged", func(t *testing.T) {
		d := newReadable(t)
		files, err := filepath.Glob(filepath.Join(string(d), "log", "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("log: %q, %v", files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		b[30] ^= 0xff
		if err := os.WriteFile(files[0], b, 0o644); err != nil {
			t.Fatal(err)
		}
		before := tree(t, string(d))
		for _, line := range []string{"kvsh get ", "kvsh undo --rev ", "kvsh quarantine show ", "kvsh config ", "kvsh call "} {
			tab(t, d, "20s", line)
		}
		unchanged(t, "__tab", string(d), before)
	})
	t.Run("hangs", func(t *testing.T) {
		d := newReadable(t)
		name := filepath.Join(string(d), "FORMAT")
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil { // nobody ever writes
			t.Fatal(err)
		}
		if got, took := tab(t, d, "100ms", "kvsh get "); got != "words\n" || took > commandLimit/2 {
			t.Errorf("on a disk that hangs Tab offers %q after %v", got, took)
		}
	})
}

// TestTabShowsNoEscapes: no list of keys sends what is in them to the terminal.
func TestTabShowsNoEscapes(t *testing.T) {
	for _, sh := range tabShells {
		t.Run(sh.name, func(t *testing.T) {
			d := newDB(t)
			d.must(t, "", "mset", "a1\x1b[2Jowned", "x", "a2\x1b]0;owned\x07", "x", "a:1", "x", "a:2", "x", "z", "x")
			p := sit(t, &sh, filepath.Dir(string(d)))
			p.run("kvsh get a\t\t\x15kvsh get z")
			p.waitForPrompt()
			for _, bad := range []string{"\x1b[2Jowned", "\x1b]0;owned"} {
				if strings.Contains(p.shown(), bad) {
					t.Errorf("Tab sends %q to the terminal: %q", bad, p.shown())
				}
			}
			if !strings.Contains(p.shown(), "owned") {
				t.Errorf("Tab shows no keys: %q", p.shown())
			}
		})
	}
}
