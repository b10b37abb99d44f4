package repl

import (
	"context"
	"os"
	"sync"
)

// maxPrinted is how many bytes wait to be shown before Print waits too: what
// comes faster than a terminal shows it must not fill the memory.
const maxPrinted = 256 << 10

// printed is the lines that wait for the goroutine that draws. Its zero value
// is ready; it is used from any number of goroutines.
type printed struct {
	mu     sync.Mutex // guards all below
	text   []byte     // whole lines
	room   chan bool  // closed when text was taken; nil: nobody waits
	closed bool
}

// put adds lines, when there is room for them.
func (p *printed) put(ctx context.Context, text string) error {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return os.ErrClosed
		}
		if len(p.text) < maxPrinted {
			p.text = append(p.text, text...)
			if text != "" && text[len(text)-1] != '\n' {
				p.text = append(p.text, '\n')
			}
			p.mu.Unlock()
			return nil
		}
		if p.room == nil {
			p.room = make(chan bool)
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take returns the lines that wait.
func (p *printed) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.text
	p.text = nil
	p.wake()
	return text
}

// close makes put refuse what comes from now on.
func (p *printed) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.wake()
}

// wake lets those go on who wait for room. The lock is held.
func (p *printed) wake() {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// Print shows lines above the one that is being edited, in one write with it.
func (e *lineEditor) Print(ctx context.Context, text string) error {
	if err := e.printed.put(ctx, text); err != nil {
		return err
	}
	e.in.notify()
	return nil
}

// showPrinted puts the lines that wait above the line.
func (e *lineEditor) showPrinted() {
	if text := e.printed.take(); len(text) > 0 {
		width, _ := e.size()
		e.screen.above(text, width)
	}
}
