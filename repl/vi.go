package repl

import (
	"strings"

	"github.com/chzyer/readline"
)

// A Modal is an Editor whose keys can be those of vi.
type Modal interface {
	Editor

	// SetVi chooses the keys of vi, or those of emacs, from the next line on.
	// It is called by whoever calls ReadLine.
	SetVi(on bool)

	// Vi reports whether the keys are those of vi.
	Vi() bool
}

var _ Modal = (*lineEditor)(nil)

func (e *lineEditor) SetVi(on bool) { e.vi = vi{on: on} }

func (e *lineEditor) Vi() bool { return e.vi.on }

// A vi is the state of the keys of vi. The zero value is that of a line which
// begins, in insert mode. There every key does what it does without vi, but for
// Escape.
type vi struct {
	on      bool // the keys are those of vi
	normal  bool // keys are commands and not text
	command viCommand
	found   viFind // what ; and , look for again
	query   string // what n and N look for again
	changes int    // length of the undo list before the command that began the insertion; -1: none did

	keys      []rune // of the command under way, and of what it inserts
	last      []rune // those of the last change, for .
	replaying bool
}

// A viCommand is a command as far as it was typed.
type viCommand struct {
	count, times int  // in front of the operator, and of the motion; 0: none
	operator     rune // c d or y; 0: none
	waits        rune // the key whose character comes next: f F t T r g, or i a of an object; 0: none
}

// maxCount bounds a count: more than a line has, and no work for minutes.
const maxCount = 9999

// farRight is the column that moves up and down keep to behind $.
const farRight = 1 << 30

// number is how often the command is to be done.
func (c *viCommand) number() int { return min(max(c.count, 1)*max(c.times, 1), maxCount) }

// Codes for the shape of the cursor: a bar where text is inserted, a block
// where keys are commands, and what the person chose for other programs.
const (
	cursorBar   = "\x1b[6 q"
	cursorBlock = "\x1b[2 q"
	cursorUsual = "\x1b[0 q"
)

// begin makes it ready for another line.
func (v *vi) begin() {
	*v = vi{on: v.on, changes: -1, found: v.found, query: v.query, last: v.last}
}

// shape is the code of the cursor, or empty where it is as usual.
func (v *vi) shape() string {
	switch {
	case !v.on:
		return ""
	case v.normal:
		return cursorBlock
	}
	return cursorBar
}

// takesText reports whether text is text and not commands.
func (e *lineEditor) takesText() bool {
	return !e.vi.normal || e.search != nil || e.pasting
}

// viKey does what a key means to vi. It reports whether that was all; if not, it
// means what it does without.
func (e *lineEditor) viKey(key rune) bool {
	v := &e.vi
	if key > keyAlt && key <= keyAlt+0x7f {
		// Escape and a key right behind it, which terminals send for Alt too.
		e.viKey(keyEscape)
		if key -= keyAlt; !e.viKey(key) {
			e.key(key)
		}
		return true
	}
	if !v.normal {
		if key == keyEscape {
			e.viNormal()
			return true
		}
		if !v.replaying {
			v.keys = append(v.keys, key)
		}
		return false
	}
	if !v.replaying {
		v.keys = append(v.keys, key)
	}
	handled, ok := e.viNormalKey(key)
	if !v.normal && !v.replaying {
		return handled // what is inserted belongs to the command
	}
	if v.command == (viCommand{}) && !v.replaying {
		v.keys = v.keys[:0]
	}
	if !ok {
		e.ring()
	}
	return handled
}

// viNormal ends an insertion, which is one change for undo.
func (e *lineEditor) viNormal() {
	v, b := &e.vi, &e.buffer
	if v.changes >= 0 {
		b.undone = b.undone[:min(len(b.undone), v.changes+1)]
		e.viChanged()
	}
	v.changes = -1
	if !v.replaying {
		v.keys = v.keys[:0]
	}
	v.normal, v.command = true, viCommand{}
	if b.cursor > b.lineStart(b.cursor) {
		b.move(b.prev(b.cursor))
	} else {
		b.settle()
	}
}

// viInsert begins an insertion. changes is the length of the undo list before
// the command that does.
func (e *lineEditor) viInsert(changes int) {
	e.vi.normal, e.vi.changes = false, changes
	e.buffer.settle()
}

// viClamp keeps the cursor on a character where keys are commands.
func (e *lineEditor) viClamp() {
	b := &e.buffer
	if e.vi.normal && e.search == nil && b.cursor == b.lineEnd(b.cursor) && b.cursor > b.lineStart(b.cursor) {
		goal := b.goal
		b.cursor = b.prev(b.cursor)
		b.goal = goal
	}
}

// viNormalKey does a key of a command. It reports whether vi has a meaning for
// it, and whether there was something to do.
func (e *lineEditor) viNormalKey(key rune) (handled, ok bool) {
	v := &e.vi
	c := &v.command
	switch {
	case key == keyEscape:
		whole := *c == viCommand{}
		*c = viCommand{}
		return true, !whole
	case c.waits != 0:
		if !isText(key) {
			*c = viCommand{}
			return false, true
		}
		return true, e.viCharacter(key)
	case key >= '1' && key <= '9', key == '0' && c.digits() > 0:
		c.addDigit(int(key - '0'))
		return true, true
	case strings.ContainsRune("fFtTg", key), key == 'r' && c.operator == 0, (key == 'i' || key == 'a') && c.operator != 0:
		c.waits = key
		return true, true
	case c.operator != 0:
		if !isText(key) && key != keyLeft && key != keyRight && key != keyHome && key != keyEnd {
			*c = viCommand{}
			return false, true
		}
		return true, e.viOperate(key)
	case key == 'c', key == 'd', key == 'y':
		c.operator = key
		return true, true
	}
	count := c.number()
	*c = viCommand{}
	if s, ok := e.viSpan(key, count); ok || isViMotion(key) {
		if ok {
			e.buffer.move(s.to)
		}
		if key == '$' {
			e.buffer.goal = farRight
		}
		return true, ok
	}
	return e.viSimple(key, count)
}

// digits is the count that is being typed.
func (c *viCommand) digits() int {
	if c.operator != 0 {
		return c.times
	}
	return c.count
}

func (c *viCommand) addDigit(d int) {
	n := &c.count
	if c.operator != 0 {
		n = &c.times
	}
	*n = min(*n*10+d, maxCount)
}

// isViMotion reports whether a key is a motion, though it may lead nowhere.
func isViMotion(key rune) bool {
	return isText(key) && strings.ContainsRune("hl 0^$wWbBeEG;,", key)
}

// viSpan is viMotion with those that look again for a character.
func (e *lineEditor) viSpan(key rune, count int) (span, bool) {
	v := &e.vi
	switch {
	case key != ';' && key != ',':
		return e.buffer.viMotion(key, count)
	case v.found.kind == 0:
		return span{}, false
	case key == ',':
		return e.buffer.viFind(v.found.reversed(), count, true)
	}
	return e.buffer.viFind(v.found, count, true)
}

// viCharacter does a command whose last key is a character.
func (e *lineEditor) viCharacter(key rune) bool {
	v, b := &e.vi, &e.buffer
	c := v.command
	text := string(appendText(nil, key))
	switch c.waits {
	case 'r':
		v.command = viCommand{}
		return e.viReplace(text, c.number())
	case 'g':
		v.command.waits = 0
		if key != 'g' {
			v.command = viCommand{}
			return false
		}
		s := span{to: b.firstText(0), lines: true}
		return e.viReach(s, true, 'g')
	case 'i', 'a':
		return e.viObject(key, c.waits == 'a')
	}
	v.found = viFind{c.waits, text}
	v.command.waits = 0
	s, ok := b.viFind(v.found, c.number(), false)
	return e.viReach(s, ok, c.waits)
}

// viReach moves to where a motion leads, or does the operator in front of it.
func (e *lineEditor) viReach(s span, ok bool, key rune) bool {
	c := e.vi.command
	e.vi.command = viCommand{}
	switch {
	case !ok:
	case c.operator != 0:
		e.viApply(c.operator, key, s)
	default:
		e.buffer.move(s.to)
	}
	return ok
}

// viReplace replaces count characters by one.
func (e *lineEditor) viReplace(text string, count int) bool {
	b := &e.buffer
	to := b.cursor
	for range count {
		if to == b.lineEnd(b.cursor) {
			return false
		}
		to = b.next(to)
	}
	at := b.cursor
	b.replace(at, to, strings.Repeat(text, count))
	b.move(at + len(text)*(count-1))
	e.viChanged()
	return true
}

// viChanged remembers the command for the key that does it again.
func (e *lineEditor) viChanged() {
	if v := &e.vi; !v.replaying {
		v.last = append([]rune(nil), v.keys...)
	}
}

// viAgain does the last change again.
func (e *lineEditor) viAgain() bool {
	v := &e.vi
	if len(v.last) == 0 || v.replaying {
		return false
	}
	v.replaying = true
	for _, key := range append(append([]rune(nil), v.last...), keyEscape) {
		if isText(key) && e.takesText() {
			e.typed = appendText(e.typed, key)
			continue
		}
		e.take()
		if key == keyEscape && v.normal {
			break
		}
		if !e.viKey(key) {
			e.key(key)
		}
		e.viClamp()
	}
	v.replaying = false
	return true
}

// ring tells that a key did nothing.
func (e *lineEditor) ring() { _, _ = e.Out.Write([]byte(bell)) }

// viSimple does a command that is neither a motion nor an operator.
func (e *lineEditor) viSimple(key rune, count int) (handled, ok bool) {
	b := &e.buffer
	same := map[rune]struct{ operator, motion rune }{
		'x': {'d', 'l'}, 'X': {'d', 'h'}, 's': {'c', 'l'}, 'S': {'c', 'c'}, 'D': {'d', '$'}, 'C': {'c', '$'}, 'Y': {'y', 'y'},
	}
	if alias, ok := same[key]; ok {
		e.vi.command = viCommand{count: count, operator: alias.operator}
		return true, e.viOperate(alias.motion)
	}
	switch key {
	case 'i', 'I', 'a', 'A', 'o', 'O':
		e.viOpen(key)
	case 'p', 'P':
		return true, e.viPut(key == 'p', count)
	case 'u', 'U':
		return true, e.viUndo(count, b.undo)
	case readline.CharBckSearch: // Ctrl-R
		return true, e.viUndo(count, b.redo)
	case '.':
		return true, e.viAgain()
	case '~':
		return true, e.viSwapCase(count)
	case 'j', '+', keyDown:
		return true, e.viVertical(count, true)
	case 'k', '-', keyUp:
		return true, e.viVertical(count, false)
	case '/', '?':
		ok := e.startSearch()
		if ok {
			e.search.vi = true
		}
		return true, ok
	case 'n', 'N':
		return true, e.viSeek(key == 'N')
	case readline.CharBackspace, readline.CharCtrlH:
		s, ok := b.viMotion('h', count)
		if ok {
			b.move(s.to)
		}
		return true, ok
	default:
		return isText(key), false
	}
	return true, true
}

// viUndo goes back, or forth, by changes.
func (e *lineEditor) viUndo(count int, step func() bool) bool {
	ok := false
	for ; count > 0 && step(); count-- {
		ok = true
	}
	return ok
}

// viVertical goes up or down by lines, and from the first and the last one
// through the history.
func (e *lineEditor) viVertical(count int, down bool) bool {
	ok := false
	for ; count > 0; count-- {
		step := e.buffer.vertical(down)
		switch {
		case step:
		case down:
			step = e.newer()
		default:
			step = e.older()
		}
		if !step {
			break
		}
		ok = true
		e.viClamp()
	}
	return ok
}

// viSeek shows the next entry of the history that has what was searched for.
func (e *lineEditor) viSeek(newer bool) bool {
	if e.vi.query == "" {
		return false
	}
	s := search{query: e.vi.query}
	match := func(entry string) bool { return entry != e.buffer.text && s.matches(entry) >= 0 }
	from := len(e.history.entries)
	if e.walk.on && e.walk.shown == e.buffer.text {
		from = e.walk.at
	}
	at := -1
	if newer {
		at = e.history.findNext(from, match)
	} else {
		at = e.history.find(from, match)
	}
	if at < 0 || at >= len(e.history.entries) {
		return false
	}
	e.visit(at, e.history.entries[at])
	e.buffer.move(max(s.matches(e.buffer.text), 0))
	return true
}

// viSwapCase changes small letters to capital ones and back.
func (e *lineEditor) viSwapCase(count int) bool {
	b := &e.buffer
	s, ok := b.viMotion('l', count)
	if ok {
		b.replace(b.cursor, s.to, swapCase(b.text[b.cursor:s.to]))
		b.settle()
		e.viChanged()
	}
	return ok
}
