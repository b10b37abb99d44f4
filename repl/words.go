package repl

import (
	"strings"
	"unicode"
)

// recase changes the letters of the word at the cursor or behind it, and goes
// to its end.
func (b *buffer) recase(change func(word string) string) bool {
	to := b.wordRight()
	if to == b.cursor {
		return false
	}
	b.replace(b.cursor, to, change(b.text[b.cursor:to]))
	b.settle()
	return true
}

// capitalize is a text with its first letter as a capital one and the others
// small.
func capitalize(text string) string {
	first := true
	return strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsLetter(r):
			return r
		case first:
			first = false
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, text)
}

// transposeWords swaps the word at the cursor or behind it, else the last one,
// with the word before that.
func (b *buffer) transposeWords() bool {
	at := buffer{text: b.text, cursor: b.wordRight()} // behind the second word
	at.cursor = at.wordLeft()
	second := at.cursor
	at.cursor = at.wordLeft()
	first := at.cursor
	firstEnd, end := b.wordEnd(first), b.wordEnd(second)
	if first == firstEnd || second == end || firstEnd > second || first == second {
		return false // there are no two
	}
	b.replace(first, end, b.text[second:end]+b.text[firstEnd:second]+b.text[first:firstEnd])
	b.settle()
	return true
}

// wordEnd is where a word ends that begins at an offset.
func (b *buffer) wordEnd(at int) int {
	for at < len(b.text) && b.isWord(at) {
		at = b.next(at)
	}
	return at
}

// A lastWord is what Alt-. has inserted.
type lastWord struct {
	at   int   // place of the entry in the history that it is from
	from int   // offset where it stands
	line state // the line then: once that is another, Alt-. begins anew
	on   bool
}

// insertLastWord inserts the last word of the command before; again, in place of
// it that of the one before that.
func (e *lineEditor) insertLastWord() bool {
	b := &e.buffer
	last := e.lastWord
	if !last.on || last.line != (state{b.text, b.cursor}) {
		last = lastWord{at: len(e.history.entries), from: b.cursor}
	}
	shown := b.text[last.from:b.cursor]
	at := e.history.find(last.at, func(entry string) bool {
		word := lastWordOf(entry)
		return word != "" && (word != shown || !last.on)
	})
	if at < 0 {
		return false
	}
	b.replace(last.from, b.cursor, lastWordOf(e.history.entries[at]))
	b.settle()
	e.lastWord = lastWord{at: at, from: last.from, line: state{b.text, b.cursor}, on: true}
	return true
}

// lastWordOf is the last word of a source as it stands there.
func lastWordOf(source string) string {
	commands, err := Split(nil, source, ShellDoor)
	if err != nil || len(commands) == 0 {
		return ""
	}
	words := commands[len(commands)-1].Words
	w := words[len(words)-1]
	return source[w.Start:w.End]
}
