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

	"github.com/creack/pty"
)

// A person sits at a terminal in front of another shell. The kvsh that the
// shell finds completes as the real one does, and hands every other command
// line, word by word, to the test.
type person struct {
	t     *testing.T
	term  *os.File
	words *os.File // what was run: each word before a NUL, at the end a line feed

	mu  sync.Mutex
	out bytes.Buffer // all that the terminal showed
}

// bashCompletion is the package of that name.
const bashCompletion = "/usr/share/bash-completion/bash_completion"

// tabShells are the shells with the file that makes each ready and the commands
// in it. FILE is the script of kvsh.
var tabShells = []struct {
	name, program, rc, commands string
	args                        []string
}{
	{"bash alone", "bash", "rc", "PS1='READY> '; HISTFILE=; bind 'set bell-style none'; . FILE\n", []string{"--noprofile", "--rcfile", "rc", "-i"}},
	{
		"bash with bash-completion", "bash", "rc", "PS1='READY> '; HISTFILE=; . " + bashCompletion + "; bind 'set bell-style none'; . FILE\n",
		[]string{"--noprofile", "--rcfile", "rc", "-i"},
	},
	{"zsh", "zsh", ".zshrc", "PS1='READY> '; HISTFILE=; autoload -Uz compinit; compinit -u -D; unsetopt beep; bindkey -e; . FILE\n", []string{"-i"}},
	{"fish", "fish", "config.fish", "function fish_prompt; printf 'READY> '; end; set -g fish_greeting; . FILE\n", []string{"--no-config", "-i", "-C", "source config.fish"}},
}

// sit starts a shell in front of which a person sits, in a directory of its own
// with the environment of the tests and what is added to it.
func sit(t *testing.T, name, shellName, rc, commands string, args []string, dir string) *person {
	t.Helper()
	need(t, shellName)
	if strings.Contains(commands, bashCompletion) {
		if _, err := os.Stat(bashCompletion); err != nil {
			t.Skipf("no bash-completion here: %v", err)
		}
	}
	bin, pipe := filepath.Join(dir, "bin"), filepath.Join(dir, "words")
	script := filepath.Join(dir, "kvsh."+shellName)
	write := func(file, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(bin, "kvsh"), fmt.Sprintf("#!/bin/sh\ncase $1 in __tab) exec '%s' \"$@\" ;; esac\nprintf '%%s\\0' \"$@\" >'%s'\necho >'%s'\n", program, pipe, pipe), 0o755)
	out, err := exec.Command(program, "completion", shellName).Output()
	if err != nil {
		t.Fatalf("kvsh completion %s: %v", shellName, err)
	}
	write(script, string(out), 0o644)
	write(filepath.Join(dir, rc), strings.ReplaceAll(commands, "FILE", script), 0o644)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t}
	if p.words, err = os.OpenFile(pipe, os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.words.Close() })
	shell := exec.Command(shellName, args...)
	shell.Dir = dir
	shell.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "ZDOTDIR=" + dir, "TERM=xterm",
		"LC_ALL=C.UTF-8", "KVSH_DB=" + filepath.Join(dir, "test.kv"), "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir,
	}
	if p.term, err = pty.StartWithSize(shell, &pty.Winsize{Rows: 50, Cols: 120}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Cleanup(func() {
		p.term.Close()
		_ = shell.Process.Kill()
		_ = shell.Wait()
	})
	go p.read()
	p.waitFor(1, "READY> ")
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

// waitFor waits until the terminal showed a text so many times.
func (p *person) waitFor(times int, text string) {
	p.t.Helper()
	for deadline := time.Now().Add(commandLimit); strings.Count(p.shown(), text) < times; {
		if time.Now().After(deadline) {
			p.t.Fatalf("the terminal does not show %q %d times: %q", text, times, p.shown())
		}
		time.Sleep(time.Millisecond) // the next look
	}
}

// run types keys and Enter, and returns the words of the kvsh command that the
// shell then ran.
func (p *person) run(keys string) []string {
	p.t.Helper()
	if _, err := p.term.WriteString(keys + "\r"); err != nil {
		p.t.Fatal(err)
	}
	if err := p.words.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
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
	"c1-d", "c2 $(touch gone)", "c3'\"\\$ ", "c4/x.y",
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
			p := sit(t, sh.name, sh.program, sh.rc, sh.commands, sh.args, dir)
			for _, key := range oddKeys {
				for _, quote := range []string{"", "'", `"`} {
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
