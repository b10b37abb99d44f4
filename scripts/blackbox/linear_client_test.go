//go:build linux

package blackbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// errKilled is why an operation has no answer: its process was killed.
var errKilled = errors.New("killed")

// A victim is a process that may be killed at any moment.
type victim struct {
	cmd    *exec.Cmd
	killed atomic.Bool
}

// kill kills the process, unless it has ended.
func (v *victim) kill() {
	v.killed.Store(true)
	_ = v.cmd.Process.Kill()
}

// A client runs the operations of a history one after the other.
type client interface {
	// do runs an operation. The error is errKilled if its process was killed
	// meanwhile, and the answer holds what was seen before.
	do(t *testing.T, in op) (answer, error)
	// current is the process that runs, or nil.
	current() *victim
	// close ends it and returns how it ended.
	close() error
}

// marker is the command that shows where the answer of the one before ends: it
// prints one line and does not look at the database.
const marker = "version\n"

// A pipeClient sends its operations down a pipe, which lives until it is killed.
type pipeClient struct {
	db   db
	end  string // what marker prints
	pipe *pipe
	mu   sync.Mutex // guards now
	now  *victim
}

func (c *pipeClient) current() *victim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *pipeClient) close() error {
	if c.pipe == nil {
		return nil
	}
	return c.pipe.wait()
}

// say sends commands and returns the lines they print.
func (c *pipeClient) say(commands string) ([]string, error) {
	_, writeErr := io.WriteString(c.pipe.in, commands+"\n"+marker)
	var lines []string
	for {
		line, err := c.pipe.out.ReadString('\n')
		if err != nil {
			waitErr := c.pipe.wait()
			killed := c.now.killed.Load()
			c.pipe = nil
			if killed {
				return nil, errKilled
			}
			return nil, errors.Join(writeErr, err, waitErr)
		}
		if line = strings.TrimSuffix(line, "\n"); line == c.end {
			return lines, nil
		}
		lines = append(lines, line)
	}
}

func (c *pipeClient) do(t *testing.T, in op) (answer, error) {
	if c.pipe == nil {
		c.pipe = c.db.open(t, "--keep-going", "--wait", "60s")
		c.mu.Lock()
		c.now = &victim{cmd: c.pipe.cmd}
		c.mu.Unlock()
	}
	if in.kind != opTx {
		lines, err := c.say(in.words)
		if err != nil {
			return answer{pending: true}, err
		}
		return in.answer(lines)
	}
	// The transaction is open while its client thinks about what it read.
	reads, writes, _ := strings.Cut(in.words, "\x00")
	lines, err := c.say(reads)
	if err != nil {
		return answer{}, err // nothing was asked to be written
	}
	seen, err := numbers(lines, len(in.keys))
	if err != nil {
		return answer{}, err
	}
	lines, err = c.say(writes)
	if err != nil {
		return answer{pending: true, seen: seen}, err
	}
	out := answer{seen: seen, done: len(lines) > 0}
	if out.done {
		rev, err := numbers(lines, 1)
		if err != nil {
			return out, err
		}
		out.rev = int(rev[0])
	}
	return out, nil
}

// A commandClient runs a process for each operation.
type commandClient struct {
	db  db
	mu  sync.Mutex // guards now
	now *victim
}

func (c *commandClient) close() error { return nil }

func (c *commandClient) current() *victim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *commandClient) do(t *testing.T, in op) (answer, error) {
	words, stdin := strings.Fields(in.words), ""
	if data, ok := strings.CutPrefix(in.words, "import "); ok {
		words, stdin = []string{"import", "--rev", "--quiet", "--format", "tsv"}, data
	}
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := c.db.command(ctx, append([]string{"--wait", "60s"}, words...)...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return answer{}, err
	}
	v := &victim{cmd: cmd}
	c.mu.Lock()
	c.now = v
	c.mu.Unlock()
	err := cmd.Wait()
	c.mu.Lock()
	c.now = nil
	c.mu.Unlock()
	switch code := cmd.ProcessState.ExitCode(); {
	case code < 0 && v.killed.Load():
		return answer{pending: true}, errKilled
	case code != 0 && code != 1:
		return answer{}, fmt.Errorf("%s: %w\nstderr: %s", short(in.words), err, short(stderr.String()))
	}
	return in.answer(slices.Collect(strings.SplitSeq(strings.TrimSuffix(stdout.String(), "\n"), "\n")))
}

// answer reads what the command of an operation printed, a line each.
func (in op) answer(lines []string) (out answer, err error) {
	if len(lines) == 1 && lines[0] == "" {
		lines = nil
	}
	switch in.kind {
	case opRead:
		if strings.HasPrefix(in.words, "list") {
			out.seen, err = listed(lines)
			return out, err
		}
		out.seen, err = numbers(lines, len(in.keys))
	case opWrite:
		var n []int64
		if n, err = numbers(lines, 1); err == nil {
			out = answer{done: true, rev: int(n[0])}
		}
	case opSwap:
		var n []int64
		if n, err = numbers(lines, len(lines)); err == nil && len(n) > 0 {
			out = answer{done: true, rev: int(n[0])}
		}
	case opDelete, opIncr:
		var n []int64
		if n, err = numbers(lines, len(lines)); err == nil && len(n) == 0 {
			err = errors.New("no number")
		}
		if err == nil {
			out.seen = n[:1]
			if len(n) > 1 {
				out.rev = int(n[1])
			}
			if wrote := in.kind == opIncr || n[0] > 0; wrote != (len(n) == 2) {
				err = fmt.Errorf("printed %q, want a number and a revision if something was written", lines)
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", short(in.words), err)
	}
	return out, err
}

// numbers reads so many numbers, one a line.
func numbers(lines []string, count int) ([]int64, error) {
	if len(lines) != count {
		return nil, fmt.Errorf("printed %q, want %d lines", lines, count)
	}
	all := make([]int64, count)
	for i, line := range lines {
		n, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("printed %q, want numbers", lines)
		}
		all[i] = n
	}
	return all, nil
}

// listed reads the lines of a list of all registers.
func listed(lines []string) ([]int64, error) {
	all := make([]int64, registers)
	for _, line := range lines {
		var key int
		var value int64
		if _, err := fmt.Sscanf(line, "r/%d\t%d", &key, &value); err != nil || key < 0 || key >= registers {
			return nil, fmt.Errorf("listed %q", line)
		}
		all[key] = value
	}
	return all, nil
}
