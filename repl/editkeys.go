package repl

import (
	"strings"

	"github.com/chzyer/readline"
)

// moveKey moves the cursor. It reports whether the key is one that does.
func (e *lineEditor) moveKey(key rune) bool {
	b := &e.buffer
	if b.cursor == len(b.text) && e.accept(key) {
		return true
	}
	switch key {
	case readline.CharLineStart, keyHome:
		b.move(b.lineStart(b.cursor))
	case readline.CharLineEnd, keyEnd:
		b.move(b.lineEnd(b.cursor))
	case readline.CharBackward, keyLeft:
		b.move(b.prev(b.cursor))
	case readline.CharForward, keyRight:
		b.move(b.next(b.cursor))
	case keyWordLeft, keyAlt + 'b':
		b.move(b.wordLeft())
	case keyWordRight, keyAlt + 'f':
		b.move(b.wordRight())
	case keyTextStart, keyAlt + '<':
		b.move(0)
	case keyTextEnd, keyAlt + '>':
		b.move(len(b.text))
	default:
		return false
	}
	return true
}

// accept takes the suggestion behind the cursor, whole or its next word.
func (e *lineEditor) accept(key rune) bool {
	if e.hinted == "" {
		return false
	}
	b := &e.buffer
	switch key {
	case readline.CharForward, keyRight, readline.CharLineEnd, keyEnd, keyTextEnd:
		b.replace(b.cursor, b.cursor, e.hinted)
	case keyWordRight, keyAlt + 'f':
		whole := buffer{text: b.text + e.hinted, cursor: b.cursor}
		b.replace(b.cursor, b.cursor, whole.text[b.cursor:whole.wordRight()])
	default:
		return false
	}
	b.settle()
	return true
}

// changeKey changes the text. It reports whether there was something to do.
func (e *lineEditor) changeKey(key rune) bool {
	b := &e.buffer
	switch key {
	case readline.CharBackspace, readline.CharCtrlH:
		if b.cursor == 0 {
			return false
		}
		b.remove(b.prev(b.cursor), b.cursor)
	case keyDelete:
		if b.cursor == len(b.text) {
			return false
		}
		b.remove(b.cursor, b.next(b.cursor))
	case readline.CharKill:
		b.killLine()
	case readline.CharCtrlU:
		b.kill(b.lineStart(b.cursor), b.cursor)
	case readline.CharCtrlW:
		b.kill(b.blankLeft(), b.cursor)
	case keyAlt + readline.CharBackspace, keyAlt + readline.CharCtrlH:
		b.kill(b.wordLeft(), b.cursor)
	case keyAlt + 'd', keyDeleteWord:
		b.kill(b.cursor, b.wordRight())
	case readline.CharCtrlY:
		return b.yank()
	case keyAlt + 'y':
		return b.yankBefore()
	case keyAlt + '.', keyAlt + '_':
		return e.insertLastWord()
	case readline.CharTranspose:
		return b.transpose()
	case keyAlt + 't':
		return b.transposeWords()
	case keyAlt + 'u':
		return b.recase(strings.ToUpper)
	case keyAlt + 'l':
		return b.recase(strings.ToLower)
	case keyAlt + 'c':
		return b.recase(capitalize)
	case keyAlt + '/':
		return b.redo()
	case keyAlt + readline.CharEnter, keyAlt + readline.CharCtrlJ:
		b.insert("\n")
		b.settle()
	case keyEscape, readline.CharBell:
		b.settle()
	default:
		return false
	}
	return true
}
