package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kvsh/engine"
	"kvsh/repl"
)

// backgroundWord at the end of a command of the shell runs it in the background.
const backgroundWord = "&"

// backgroundCommands are those that may run there: they wait for what others
// do, and write nothing.
var backgroundCommands = []string{"watch", "log follow"}

// A job is a command that runs in the background of the shell. It has a session
// of its own, since commands of one run one after the other, and it is no part
// of the open transaction.
type job struct {
	number int    // from 1
	text   string // the command, for people
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it has ended
}

// jobs is what runs in the background of a shell. Its zero value has none.
type jobs struct {
	editor repl.Editor // shows what jobs say; nil outside of a shell
	last   int         // number of the job that was begun last

	mu  sync.Mutex // guards all below
	all []*job     // those that run, in the order of their numbers
}

// errStopped is why a job ends that was told to.
var errStopped = errors.New("stopped")

// isBackground reports whether a command is to run in the background. A quoted
// "&", or one behind other commands, is a word as any.
func (s *Session) isBackground(c repl.Command) bool {
	n := len(c.Words) - 1
	if last := c.Words[n]; last.Text != backgroundWord || last.Quoted {
		return false
	}
	found, _, err := newRoot(s, nil).Find(c.Texts(nil)[:n])
	if err != nil {
		return false
	}
	_, name, _ := strings.Cut(found.CommandPath(), " ")
	return slices.Contains(backgroundCommands, name)
}

// startJob runs a command, which ends in backgroundWord, in the background.
func (s *Session) startJob(ctx context.Context, c repl.Command) error {
	words := c.Texts(nil)
	words = words[:len(words)-1]
	switch {
	case c.Redirect != repl.ToOutput:
		return usagef("&: what runs in the background shows its lines above the prompt, not in a file or program")
	case slices.Contains(words, "--"):
		return usagef("&: a program cannot run in the background")
	}
	if isMemory(s.path()) {
		if _, err := s.open(ctx, toWrite); err != nil {
			return err
		}
	}
	s.jobs.last++
	ctx, cancel := context.WithCancelCause(ctx)
	j := &job{number: s.jobs.last, text: strings.Join(words, " "), cancel: cancel, done: make(chan struct{})}
	own := s.jobSession(ctx, j)
	s.jobs.mu.Lock()
	s.jobs.all = append(s.jobs.all, j)
	s.jobs.mu.Unlock()
	s.remark(fmt.Sprintf("[%d] %s", j.number, j.text))
	go func() {
		defer close(j.done)
		err := reason(ctx, own.runLine(ctx, words))
		cancel(nil)
		s.jobs.remove(j)
		own.endJob(err)
	}()
	return nil
}

// jobSession is a session for a job with the settings of this one.
func (s *Session) jobSession(ctx context.Context, j *job) *Session {
	out := &jobWriter{ctx: ctx, editor: s.jobs.editor, lead: fmt.Sprintf("[%d] ", j.number)}
	streams := s.Streams
	streams.In, streams.InTerminal = strings.NewReader(""), false
	streams.Out, streams.Err, streams.ErrTerminal = out, out, false
	streams.Ask, streams.KeepInterrupts = nil, nil
	if s.Width != nil {
		streams.Width = func() int { return max(s.Width()-len(out.lead), 0) }
	}
	own := NewSession(streams)
	own.set, own.door, own.running = s.set, doorShell, ctx
	own.set.ReadOnly = true
	if isMemory(s.path()) {
		own.store, own.openedAs = borrowedStore{s.store}, s.openedAs // there is no other way to it
	}
	return own
}

// A borrowedStore is the store of another session, which closes it.
type borrowedStore struct{ engine.Store }

func (borrowedStore) Close() error { return nil }

// endJob says how a job ended and closes its session.
func (s *Session) endJob(err error) {
	switch {
	case err == nil:
		s.remark("done")
	case errors.Is(err, errStopped):
		s.remark("stopped")
	default:
		s.report(err)
	}
	_ = s.Close() // it has only read
	if w, ok := s.Out.(*jobWriter); ok {
		w.end()
	}
}

// remove takes a job that has ended from the list.
func (js *jobs) remove(j *job) {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.all = slices.DeleteFunc(js.all, func(other *job) bool { return other == j })
}

// running is the jobs that run.
func (js *jobs) running() []*job {
	js.mu.Lock()
	defer js.mu.Unlock()
	return slices.Clone(js.all)
}

// stop ends jobs and waits until they have.
func (js *jobs) stop(some []*job) {
	for _, j := range some {
		j.cancel(errStopped)
	}
	for _, j := range some {
		<-j.done
	}
}

// listJobs is the dot-command .jobs: it prints the jobs that run.
func (s *Session) listJobs(words []string) error {
	if len(words) > 1 {
		return usagef(".jobs: takes no words")
	}
	for _, j := range s.jobs.running() {
		if _, err := fmt.Fprintf(s.out, "[%d] %s\n", j.number, j.text); err != nil {
			return err
		}
	}
	return nil
}

// stopJobs is the dot-command .stop: it ends the job of each number, or all.
func (s *Session) stopJobs(words []string) error {
	all := s.jobs.running()
	some := all
	if len(words) > 1 {
		some = nil
	}
	for _, word := range words[1:] {
		n, err := strconv.Atoi(strings.TrimPrefix(word, "%")) // as in other shells
		i := slices.IndexFunc(all, func(j *job) bool { return j.number == n })
		if err != nil || i < 0 {
			return usagef(".stop: no job %s; .jobs lists them", quoted(word))
		}
		some = append(some, all[i])
	}
	s.jobs.stop(some)
	return nil
}

// A jobWriter shows the whole lines that a job writes, each with its number.
type jobWriter struct {
	ctx    context.Context
	editor repl.Editor
	lead   string
	rest   []byte // of a line that is not whole yet
}

func (w *jobWriter) Write(p []byte) (int, error) {
	n := bytes.LastIndexByte(p, '\n') + 1
	if n == 0 {
		w.rest = append(w.rest, p...)
		return len(p), nil
	}
	text := append(w.rest, p[:n]...)
	w.rest = bytes.Clone(p[n:])
	if err := w.show(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// show shows whole lines, also the last ones of a job that was stopped.
func (w *jobWriter) show(lines []byte) error {
	var b strings.Builder
	for line := range bytes.Lines(lines) {
		b.WriteString(w.lead)
		b.Write(line)
	}
	return w.editor.Print(w.ctx, b.String())
}

// end shows what has no newline.
func (w *jobWriter) end() {
	if len(w.rest) > 0 {
		_ = w.show(append(w.rest, '\n'))
		w.rest = nil
	}
}

// runShellLine runs a dot-command of this file, or else a line.
func (s *Session) runShellLine(ctx context.Context, words []string) error {
	switch words[0] {
	case ".jobs":
		return s.listJobs(words)
	case ".stop":
		return s.stopJobs(words)
	}
	return s.runLine(ctx, words)
}
