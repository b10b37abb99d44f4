//go:build linux

package blackbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// A pipe is a process of the program that reads commands from its stdin.
type pipe struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer // to be read after wait
}

// open starts a process on the database that lives until its stdin is closed,
// it is killed, or the test ends.
func (d db) open(t *testing.T, args ...string) *pipe {
	t.Helper()
	p := &pipe{cmd: d.command(t.Context(), args...)}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 64<<10)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends lines of commands and waits for one line of answer, which it
// returns without its newline.
func (p *pipe) ask(lines string) (string, error) {
	// An error of the write alone says nothing: what was sent before it may
	// have been done, and then the answer is there to be read.
	_, writeErr := io.WriteString(p.in, lines)
	answer, err := p.out.ReadString('\n')
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		return "", fmt.Errorf("no answer: %w", err)
	}
	return strings.TrimSuffix(answer, "\n"), nil
}

// wait closes stdin and returns how the process ended.
func (p *pipe) wait() error {
	p.in.Close()
	if rest, err := io.ReadAll(p.out); err == nil && len(rest) > 0 {
		_ = p.cmd.Wait()
		return fmt.Errorf("printed %q that nobody asked for", short(string(rest)))
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%w\nstderr: %s", err, short(p.stderr.String()))
	}
	return nil
}
