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

// visit shows an entry.
func (e *lineEditor) visit(at int, text string) {
	e.walk.on, e.walk.at, e.walk.shown = true, at, text
	e.buffer.set(text)
	e.buffer.settle()
}
