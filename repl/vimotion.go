package repl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A span is where a motion of vi leads, and what an operator in front of it
// takes.
type span struct {
	to        int  // where the cursor goes
	inclusive bool // an operator takes the character there too
	lines     bool // it takes whole lines
}

// viMotion is the motion of a key, done count times from the cursor; ok is false
// if the key is none, or leads nowhere.
func (b *buffer) viMotion(key rune, count int) (s span, ok bool) {
	at, start, end := b.cursor, b.lineStart(b.cursor), b.lineEnd(b.cursor)
	switch key {
	case 'h', keyLeft:
		for ; count > 0 && at > start; count-- {
			at = b.prev(at)
		}
		return span{to: at}, at < b.cursor
	case 'l', ' ', keyRight:
		for ; count > 0 && at < end; count-- {
			at = b.next(at)
		}
		return span{to: at}, at > b.cursor
	case '0', keyHome:
		return span{to: start}, true
	case '^':
		return span{to: b.firstText(start)}, true
	case '$', keyEnd:
		if count > 1 && end == len(b.text) {
			return span{}, false
		}
		for ; count > 1 && end < len(b.text); count-- {
			end = b.lineEnd(end + 1)
		}
		return span{to: end}, true
	case 'w', 'W':
		for ; count > 0; count-- {
			at = b.viNextWord(at, key == 'W')
		}
		return span{to: at}, at > b.cursor
	case 'b', 'B':
		for ; count > 0; count-- {
			at = b.viWordStart(at, key == 'B')
		}
		return span{to: at}, at < b.cursor
	case 'e', 'E':
		for ; count > 0; count-- {
			at = b.viWordEnd(at, key == 'E')
		}
		return span{to: at, inclusive: true}, at > b.cursor
	case 'G':
		return span{to: b.firstText(b.lineStart(len(b.text))), lines: true}, true
	}
	return span{}, false
}

// firstText is the first place of a line that is no blank, or its last one.
func (b *buffer) firstText(start int) int {
	end := b.lineEnd(start)
	at := start
	for at < end && b.isBlank(at) {
		at = b.next(at)
	}
	if at == end && at > start {
		return b.prev(at)
	}
	return at
}

// The classes of characters that make the words of vi.
const (
	viBlank = iota
	viPunctuation
	viWord
	viScript // and further ones: a script that writes no blanks between words
)

// viScripts are those scripts; kana and ideographs alternate within sentences.
var viScripts = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul}

// viClass is the class of the character at an offset before the end. If big,
// all that is no blank is one class, as in W.
func (b *buffer) viClass(at int, big bool) int {
	if b.isBlank(at) {
		return viBlank
	}
	r, _ := utf8.DecodeRuneInString(b.text[at:])
	for i, script := range viScripts {
		if !big && r >= 0x1100 && unicode.Is(script, r) {
			return viScript + i
		}
	}
	if big || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
		return viWord
	}
	return viPunctuation
}

// isEmptyLine reports whether an empty line stands at an offset: vi counts it
// as a word.
func (b *buffer) isEmptyLine(at int) bool { return b.lineStart(at) == at && b.lineEnd(at) == at }

// viNextWord is where the next word begins, or the end of the text.
func (b *buffer) viNextWord(at int, big bool) int {
	if at == len(b.text) {
		return at
	}
	from := b.viClass(at, big)
	for at < len(b.text) && from != viBlank && b.viClass(at, big) == from {
		at = b.next(at)
	}
	for first := from != viBlank; at < len(b.text) && b.viClass(at, big) == viBlank; first = true {
		if first && b.isEmptyLine(at) {
			break
		}
		at = b.next(at)
	}
	return at
}

// viWordStart is where the word before an offset begins.
func (b *buffer) viWordStart(at int, big bool) int {
	if at == 0 {
		return 0
	}
	at = b.prev(at)
	for at > 0 && b.viClass(at, big) == viBlank && !b.isEmptyLine(at) {
		at = b.prev(at)
	}
	if b.viClass(at, big) == viBlank {
		return at
	}
	for at > 0 {
		before := b.prev(at)
		if b.viClass(before, big) != b.viClass(at, big) {
			break
		}
		at = before
	}
	return at
}

// viWordEnd is the last character of the word that ends behind an offset.
func (b *buffer) viWordEnd(at int, big bool) int {
	from := at
	if at < len(b.text) {
		at = b.next(at)
	}
	for at < len(b.text) && b.viClass(at, big) == viBlank {
		at = b.next(at)
	}
	if at == len(b.text) {
		if b.lineStart(at) < at {
			at = b.prev(at)
		}
		return max(at, from)
	}
	for {
		next := b.next(at)
		if next == len(b.text) || b.viClass(next, big) != b.viClass(at, big) {
			return at
		}
		at = next
	}
}

// A viFind is a search for a character in a line: f F t or T, and the character.
type viFind struct {
	kind rune
	char string
}

// reversed looks the other way.
func (f viFind) reversed() viFind {
	f.kind ^= 'f' ^ 'F' // the case of the letter
	return f
}

// viFind is where the character is found for the count-th time. repeated says
// that the cursor may stand beside it already, which ; does not count.
func (b *buffer) viFind(f viFind, count int, repeated bool) (s span, ok bool) {
	forward := unicode.IsLower(f.kind)
	till := unicode.ToLower(f.kind) == 't'
	at, start, end := b.cursor, b.lineStart(b.cursor), b.lineEnd(b.cursor)
	beside := at // where till leaves the cursor
	for step := 0; count > 0; step++ {
		before := at
		if forward {
			if at == end {
				return span{}, false
			}
			at = b.next(at)
		} else {
			if at == start {
				return span{}, false
			}
			at = b.prev(at)
		}
		if at < end && strings.HasPrefix(b.text[at:], f.char) && !(repeated && till && step == 0) {
			count--
			beside = before
		}
	}
	if till {
		at = beside
	}
	return span{to: at, inclusive: forward}, true
}

// swapCase is a text with its small letters as capital ones and the other way
// round.
func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, text)
}
