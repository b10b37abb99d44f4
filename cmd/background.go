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
	"kvsh/format"
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
	last int // number of the job that was begun last

	mu  sync.Mutex // guards all below
	all []*job     // those that run, in the order of their numbers
}

// errStopped is why a job ends that was told to.
var errStopped = errors.New("stopped")

// dotJobs are the dot-commands about what runs in the background.
func dotJobs() []dotCommand {
	return []dotCommand{
		{
			name: ".jobs", short: "What runs in the background",
			long: `"watch" and "log follow" run there if they end in &, as in: watch 'user:*' &
Their lines appear above the prompt, each with the number of its job. Ctrl-C
does not end them, leaving the shell does.`,
			run: dotListJobs,
		},
		{
			name: ".stop", usage: "[N…]", short: "End the jobs of these numbers, or all", most: -1,
			words: jobNumbers, run: dotStop,
		},
	}
}

// isBackground reports whether a command, whose words were expanded, is to run
// in the background. A quoted "&", or one behind other commands, is a word as
// any.
func (s *Session) isBackground(c repl.Command, words []string) bool {
	if last := c.Words[len(c.Words)-1]; last.Text != backgroundWord || last.Quoted {
		return false
	}
	found, _, err := newRoot(s, nil).Find(words[:len(words)-1])
	if err != nil {
		return false
	}
	_, name, _ := strings.Cut(found.CommandPath(), " ")
	return slices.Contains(backgroundCommands, name)
}

// startJob runs words in the background, until they end or the context does.
func (s *Session) startJob(ctx context.Context, to repl.Redirect, words []string) error {
	switch {
	case s.shell.editor == nil:
		return usagef("&: only in the shell")
	case to != repl.ToOutput:
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
	s.remark(fmt.Sprintf("[%d] %s", j.number, format.Safe(j.text)))
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
	out := &jobWriter{ctx: ctx, editor: s.shell.editor, lead: fmt.Sprintf("[%d] ", j.number)}
	streams := s.Streams
	streams.In, streams.InTerminal = strings.NewReader(""), false
	streams.Out, streams.Err, streams.ErrTerminal = out, out, false
	streams.Ask, streams.Signals = nil, nil
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

func dotListJobs(_ context.Context, s *Session, _ []string) error {
	for _, j := range s.jobs.running() {
		if err := s.say(fmt.Sprintf("[%d] %s", j.number, format.Safe(j.text))); err != nil {
			return err
		}
	}
	return nil
}

func dotStop(_ context.Context, s *Session, args []string) error {
	all := s.jobs.running()
	some := all
	if len(args) > 0 {
		some = nil
	}
	for _, word := range args {
		i := slices.IndexFunc(all, func(j *job) bool { return strconv.Itoa(j.number) == word })
		if i < 0 {
			return badWord(".stop: no job of number", word, `".jobs" lists them`)
		}
		some = append(some, all[i])
	}
	s.jobs.stop(some)
	return nil
}

// jobNumbers are the numbers of the jobs that run, for Tab.
func jobNumbers(s *Session) []string {
	var numbers []string
	for _, j := range s.jobs.running() {
		numbers = append(numbers, strconv.Itoa(j.number))
	}
	return numbers
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
