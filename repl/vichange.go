package repl

import "strings"

// viOperate does the operator of the command over the motion of a key.
func (e *lineEditor) viOperate(key rune) bool {
	b, c := &e.buffer, e.vi.command
	e.vi.command = viCommand{}
	count := c.number()
	if key == c.operator { // twice: the line, and those behind it
		to := b.cursor
		for ; count > 1 && b.lineEnd(to) < len(b.text); count-- {
			to = b.lineEnd(to) + 1
		}
		e.viApply(c.operator, key, span{to: to, lines: true})
		return true
	}
	var s span
	var ok bool
	switch {
	case key == 'j' || key == 'k':
		s, ok = b.viLine(key == 'j', count)
	case (key == 'w' || key == 'W') && c.operator == 'c' && b.cursor < len(b.text) && !b.isBlank(b.cursor):
		s, ok = span{to: b.viThisWordEnd(key == 'W'), inclusive: true}, true
		for ; count > 1; count-- {
			s.to = b.viWordEnd(s.to, key == 'W')
		}
	case key == 'w' || key == 'W':
		s, ok = e.viSpan(key, count)
		s.to = b.viSameLine(s.to, c.operator)
	default:
		s, ok = e.viSpan(key, count)
	}
	if !ok {
		// Even what leads nowhere takes what there is.
		s.to = max(s.to, b.cursor)
		ok = key == 'e' || key == 'E' || c.operator == 'c' && strings.ContainsRune("hlwW", key)
	}
	if ok {
		e.viApply(c.operator, key, s)
	}
	return ok
}

// viLine is where a line is, count lines below or above.
func (b *buffer) viLine(down bool, count int) (s span, ok bool) {
	at := b.cursor
	for ; count > 0; count-- {
		switch {
		case down && b.lineEnd(at) < len(b.text):
			at = b.lineEnd(at) + 1
		case !down && b.lineStart(at) > 0:
			at = b.lineStart(b.lineStart(at) - 1)
		default:
			return span{}, false
		}
	}
	return span{to: at, lines: true}, true
}

// viThisWordEnd is the last character of the word at the cursor.
func (b *buffer) viThisWordEnd(big bool) int {
	at := b.cursor
	for {
		next := b.next(at)
		if next >= len(b.text) || b.viClass(next, big) != b.viClass(b.cursor, big) {
			return at
		}
		at = next
	}
}

// viSameLine is the end of an operator's text that was to end with the beginning
// of a word: where that stands on a later line, the end is that of the line of
// the word before. An empty line goes as a whole, unless it is to be changed.
func (b *buffer) viSameLine(to int, operator rune) int {
	at := to
	for at > b.cursor && b.isBlank(at-1) {
		at--
	}
	if n := strings.IndexByte(b.text[at:to], '\n'); n >= 0 {
		if operator == 'd' && b.isEmptyLine(b.cursor) {
			return b.cursor + 1
		}
		return at + n
	}
	return to
}

// viApply does an operator on what lies between the cursor and where the motion
// of a key leads.
func (e *lineEditor) viApply(operator, key rune, s span) {
	b := &e.buffer
	from, to := min(b.cursor, s.to), max(b.cursor, s.to)
	if s.inclusive && to < b.lineEnd(to) {
		to = b.next(to)
	}
	if s.lines {
		e.viLines(operator, from, to)
		return
	}
	// What ends at the beginning of a line ends with the one before.
	if to > from && to == b.lineStart(to) && b.lineStart(from) != to && key != 'w' && key != 'W' && !s.inclusive {
		to--
		if isBlankText(b.text[b.lineStart(from):from]) {
			e.viLines(operator, from, to)
			return
		}
	}
	// What leaves nothing of several lines takes these.
	if operator == 'd' && strings.Contains(b.text[from:to], "\n") && isBlankText(b.text[b.lineStart(from):from]) && isBlankText(b.text[to:b.lineEnd(to)]) {
		e.viLines(operator, from, to)
		return
	}
	changes := len(b.undone)
	b.settle()
	if from < to {
		b.keep(b.text[from:to])
		if operator != 'y' {
			b.remove(from, to)
		}
	}
	b.move(from)
	e.viDone(operator, changes)
}

// isBlankText reports whether a piece of a line holds nothing to be seen.
func isBlankText(text string) bool { return strings.Trim(text, " \t") == "" }

// viLines does an operator on the lines that hold two offsets. What it keeps
// ends in a newline, by which viPut knows lines, unless it is all of the text.
func (e *lineEditor) viLines(operator rune, from, to int) {
	b := &e.buffer
	start, end := b.lineStart(from), b.lineEnd(to)
	changes := len(b.undone)
	b.settle()
	kept := b.text[start:end]
	if start > 0 || end < len(b.text) {
		kept += "\n"
	}
	if kept != "" {
		b.keep(kept)
	}
	switch {
	case operator == 'y':
		b.move(from)
	case operator == 'c':
		b.remove(start, end)
	case end < len(b.text):
		b.remove(start, end+1)
		b.move(b.firstText(start))
	case start > 0:
		b.remove(start-1, end)
		b.move(b.firstText(b.lineStart(start - 1)))
	default:
		b.remove(start, end)
	}
	e.viDone(operator, changes)
}

// viDone ends an operator.
func (e *lineEditor) viDone(operator rune, changes int) {
	switch operator {
	case 'c':
		e.viInsert(changes)
	case 'd':
		e.viChanged()
	}
}

// keep remembers text as what was cut last.
func (b *buffer) keep(text string) {
	b.killing = false
	b.cut(text, false)
}

// viOpen begins an insertion where a key says.
func (e *lineEditor) viOpen(key rune) {
	b := &e.buffer
	changes := len(b.undone)
	start, end := b.lineStart(b.cursor), b.lineEnd(b.cursor)
	switch key {
	case 'I':
		at := start
		for at < end && b.isBlank(at) {
			at++
		}
		b.move(at)
	case 'a':
		if b.cursor < end {
			b.move(b.next(b.cursor))
		}
	case 'A':
		b.move(end)
	case 'o':
		b.replace(end, end, "\n")
	case 'O':
		b.replace(start, start, "\n")
		b.move(start)
	}
	e.viInsert(changes)
}

// maxPut bounds what one command inserts, in bytes.
const maxPut = 1 << 20

// viPut inserts what was cut last, behind the cursor or before it.
func (e *lineEditor) viPut(behind bool, count int) bool {
	b := &e.buffer
	if len(b.kills) == 0 {
		return false
	}
	text := b.kills[len(b.kills)-1]
	if len(text)*count > maxPut {
		return false
	}
	start, end := b.lineStart(b.cursor), b.lineEnd(b.cursor)
	whole := strings.Repeat(text, count)
	switch {
	case strings.HasSuffix(text, "\n") && behind:
		b.replace(end, end, "\n"+whole[:len(whole)-1])
		b.move(b.firstText(end + 1))
	case strings.HasSuffix(text, "\n"):
		b.replace(start, start, whole)
		b.move(b.firstText(start))
	default:
		at := b.cursor
		if behind && at < end {
			at = b.next(at)
		}
		b.replace(at, at, whole)
		if strings.Contains(text, "\n") {
			b.move(at)
		} else {
			b.move(b.prev(b.cursor))
		}
	}
	e.viChanged()
	return true
}
