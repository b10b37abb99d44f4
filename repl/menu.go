package repl

import "github.com/chzyer/readline"

// A menu is the candidates under the line.
type menu struct {
	candidates []Candidate
	more       bool // there are others
	start      int  // of the word, in the text
	selected   int  // -1: none
}

// items is the part of the menu around the selected candidate, for a screen of
// some height.
func (m *menu) items(height int) []item {
	room := max(min(height/2-1, 10), 1)
	top := min(max(m.selected-room/2, 0), max(len(m.candidates)-room, 0))
	var items []item
	for i := top; i < min(top+room, len(m.candidates)); i++ {
		c := m.candidates[i]
		parts := []string{quoteWord(c.Text, false)}
		if c.Note != "" {
			parts = append(parts, c.Note)
		}
		items = append(items, item{parts: parts, chosen: i == m.selected})
	}
	if rest := len(m.candidates) - top - room; rest > 0 || m.more {
		items = append(items, item{parts: []string{"…"}})
	}
	return items
}

// menuKey does what a key means while the menu is shown. It reports whether
// that was all; if not, the menu is closed and the key means what it usually
// does.
func (e *lineEditor) menuKey(key rune) bool {
	m := e.menu
	switch key {
	case readline.CharTab, keyDown, readline.CharNext:
		m.selected = (m.selected + 1) % len(m.candidates)
	case keyShiftTab, keyUp, readline.CharPrev:
		if m.selected <= 0 {
			m.selected = len(m.candidates)
		}
		m.selected--
	case keyPageDown:
		m.selected = min(m.selected+10, len(m.candidates)-1)
	case keyPageUp:
		m.selected = max(m.selected-10, 0)
	case readline.CharEnter, readline.CharCtrlJ, keyRight:
		e.menu = nil
		if m.selected < 0 {
			return false
		}
		e.putCandidate(m.start, m.candidates[m.selected])
	case keyEscape, readline.CharBell:
		e.menu = nil
	default:
		e.menu = nil
		return false
	}
	return true
}
