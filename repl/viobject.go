package repl

import "strings"

// viObject does the operator of the command on the object of a key, such as w in
// ciw or " in da": around says that a takes also what surrounds it.
func (e *lineEditor) viObject(key rune, around bool) bool {
	b, c := &e.buffer, e.vi.command
	e.vi.command = viCommand{}
	if c.number() != 1 {
		return false // of objects there is one
	}
	from, to, ok := b.object(key, around)
	if !ok {
		return false
	}
	b.move(from)
	// As w does, it takes what it spans and no whole lines.
	e.viApply(c.operator, 'w', span{to: to})
	return true
}

// object is the span of the object of a key at the cursor.
func (b *buffer) object(key rune, around bool) (from, to int, ok bool) {
	switch key {
	case 'w', 'W':
		return b.wordObject(key == 'W', around)
	case '"', '\'', '`':
		return b.quoteObject(byte(key), around)
	case '(', ')', 'b':
		return b.bracketObject('(', ')', around)
	case '[', ']':
		return b.bracketObject('[', ']', around)
	case '{', '}', 'B':
		return b.bracketObject('{', '}', around)
	case '<', '>':
		return b.bracketObject('<', '>', around)
	}
	return 0, 0, false
}

// wordObject is the word at the cursor, or the blanks there. Around a word are
// the blanks behind it or, where there are none, those before it that do not
// begin the line; behind blanks it is the word that follows.
func (b *buffer) wordObject(big, around bool) (from, to int, ok bool) {
	start, end := b.lineStart(b.cursor), b.lineEnd(b.cursor)
	if start == end {
		return 0, 0, false
	}
	at := min(b.cursor, b.prev(end))
	from = at
	class := b.viClass(from, big)
	for from > start && b.viClass(b.prev(from), big) == class {
		from = b.prev(from)
	}
	to = b.classEnd(at, big)
	switch {
	case !around:
		return from, to, true
	case class == viBlank && to == end:
		return 0, 0, false
	case class == viBlank, to < end && b.isBlank(to):
		return from, b.classEnd(to, big), true
	}
	before := from
	for before > start && b.isBlank(b.prev(before)) {
		before = b.prev(before)
	}
	if before > start {
		from = before
	}
	return from, to, true
}

// classEnd is the end of the characters of one class that begin at an offset.
func (b *buffer) classEnd(at int, big bool) int {
	class, end := b.viClass(at, big), b.lineEnd(at)
	for at < end && b.viClass(at, big) == class {
		at = b.next(at)
	}
	return at
}

// quoteObject is what stands between two quotes of a line: those that hold the
// cursor, else the next ones. Around it are the quotes, and the blanks behind
// them or, where there are none, those before.
func (b *buffer) quoteObject(quote byte, around bool) (from, to int, ok bool) {
	start := b.lineStart(b.cursor)
	line := b.text[start:b.lineEnd(b.cursor)]
	at := b.cursor - start
	var open int
	if at < len(line) && line[at] == quote {
		// Which of the two it is can be told only from the start of the line.
		for open = strings.IndexByte(line, quote); ; {
			end := nextQuote(line, open+1, quote)
			if end < 0 {
				return 0, 0, false
			}
			if at <= end {
				break
			}
			next := strings.IndexByte(line[end+1:], quote)
			open = end + 1 + next
		}
	} else if open = quoteBefore(line, at, quote); open < 0 {
		if open = strings.IndexByte(line, quote); open < 0 {
			return 0, 0, false
		}
	}
	end := nextQuote(line, open+1, quote)
	switch {
	case end < 0:
		return 0, 0, false
	case !around:
		return start + open + 1, start + end, true
	}
	end++
	if rest := strings.TrimLeft(line[end:], " \t"); len(rest) < len(line)-end {
		end = len(line) - len(rest)
	} else {
		open = len(strings.TrimRight(line[:open], " \t"))
	}
	return start + open, start + end, true
}

// nextQuote is the place of the first quote from an offset on with no backslash
// before it, or -1.
func nextQuote(line string, at int, quote byte) int {
	for ; at < len(line); at++ {
		switch line[at] {
		case '\\':
			at++
		case quote:
			return at
		}
	}
	return -1
}

// quoteBefore is the place of the last quote before an offset with no backslash
// before it, or -1.
func quoteBefore(line string, at int, quote byte) int {
	for at--; at >= 0; at-- {
		slashes := at - len(strings.TrimRight(line[:at], `\`))
		if line[at] == quote && slashes%2 == 0 {
			return at
		}
	}
	return -1
}

// bracketObject is what stands between two brackets that hold the cursor, or
// stand at it, with other pairs in between left alone. Around it are the
// brackets.
func (b *buffer) bracketObject(open, end byte, around bool) (from, to int, ok bool) {
	depth := 0
	from = min(b.cursor, len(b.text)-1)
	if from >= 0 && b.text[from] == end {
		from-- // which belongs to what is before it
	}
	for ; from >= 0; from-- {
		if b.text[from] == end {
			depth++
		}
		if b.text[from] == open {
			if depth == 0 {
				break
			}
			depth--
		}
	}
	if from < 0 {
		return 0, 0, false
	}
	depth = 0
	for to = from + 1; to < len(b.text); to++ {
		if b.text[to] == open {
			depth++
		}
		if b.text[to] == end {
			if depth == 0 {
				break
			}
			depth--
		}
	}
	switch {
	case to == len(b.text):
		return 0, 0, false
	case around:
		return from, to + 1, true
	}
	return from + 1, to, true
}
