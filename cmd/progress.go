package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

// Progress of a command that takes long is one line on stderr, which is
// rewritten in place and leaves nothing behind. It is for people: where stderr
// is no terminal, or one that cannot erase a line, nothing is written at all.
const (
	progressAfter = time.Second            // nothing is shown of what is faster
	progressEvery = 100 * time.Millisecond // from one look to the next
	progressWidth = 79                     // columns; a line that wraps could not be erased
)

// eraseLine puts the cursor at the start of the line and empties it.
const eraseLine = "\r\x1b[K"

// progress shows how far a command is. All methods may be called on nil, which
// shows nothing, and from any goroutine.
type progress struct {
	w     io.Writer
	name  string // of the command
	now   func() time.Time
	start time.Time // of the command

	mu    sync.Mutex // guards all below, and w
	at    engine.Progress
	read  func() int64 // what at.Done is, where nobody tells; or nil
	since time.Time    // start of what is being done
	shown bool         // a line stands on the terminal
	open  bool         // data stand there whose line has not ended
	ended bool

	quit, gone chan struct{}
}

// startProgress begins to show how far a command is, if there is somebody to
// see it. The caller ends it.
func (s *Session) startProgress(name string) *progress {
	if !s.ErrTerminal || s.set.Quiet {
		return nil
	}
	if term := s.Getenv("TERM"); term == "" || term == "dumb" {
		return nil
	}
	p := newProgress(s.Err, name, time.Now)
	s.progress = p
	ticker := time.NewTicker(progressEvery)
	go func() {
		defer ticker.Stop()
		p.run(ticker.C)
	}()
	return p
}

func newProgress(w io.Writer, name string, now func() time.Time) *progress {
	p := &progress{w: w, name: name, now: now, start: now(), quit: make(chan struct{}), gone: make(chan struct{})}
	p.since = p.start
	return p
}

// run looks at each tick until the end.
func (p *progress) run(ticks <-chan time.Time) {
	defer close(p.gone)
	for {
		select {
		case <-p.quit:
			return
		case <-ticks:
			p.draw()
		}
	}
}

// withProgress is startProgress for what is one operation of the engine: the
// context is for it, end is to be called behind it.
func (s *Session) withProgress(ctx context.Context, name string) (_ context.Context, end func()) {
	p := s.startProgress(name)
	return p.context(ctx), p.end
}

// end erases the line, for good. A second call does nothing.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	ended := p.ended
	p.ended = true
	p.erase()
	p.mu.Unlock()
	if !ended {
		close(p.quit)
		<-p.gone
	}
}

// context is one whose engine operations show how far they are.
func (p *progress) context(ctx context.Context) context.Context {
	if p == nil {
		return ctx
	}
	return engine.WithProgress(ctx, p.tell)
}

// tell takes what the engine says.
func (p *progress) tell(at engine.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Doing == p.at.Doing && at.Total == p.at.Total && at.Done < p.at.Done && at.Done > 0 {
		return // of several goroutines one was overtaken
	}
	if at.Doing != p.at.Doing || at.Done < p.at.Done {
		p.since = p.now()
	}
	p.at, p.read = at, nil
}

// follow shows a counter, until the engine tells of something else.
func (p *progress) follow(at engine.Progress, read func() int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.read, p.since = at, read, p.now()
}

// reading shows how much of an input is read. The reader is for the command.
func (p *progress) reading(in io.Reader, f *os.File) io.Reader {
	if p == nil {
		return in
	}
	at := engine.Progress{Doing: "read", Bytes: true}
	if f != nil {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			at.Total = info.Size()
		}
	}
	r := &countingReader{r: in}
	p.follow(at, r.n.Load)
	return r
}

// A countingReader counts the bytes that are read.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// draw shows how far it is now.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.ended || p.open || now.Sub(p.start) < progressAfter || p.at.Doing == "" {
		return
	}
	if p.read != nil {
		p.at.Done = p.read()
	}
	// An error of the terminal is not one of the command.
	_, _ = io.WriteString(p.w, eraseLine+progressLine(p.name, p.at, now.Sub(p.since)))
	p.shown = true
}

// erase takes the line away. Called with mu held.
func (p *progress) erase() {
	if p.shown {
		_, _ = io.WriteString(p.w, eraseLine)
		p.shown = false
	}
}

// above writes something else where the line stands. The line comes back below
// it at the next tick.
func (p *progress) above(write func() (int, error)) (int, error) {
	if p == nil {
		return write()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	return write()
}

// A besideProgress is where data go at a terminal on which progress is shown.
type besideProgress struct{ s *Session }

func (w besideProgress) Write(b []byte) (int, error) {
	p := w.s.progress
	return p.above(func() (int, error) {
		n, err := w.s.Out.Write(b)
		if p != nil && n > 0 {
			p.open = b[n-1] != '\n' // a line of progress would go over it
		}
		return n, err
	})
}

// dataOut is where data go that no dot-command or mark sends elsewhere.
func (s *Session) dataOut() io.Writer {
	if s.OutTerminal && s.ErrTerminal {
		return besideProgress{s}
	}
	return s.Out
}

// shortCount is a number of entries in a few columns: 9999, 12k, 1.2M.
func shortCount(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%.1fM", float64(n)/1e6)
}

// progressLine says how far it is after some time: how much is done, how fast,
// and when it will be over, as far as that can be known.
func progressLine(name string, at engine.Progress, took time.Duration) string {
	amount := func(n int64) string {
		if at.Bytes {
			return format.HumanSize(n)
		}
		return shortCount(n)
	}
	line := name + ": " + at.Doing
	if at.Done == 0 && at.Total == 0 {
		return line
	}
	var parts []string
	done := amount(at.Done)
	if at.Total > 0 {
		at.Done = min(at.Done, at.Total)
		parts = append(parts, fmt.Sprintf("%d %%", 100*at.Done/at.Total))
		done = amount(at.Done) + " of " + amount(at.Total)
	}
	parts = append(parts, done)
	if rate := float64(at.Done) / max(took.Seconds(), 0.001); at.Done > 0 {
		parts = append(parts, amount(int64(rate))+"/s")
		if left := float64(at.Total-at.Done) / rate; at.Total > 0 && left < 1e6 {
			parts = append(parts, format.HumanDuration(time.Duration(left*float64(time.Second)).Round(time.Second))+" left")
		}
	}
	line += " " + strings.Join(parts, ", ")
	if len(line) > progressWidth {
		line = line[:progressWidth]
	}
	return line
}
