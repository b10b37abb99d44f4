package repl

import "strings"

// A walk is the way through the history with the arrows.
type walk struct {
	on    bool
	at    int    // place of the entry that is shown
	shown string // its text: once that is changed, the walk is over
	draft string // what was typed before it began; only entries that begin so are shown
}

// older shows the entry before, of those that begin as the line does.
func (e *lineEditor) older() bool {
	w := &e.walk
	if !w.on || w.shown != e.buffer.text {
		*w = walk{at: len(e.history.entries), draft: e.buffer.text, shown: e.buffer.text}
	}
	at := e.history.find(w.at, func(entry string) bool {
		return entry != e.buffer.text && strings.HasPrefix(entry, w.draft)
	})
	if at < 0 {
		return false
	}
	e.visit(at, e.history.entries[at])
	return true
}

// newer shows the entry behind, and behind the last one what was typed.
func (e *lineEditor) newer() bool {
	w := &e.walk
	if !w.on || w.shown != e.buffer.text {
		return false
	}
	at := e.history.findNext(w.at, func(entry string) bool {
		return entry != e.buffer.text && strings.HasPrefix(entry, w.draft)
	})
	if at == len(e.history.entries) {
		e.visit(at, w.draft)
		w.on = false
		return true
	}
	e.visit(at, e.history.entries[at])
	return true
}

// runAndFetch runs the line and has the command behind it in the history stand
// on the next one: so several are run again, one after the other.
func (e *lineEditor) runAndFetch() {
	next, at := "", e.walk.at+1
	if w := e.walk; w.on && w.shown == e.buffer.text && at < len(e.history.entries) {
		next = e.history.entries[at]
	}
	e.enter()
	if e.done && e.err == nil {
		e.prefill, e.fetchedAt = next, at
	}
}

// fetched goes on in the history from what runAndFetch made stand on the line,
// if it did.
func (e *lineEditor) fetched() {
	if at := e.fetchedAt; e.prefill != "" && at < len(e.history.entries) && e.history.entries[at] == e.prefill {
		e.walk = walk{on: true, at: at, shown: e.prefill}
	}
	e.fetchedAt = 0
}

// visit shows an entry.
func (e *lineEditor) visit(at int, text string) {
	e.walk.on, e.walk.at, e.walk.shown = true, at, text
	e.buffer.set(text)
	e.buffer.settle()
}
