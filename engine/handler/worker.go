package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Worker runs handlers in a process of its own, so that one that runs away
// takes nothing with it. It is used by one goroutine at a time. The process is
// started when it is first needed, and again after a handler has ended it.
type Worker struct {
	command func() *exec.Cmd

	process  *exec.Cmd // nil: none runs
	in       io.WriteCloser
	requests *json.Encoder
	answers  *json.Decoder
	said     *head // what it wrote to stderr
}

// NewWorker returns a worker whose process is what command makes: a program
// that does nothing but Serve, on its stdin and stdout. command is called for
// each process; its streams are set by the worker.
func NewWorker(command func() *exec.Cmd) *Worker { return &Worker{command: command} }

// A request is a line to the process.
type request struct {
	Name   string
	Source []byte
	Keys   [][]byte // as bytes, since JSON has no strings of any bytes
	Values [][]byte
	Arg    string
	Now    time.Time
}

// An answer is a line from it. One of the errors is set, or none.
type answer struct {
	Outcome Outcome
	Keys    [][]byte // of Outcome.Writes, as bytes
	Refusal *RefusalError
	Fault   *Error
	Arg     string // the reason of an ErrArg
	Other   string
}

// Start starts the process, if none runs, without waiting for it: it comes up
// beside whatever the caller does before Run.
func (w *Worker) Start() error {
	if w.process != nil {
		return nil
	}
	c := w.command()
	w.said = &head{}
	c.Stderr = w.said
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start a process for handlers: %w", err)
	}
	w.process, w.in = c, in
	w.requests, w.answers = json.NewEncoder(in), json.NewDecoder(out)
	return nil
}

// Run runs a handler, given by its name for errors and its source, as
// Program.Run does, and holds it to MaxMemory and MaxTime as well: passing them
// is an *Error. The outcome is the same whether the process is a new one or not.
func (w *Worker) Run(ctx context.Context, name string, source []byte, c Call) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, context.Cause(ctx)
	}
	if err := c.check(); err != nil {
		return Outcome{}, err
	}
	if err := w.Start(); err != nil {
		return Outcome{}, err
	}
	r := request{Name: name, Source: source, Values: c.Values, Arg: c.Arg, Now: c.Now}
	for _, key := range c.Keys {
		r.Keys = append(r.Keys, []byte(key))
	}
	process := w.process.Process
	// Kill of a process that ended returns an error, which says nothing new.
	unwatch := context.AfterFunc(ctx, func() { _ = process.Kill() })
	// The process watches its time itself; this is for one that cannot.
	var late atomic.Bool
	timer := time.AfterFunc(MaxTime+time.Second, func() {
		late.Store(true)
		_ = process.Kill()
	})
	var a answer
	err := w.requests.Encode(r)
	if err == nil {
		err = w.answers.Decode(&a)
	}
	timer.Stop()
	unwatch()
	if err == nil && len(a.Keys) != len(a.Outcome.Writes) {
		err = errors.New("the answer is not whole")
	}
	if err != nil {
		ended := w.Close()
		switch {
		case ctx.Err() != nil:
			return Outcome{}, context.Cause(ctx)
		case late.Load():
			return Outcome{}, &Error{Name: name, Reason: reasons[exitTime]}
		}
		return Outcome{}, &Error{Name: name, Reason: w.reason(ended, err)}
	}
	return a.result()
}

// result is what Run returns for an answer.
func (a *answer) result() (Outcome, error) {
	for i := range a.Keys {
		a.Outcome.Writes[i].Key = string(a.Keys[i])
	}
	switch {
	case a.Refusal != nil:
		return a.Outcome, a.Refusal
	case a.Fault != nil:
		return a.Outcome, a.Fault
	case a.Arg != "":
		return a.Outcome, fmt.Errorf("%w%s", ErrArg, a.Arg)
	case a.Other != "":
		return a.Outcome, errors.New(a.Other)
	}
	return a.Outcome, nil
}

// Close ends the process, if one runs. The worker may be used again.
func (w *Worker) Close() error {
	if w.process == nil {
		return nil
	}
	process := w.process
	w.process = nil
	_ = w.in.Close() // the end of its stdin is the end of the process
	return process.Wait()
}

// The exit codes of a process that had to end in the middle of a handler.
const (
	exitMemory = 81
	exitTime   = 82
)

var reasons = map[int]string{
	exitMemory: fmt.Sprintf("more than %d MiB of memory", MaxMemory>>20),
	exitTime:   fmt.Sprintf("more than %v of time", MaxTime),
}

// exitRuntime is how the Go runtime ends a process that it cannot keep up.
const exitRuntime = 2

// reason says why a process ended without an answer.
func (w *Worker) reason(ended, err error) string {
	var exit *exec.ExitError
	if !errors.As(ended, &exit) {
		return fmt.Sprintf("the process of the handler gave no answer: %v", err)
	}
	switch code := exit.ExitCode(); {
	case reasons[code] != "":
		return reasons[code]
	case code == exitRuntime && strings.Contains(w.said.String(), "stack overflow"):
		return "values nested too deep"
	case code == exitRuntime:
		// A panic is an answer. What is left is memory that the kernel refused:
		// the runtime says so or, in places of its collector, crashes.
		return reasons[exitMemory]
	}
	return fmt.Sprintf("the process of the handler ended: %v", ended)
}

// A head keeps the beginning of what is written to it: the Go runtime says
// first why it ends a process.
type head struct {
	mu   sync.Mutex // the process may write while its end is looked into
	text []byte
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	const most = 4 << 10 // bytes
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, p[:min(len(p), most-len(h.text))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}
