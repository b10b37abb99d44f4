package repl

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/chzyer/readline"
)

// A key is a rune. A character is itself, and so is a control character that
// means something to a line editor, under the name the library has for it. All
// else, such as an arrow or the beginning of a paste, is a virtual key: a rune
// from the end of the last private plane, so that the library hands it on
// without knowing it. Characters from there are sent as their bytes.
const (
	firstKey rune = 0x10FC00
	keyAlt   rune = 0x10FD00 // plus the ASCII character pressed together with Alt
	keyByte  rune = 0x10FE00 // plus a byte that is text, whatever it is: of a paste, or no UTF-8
)

// The virtual keys.
const (
	keyIdle rune = firstKey + iota // no more input waits: the moment to draw
	keyWake                        // something happened that is no input
	keyEscape
	keyUp
	keyDown
	keyLeft
	keyRight
	keyHome
	keyEnd
	keyWordLeft
	keyWordRight
	keyTextStart
	keyTextEnd
	keyPageUp
	keyPageDown
	keyDelete
	keyDeleteWord
	keyShiftTab
	keyPaste    // bytes follow up to keyPasteEnd
	keyPasteEnd // which also comes without a paste before it
	keyEditLine // Ctrl-X Ctrl-E
	keyUndo
	keyNone // a key that means nothing here
)

// The control characters that the library has no name for.
const (
	keyPrefix    rune = 0x18 // Ctrl-X
	keyRunFetch  rune = 0x0f // Ctrl-O
	keyUnderline rune = 0x1f // Ctrl-_, and Ctrl-/ at most terminals
)

// isText reports whether a key stands for text.
func isText(r rune) bool {
	return r >= ' ' && r != readline.CharBackspace && r < firstKey || r >= keyByte && r <= keyByte+0xff
}

// appendText appends the text that a key stands for.
func appendText(b []byte, r rune) []byte {
	if r >= keyByte {
		return append(b, byte(r-keyByte))
	}
	return utf8.AppendRune(b, r)
}

// endsReading reports whether nothing may be read behind a key before it was
// handled, since what follows may be meant for another program.
func endsReading(r rune) bool {
	switch r {
	case readline.CharEnter, readline.CharCtrlJ, readline.CharInterrupt, readline.CharDelete, readline.CharCtrlZ, keyEditLine, keyRunFetch:
		return true
	}
	return false
}

// The marks with which a terminal surrounds a paste.
const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// maxSequence is how many bytes of an escape sequence are looked at.
const maxSequence = 64

// A decoder turns the bytes of a terminal into keys: those of xterm, tmux,
// screen, rxvt and the Linux console. However the bytes are cut into pieces,
// the keys are the same, unless flush is called.
type decoder struct {
	pending []byte // the beginning of a sequence
	pasting bool
	cr      bool // the last byte of the paste was a carriage return
	prefix  bool // Ctrl-X came before
}

// feed appends the keys that are complete with further bytes.
func (d *decoder) feed(keys []rune, in []byte) []rune {
	d.pending = append(d.pending, in...)
	for len(d.pending) > 0 {
		next := d.key
		if d.pasting {
			next = d.pasted
		}
		more, n := next(keys, d.pending)
		if n == 0 {
			break
		}
		keys, d.pending = more, d.pending[n:]
	}
	if len(d.pending) == 0 {
		d.pending = nil
	}
	return keys
}

// waits reports whether time decides what the pending bytes are. A paste ends
// with its mark alone.
func (d *decoder) waits() bool { return len(d.pending) > 0 && !d.pasting }

// flush appends what the pending bytes are if nothing follows them.
func (d *decoder) flush(keys []rune) []rune {
	p := d.pending
	d.pending = nil
	if len(p) > 0 && p[0] != '\x1b' {
		return appendBytes(keys, p) // the beginning of a character
	}
	for len(p) > 0 && p[0] == '\x1b' {
		keys, p = append(keys, keyEscape), p[1:]
		if len(p) > 0 && p[0] != '\x1b' {
			break // a sequence that was cut: one Escape and no stray letters
		}
	}
	return keys
}

// key appends the key that begins in, and returns of how many bytes it was
// made: 0 if more are needed.
func (d *decoder) key(keys []rune, in []byte) (more []rune, n int) {
	c := in[0]
	switch {
	case c == '\x1b':
		key, n := escaped(in)
		d.pasting = key == keyPaste
		return d.add(keys, key), n
	case c == 0:
		return d.add(keys, keyNone), 1
	case c < utf8.RuneSelf:
		return d.add(keys, rune(c)), 1
	case !utf8.FullRune(in):
		return keys, 0
	}
	d.prefix = false
	r, n := utf8.DecodeRune(in)
	if r == utf8.RuneError && n == 1 || r >= firstKey {
		return appendBytes(keys, in[:n]), n
	}
	return append(keys, r), n
}

// add appends a key, or what it is behind Ctrl-X.
func (d *decoder) add(keys []rune, key rune) []rune {
	if key == 0 {
		return keys
	}
	if !d.prefix {
		d.prefix = key == keyPrefix
		if d.prefix {
			return keys
		}
		return append(keys, key)
	}
	d.prefix = false
	switch key {
	case readline.CharLineEnd:
		return append(keys, keyEditLine)
	case readline.CharCtrlU:
		return append(keys, keyUndo)
	case readline.CharInterrupt, keyPaste:
		return append(keys, key)
	}
	return append(keys, keyNone)
}

// pasted appends what stands at the beginning of in within a paste. Lines end
// in a newline there, whatever the terminal made of it.
func (d *decoder) pasted(keys []rune, in []byte) (more []rune, n int) {
	c := in[0]
	afterCR := d.cr
	switch {
	case c == '\x1b' && bytes.HasPrefix(in, []byte(pasteEnd)):
		d.pasting, d.cr = false, false
		return append(keys, keyPasteEnd), len(pasteEnd)
	case c == '\x1b' && strings.HasPrefix(pasteEnd, string(in)):
		return keys, 0
	}
	d.cr = c == '\r'
	switch {
	case c == '\n' && afterCR:
		return keys, 1
	case c == '\r':
		c = '\n'
	}
	return append(keys, keyByte+rune(c)), 1
}

func appendBytes(keys []rune, b []byte) []rune {
	for _, c := range b {
		keys = append(keys, keyByte+rune(c))
	}
	return keys
}

// escaped is the key of the sequence that begins in, and its length: 0 if it
// goes on. A sequence of no known key has none.
func escaped(in []byte) (key rune, n int) {
	if len(in) == 1 {
		return 0, 0
	}
	switch c := in[1]; {
	case c == '[':
		return control(in)
	case c == 'O':
		return applicationKey(in)
	case c == '\x1b':
		// Escape twice, or Alt and a key which is a sequence itself.
		if len(in) == 2 {
			return 0, 0
		}
		if in[2] != '[' && in[2] != 'O' {
			return keyEscape, 1
		}
		key, n := escaped(in[1:])
		if n == 0 {
			return 0, 0
		}
		return withModifiers(key, true), n + 1
	case c < utf8.RuneSelf && c != 0:
		return keyAlt + rune(c), 2
	}
	return 0, 1 // Alt and some other character is the character
}

// applicationKey reads ESC O, digits, and a letter.
func applicationKey(in []byte) (key rune, n int) {
	for i := 2; i < len(in); i++ {
		switch c := in[i]; {
		case '0' <= c && c <= '9' && i < maxSequence:
		case c >= 0x40 && c < 0x7f:
			modifiers, _ := strconv.Atoi(string(in[2:i]))
			return withModifiers(letterKey(c), modifiers > 2), i + 1
		default:
			return 0, i
		}
	}
	return 0, 0
}

// control reads ESC [, parameters, and a final byte.
func control(in []byte) (key rune, n int) {
	if len(in) > 2 && in[2] == '[' { // function keys of the Linux console
		if len(in) == 3 {
			return 0, 0
		}
		return 0, 4
	}
	for i := 2; i < len(in); i++ {
		c := in[i]
		switch {
		case c >= 0x20 && c < 0x40 && i < maxSequence:
			continue
		case (c == '^' || c == '@') && i > 2: // rxvt with Ctrl
			return withModifiers(numberKey(string(in[2:i])), true), i + 1
		case c < 0x40 || c >= 0x7f:
			return 0, i // cut off: what follows is a key of its own
		}
		first, modifiers, _ := strings.Cut(string(in[2:i]), ";")
		m, _ := strconv.Atoi(modifiers)
		switch {
		case c == '~':
			return withModifiers(numberKey(first), m > 2), i + 1
		case c == 'Z':
			return keyShiftTab, i + 1
		case c >= 'a' && c <= 'd' && i == 2: // rxvt with Shift
			return letterKey(c - 'a' + 'A'), i + 1
		case c >= 'a': // an answer of the terminal
			return 0, i + 1
		}
		return withModifiers(letterKey(c), m > 2), i + 1
	}
	return 0, 0
}

// letterKey is the key of a sequence that ends in a letter.
func letterKey(c byte) rune {
	switch c {
	case 'A':
		return keyUp
	case 'B':
		return keyDown
	case 'C':
		return keyRight
	case 'D':
		return keyLeft
	case 'F':
		return keyEnd
	case 'H':
		return keyHome
	case 'M':
		return readline.CharEnter // of the number pad
	case 'a':
		return withModifiers(keyUp, true)
	case 'b':
		return withModifiers(keyDown, true)
	case 'c':
		return keyWordRight
	case 'd':
		return keyWordLeft
	}
	return 0
}

// numberKey is the key of a sequence that ends in ~.
func numberKey(number string) rune {
	switch number {
	case "1", "7":
		return keyHome
	case "3":
		return keyDelete
	case "4", "8":
		return keyEnd
	case "5":
		return keyPageUp
	case "6":
		return keyPageDown
	case "200":
		return keyPaste
	case "201":
		return keyPasteEnd
	}
	return 0
}

// withModifiers is a key together with Ctrl or Alt, if they make a difference.
func withModifiers(key rune, held bool) rune {
	if !held {
		return key
	}
	switch key {
	case keyLeft:
		return keyWordLeft
	case keyRight:
		return keyWordRight
	case keyHome:
		return keyTextStart
	case keyEnd:
		return keyTextEnd
	case keyDelete:
		return keyDeleteWord
	case keyUp:
		return keyPageUp
	case keyDown:
		return keyPageDown
	}
	return key
}
