package repl

import (
	"strings"

	"github.com/chzyer/readline"
)

// A search looks for a text within the commands of the history, the newest
// first.
type search struct {
	query  string
	at     int // place of the entry shown; the number of entries: none was found yet
	failed bool
	from   state // the line as it was before
	vi     bool  // it was begun by / of vi: Enter takes what was found
}

// startSearch begins to search.
func (e *lineEditor) startSearch() bool {
	if e.asking {
		return false
	}
	e.search = &search{at: len(e.history.entries), from: state{e.buffer.text, e.buffer.cursor}}
	return true
}

// matches is the place of the query in an entry, or -1. A query without capital
// letters finds either case.
func (s *search) matches(entry string) int {
	if lower := strings.ToLower(s.query); lower == s.query {
		if folded := strings.ToLower(entry); len(folded) == len(entry) {
			entry = folded
		}
	}
	return strings.Index(entry, s.query)
}

// seek shows the newest entry before a place that has what is searched for.
func (e *lineEditor) seek(before int) bool {
	s := e.search
	at := -1
	if s.query != "" {
		at = e.history.find(before, func(entry string) bool {
			return s.matches(entry) >= 0 && (before == len(e.history.entries) || entry != e.buffer.text)
		})
	}
	s.failed = at < 0 && s.query != ""
	if at >= 0 {
		e.find(at)
	}
	return at >= 0
}

// find shows the entry at a place, with the cursor on what was searched for.
func (e *lineEditor) find(at int) {
	e.search.at = at
	entry := e.history.entries[at]
	e.buffer.set(entry)
	e.buffer.move(max(e.search.matches(entry), 0))
}

// searchKey does what a key means in a search. It reports whether that was all;
// if not, the search is over and the key means what it usually does.
func (e *lineEditor) searchKey(key rune) bool {
	s := e.search
	if s.query != "" {
		e.vi.query = s.query
	}
	switch key {
	case readline.CharEnter, readline.CharCtrlJ:
		e.endSearch()
		return s.vi
	case readline.CharBckSearch:
		if !e.seek(s.at) {
			s.failed = true
		}
	case readline.CharFwdSearch:
		at := e.history.findNext(s.at, func(entry string) bool { return s.matches(entry) >= 0 })
		if s.failed = at == len(e.history.entries); !s.failed {
			e.find(at)
		}
	case readline.CharBackspace, readline.CharCtrlH:
		if s.query != "" {
			whole := buffer{text: s.query}
			s.query = s.query[:whole.prev(len(s.query))]
			e.seek(len(e.history.entries))
		}
	case keyEscape:
		if s.vi { // there Esc leaves the search and what it found
			e.giveUpSearch()
		} else {
			e.endSearch()
		}
	case readline.CharBell:
		e.giveUpSearch()
	case readline.CharTab:
		e.endSearch()
	case readline.CharCtrlL:
		return false
	default:
		e.endSearch()
		return false
	}
	return true
}

// endSearch leaves what was found as the line to change. The arrows go on from
// its place in the history.
func (e *lineEditor) endSearch() {
	if s := e.search; s.at < len(e.history.entries) {
		e.walk = walk{on: true, at: s.at, shown: e.buffer.text}
	}
	e.search = nil
}

// giveUpSearch brings back the line as it was before.
func (e *lineEditor) giveUpSearch() {
	e.buffer.set(e.search.from.text)
	e.buffer.move(e.search.from.cursor)
	e.search = nil
}

// showSearch puts the search into what is shown.
func (e *lineEditor) showSearch(v *view) {
	s := e.search
	v.prompt = "(search) " + s.query + ": "
	if s.failed {
		v.prompt = "(not found) " + s.query + ": "
	}
	v.more = "… "
	if s.failed || s.query == "" || v.styles == nil {
		return
	}
	if at := s.matches(v.text); at >= 0 {
		v.styles.paint(at, at+len(s.query), matched)
	}
}
