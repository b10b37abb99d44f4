package repl

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// A buffer is text being edited: any number of lines, any bytes. The cursor
// stands between two grapheme clusters, so that no key ever takes half of what
// a person sees as one character.
type buffer struct {
	text   string
	cursor int // byte offset in text, at the edge of a cluster

	goal    int      // column that moves up and down keep to; -1: that of the cursor
	undone  []state  // what undo goes back to, the latest last
	redone  []state  // what redo goes to, the next one last
	typing  bool     // the last change was typed text, which undo takes back at once
	kills   []string // what was cut, the latest last
	killing bool     // the last key cut text: the next one adds to it
	yanked  int      // bytes before the cursor that yank put there; 0: the last key was another
	turn    int      // which of kills that was
}

// state is what undo restores.
type state struct {
	text   string
	cursor int
}

// Limits on what is remembered for undo and yank.
const (
	maxUndo      = 200
	maxUndoBytes = 16 << 20
	maxKills     = 16
)

// maxCluster bounds a cluster, in bytes, so that finding its end costs the same
// in any text. People use no longer ones.
const maxCluster = 256

// kanaMarks are the voiced and the semi-voiced sound mark in halfwidth.
const kanaMarks = "\uff9e\uff9f"

// cluster is the first grapheme cluster of a text that is not empty. A newline,
// a carriage return before it, and a byte that is no UTF-8 are each one.
func cluster(text string) string {
	if text[0] == '\r' || text[0] < utf8.RuneSelf && (len(text) == 1 || text[1] < utf8.RuneSelf) {
		return text[:1]
	}
	n := 0 // what is valid, of what is looked at
	for n < min(len(text), maxCluster) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	if n == 0 {
		return text[:1]
	}
	g := displaywidth.StringGraphemes(text[:n])
	g.Next()
	c := g.Value()
	// Terminals give the marks of halfwidth kana a column of their own.
	_, first := utf8.DecodeRuneInString(c)
	if i := strings.IndexAny(c[first:], kanaMarks); i >= 0 {
		return c[:first+i]
	}
	return c
}

// set replaces the text; the cursor stands at its end.
func (b *buffer) set(text string) { b.replace(0, len(b.text), text) }

// reset is set without a way back.
func (b *buffer) reset() { *b = buffer{kills: b.kills, goal: -1} }

// settle forgets what the last key began. Each key begins with it, except that
// some go on with the same.
func (b *buffer) settle() { b.typing, b.killing, b.yanked, b.goal = false, false, 0, -1 }

// replace puts text in place of the bytes from..to. The cursor stands behind it.
func (b *buffer) replace(from, to int, text string) {
	if text == b.text[from:to] {
		b.move(to)
		return
	}
	b.save()
	b.text = b.text[:from] + text + b.text[to:]
	b.cursor = b.edge(from + len(text))
}

// insert puts text at the cursor.
func (b *buffer) insert(text string) {
	typing := b.typing
	if typing {
		// Typed text is one change up to the end of its word.
		b.redone = nil
		b.text = b.text[:b.cursor] + text + b.text[b.cursor:]
		b.cursor = b.edge(b.cursor + len(text))
	} else {
		b.replace(b.cursor, b.cursor, text)
	}
	b.settle()
	b.typing = !strings.HasSuffix(text, " ")
}

// save remembers the state for undo.
func (b *buffer) save() {
	b.redone = nil
	b.undone = append(b.undone, state{b.text, b.cursor})
	size := 0
	for i := len(b.undone) - 1; i >= 0; i-- {
		size += len(b.undone[i].text)
		if len(b.undone)-i > maxUndo || size > maxUndoBytes {
			b.undone = append([]state(nil), b.undone[i+1:]...)
			return
		}
	}
}

// undo takes the last change back. It reports whether there was one.
func (b *buffer) undo() bool {
	if len(b.undone) == 0 {
		return false
	}
	last := b.undone[len(b.undone)-1]
	b.undone = b.undone[:len(b.undone)-1]
	b.redone = append(b.redone, state{b.text, b.cursor})
	b.text, b.cursor = last.text, last.cursor
	b.settle()
	return true
}

// redo makes the change again that undo took back last, if nothing was changed
// since. It reports whether there was one.
func (b *buffer) redo() bool {
	if len(b.redone) == 0 {
		return false
	}
	rest := b.redone[:len(b.redone)-1]
	next := b.redone[len(rest)]
	b.save()
	b.redone = rest
	b.text, b.cursor = next.text, next.cursor
	b.settle()
	return true
}

// move puts the cursor at an offset, or behind the cluster that holds it.
func (b *buffer) move(offset int) {
	b.cursor = b.edge(offset)
	b.settle()
}

// lineStart is the offset where the line that holds an offset begins.
func (b *buffer) lineStart(offset int) int { return strings.LastIndexByte(b.text[:offset], '\n') + 1 }

// lineEnd is the offset where it ends.
func (b *buffer) lineEnd(offset int) int {
	if n := strings.IndexByte(b.text[offset:], '\n'); n >= 0 {
		return offset + n
	}
	return len(b.text)
}

// edge is the first edge of a cluster at or behind an offset.
func (b *buffer) edge(offset int) int {
	for at := b.lineStart(offset); at < offset; {
		at += len(cluster(b.text[at:]))
		if at >= offset {
			return at
		}
	}
	return offset
}

// next is the edge behind an offset.
func (b *buffer) next(offset int) int {
	if offset == len(b.text) {
		return offset
	}
	return offset + len(cluster(b.text[offset:]))
}

// prev is the edge before an offset.
func (b *buffer) prev(offset int) int {
	if offset == 0 {
		return 0
	}
	last := b.lineStart(offset)
	if last == offset {
		return offset - 1 // the newline
	}
	for at := last; at < offset; {
		last = at
		at += len(cluster(b.text[at:]))
	}
	return last
}

// isWord reports whether the cluster at an offset is part of a word, as the
// keys that move by words see it: keys of the database fall into their levels.
func (b *buffer) isWord(offset int) bool {
	r, _ := utf8.DecodeRuneInString(b.text[offset:])
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r >= 0x2000 && r != utf8.RuneError
}

func (b *buffer) isBlank(offset int) bool {
	c := b.text[offset]
	return c == ' ' || c == '\t' || c == '\n'
}

// wordRight is where the next word ends.
func (b *buffer) wordRight() int {
	at := b.cursor
	for at < len(b.text) && !b.isWord(at) {
		at = b.next(at)
	}
	for at < len(b.text) && b.isWord(at) {
		at = b.next(at)
	}
	return at
}

// wordLeft is where the word before the cursor begins.
func (b *buffer) wordLeft() int {
	return b.backward(func(at int) bool { return b.isWord(at) })
}

// blankLeft is where the text before the cursor begins that has no blank in it.
func (b *buffer) blankLeft() int {
	return b.backward(func(at int) bool { return !b.isBlank(at) })
}

// backward goes over what is not wanted and then over what is.
func (b *buffer) backward(wanted func(at int) bool) int {
	at, found := b.cursor, false
	for at > 0 {
		before := b.prev(at)
		if wanted(before) {
			found = true
		} else if found {
			break
		}
		at = before
	}
	return at
}

// vertical moves the cursor by one line, up or down, and reports whether there
// is one.
func (b *buffer) vertical(down bool) bool {
	start := b.lineStart(b.cursor)
	goal := b.goal
	if goal < 0 {
		goal = displaywidth.String(b.text[start:b.cursor])
	}
	var at int
	switch {
	case down:
		end := b.lineEnd(b.cursor)
		if end == len(b.text) {
			return false
		}
		at = end + 1
	case start == 0:
		return false
	default:
		at = b.lineStart(start - 1)
	}
	for column, end := 0, b.lineEnd(at); at < end; {
		c := cluster(b.text[at:])
		if column += displaywidth.String(c); column > goal {
			break
		}
		at += len(c)
	}
	b.move(at)
	b.goal = goal
	return true
}
