package repl

import (
	"time"

	"github.com/chzyer/readline"
)

// A rawMode switches a terminal between the mode in which it was found and the
// one in which every key comes as it is.
type rawMode struct {
	fd    int
	found *readline.State // nil: the terminal is as it was found
}

// enter switches to raw mode. Where it was on already it is put right again,
// and what exit restores stays what was found first.
func (r *rawMode) enter() error {
	state, err := readline.MakeRaw(r.fd)
	if err == nil && r.found == nil {
		r.found = state
	}
	return err
}

func (r *rawMode) exit() error {
	if r.found == nil {
		return nil
	}
	state := r.found
	r.found = nil
	return readline.Restore(r.fd, state)
}

// outside runs fn with the terminal as other programs want it, and draws the
// line anew behind what they wrote.
func (e *lineEditor) outside(fn func()) {
	cursor := e.buffer.cursor
	e.buffer.cursor = len(e.buffer.text)
	e.show(false)
	_ = e.screen.end("")
	e.buffer.cursor = cursor
	_ = e.term.ExitRawMode()
	fn()
	_ = e.term.EnterRawMode()
	e.restart()
}

// stopWait is how long the process is expected to take to stop itself.
const stopWait = 200 * time.Millisecond

// suspend stops the process and those that run with it, as the terminal does
// at Ctrl-Z when a line is not being edited, until somebody lets them go on.
func (e *lineEditor) suspend() {
	e.outside(func() {
		select {
		case <-e.goesOn: // of an earlier time
		default:
		}
		e.suspended.Store(true)
		defer e.suspended.Store(false)
		if err := stopGroup(); err != nil {
			return
		}
		// The signal may arrive in another thread a moment later. Where nobody
		// could let the process go on the kernel does not stop it.
		select {
		case <-e.goesOn:
		case <-time.After(stopWait):
		}
	})
}

// editOutside lets the person change the line in an editor of his own. Enter
// runs it then.
func (e *lineEditor) editOutside() {
	if e.Edit == nil || e.asking {
		return
	}
	var text string
	var err error
	e.outside(func() { text, err = e.Edit(e.buffer.text) })
	if err != nil {
		e.message = err.Error()
		return
	}
	e.buffer.set(text)
	e.buffer.settle()
}
