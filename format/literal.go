package format

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A LiteralError says why a text is no literal.
type LiteralError struct {
	Offset int    // of the bad place, in bytes from the opening quote
	Reason string // for example `no such escape \q`
}

func (e *LiteralError) Error() string {
	return fmt.Sprintf("bad literal at byte %d: %s", e.Offset, e.Reason)
}

const hexDigits = "0123456789abcdef"

// Quote returns b as a double-quoted literal: one line, safe on a terminal,
// accepted as a word of a kvsh line, and read back equal by Unquote. Printable
// UTF-8 stays as it is. Control bytes and bytes that are not UTF-8 become one
// of \n \t \r \0 \xHH, other runes that do not print or that reorder text
// become \u{…}.
func Quote(b []byte) string { return string(AppendQuote(nil, b)) }

// AppendQuote appends the literal that Quote returns to dst.
func AppendQuote(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, b, true)
	return append(dst, '"')
}

// Safe returns s with every byte and rune escaped that must not reach a
// terminal, line feeds included. Quotes and backslashes stay, so text that is
// safe already is returned unchanged; the result is for reading and cannot be
// turned back.
func Safe(s string) string {
	if isPlain(s) {
		return s
	}
	return string(appendEscaped(nil, s, false))
}

// Word returns b as it would be typed as one word of a kvsh line: bare if it is
// made of letters, digits and _ - . / : @ % + , = alone, and else quoted. It is
// quoted too if it is empty or begins with -, which could be read as a flag.
func Word(b []byte) string {
	if isBare(b) {
		return string(b)
	}
	return Quote(b)
}

// isBare reports whether b is a word that needs no quotes.
func isBare(b []byte) bool {
	if len(b) == 0 || b[0] == '-' {
		return false
	}
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '-', c == '.', c == '/', c == ':', c == '@', c == '%', c == '+', c == ',', c == '=':
		case c < utf8.RuneSelf:
			return false
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 || !unicode.IsLetter(r) && !unicode.IsDigit(r) || !isPrintable(r) {
				return false
			}
			i += n
			continue
		}
		i++
	}
	return true
}

// isPlain reports whether s may go to a terminal as it is.
func isPlain[T string | []byte](s T) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, n := decodeRune(s, i)
		if r < utf8.RuneSelf || r == utf8.RuneError && n == 1 || !isPrintable(r) {
			return false
		}
		i += n
	}
	return true
}

// decodeRune decodes the rune at s[i], as utf8.DecodeRune does.
func decodeRune[T string | []byte](s T, i int) (rune, int) {
	// The copy is of at most four bytes and stays on the stack.
	return utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
}

// isPrintable reports whether a terminal shows r as itself and nothing else.
// It is false for controls (C1 too), for format runes, which include those that
// change the direction of text, and for blanks other than the space. The
// Hangul fillers and the empty Braille cell count as letters and symbols in
// Unicode, but show nothing.
func isPrintable(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x2800, 0x3164, 0xffa0:
		return false
	}
	return strconv.IsPrint(r)
}

// appendEscaped appends s, escaped. quoting says to escape the backslash and
// the double quote too, which makes the result readable by Unquote.
func appendEscaped[T string | []byte](dst []byte, s T, quoting bool) []byte {
	start := 0 // of the bytes that go over as they are
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && (!quoting || c != '"' && c != '\\') {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = decodeRune(s, i)
			if (r != utf8.RuneError || n > 1) && isPrintable(r) {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		if c >= utf8.RuneSelf && n > 1 {
			dst = append(dst, `\u{`...)
			dst = strconv.AppendInt(dst, int64(r), 16)
			dst = append(dst, '}')
		} else {
			dst = appendEscapedByte(dst, c)
		}
		i += n
		start = i
	}
	return append(dst, s[start:]...)
}

// appendEscapedByte appends the escape for one byte.
func appendEscapedByte(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	case 0:
		return append(dst, `\0`...)
	case '"', '\\':
		return append(dst, '\\', c)
	}
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// Unquote reads one double-quoted literal, which must be the whole of s. It
// takes what Quote writes and, as a line of the shell does, any other byte
// between the quotes as itself, line feeds included. Its error is a
// *LiteralError.
func Unquote(s string) ([]byte, error) {
	b, n, err := appendUnquoted(make([]byte, 0, len(s)), []byte(s), len(s))
	if err != nil {
		return nil, err
	}
	if n < len(s) {
		return nil, &LiteralError{n, "text after the closing quote"}
	}
	return b, nil
}

// reasonTooLong is the Reason of a literal that stands for too many bytes.
const reasonTooLong = "the literal is too long"

// appendUnquoted appends the bytes of the double-quoted literal that src begins
// with, and returns how many bytes of src it takes. Its error is a
// *LiteralError, also if the literal stands for more than most bytes.
func appendUnquoted(dst, src []byte, most int) (out []byte, n int, err error) {
	if len(src) == 0 || src[0] != '"' {
		return dst, 0, &LiteralError{0, "no opening quote"}
	}
	most += len(dst)
	start := 1 // of the bytes that go over as they are
	for i := 1; i < len(src); {
		if len(dst)+i-start > most {
			return dst, i, &LiteralError{i, reasonTooLong}
		}
		switch src[i] {
		case '"':
			return append(dst, src[start:i]...), i + 1, nil
		case '\\':
			dst = append(dst, src[start:i]...)
			var size int
			var reason string
			if dst, size, reason = appendUnescaped(dst, src[i:]); reason != "" {
				return dst, i, &LiteralError{i, reason}
			}
			i += size
			start = i
		default:
			i++
		}
	}
	return dst, len(src), &LiteralError{len(src), "no closing quote"}
}

// appendUnescaped appends what the escape at the start of src stands for, and
// returns its length. If it is no escape, reason says why and is not empty.
func appendUnescaped(dst, src []byte) (out []byte, n int, reason string) {
	if len(src) < 2 {
		return dst, 0, "no closing quote"
	}
	switch c := src[1]; c {
	case 'n':
		return append(dst, '\n'), 2, ""
	case 't':
		return append(dst, '\t'), 2, ""
	case 'r':
		return append(dst, '\r'), 2, ""
	case '0':
		return append(dst, 0), 2, ""
	case '"', '\\':
		return append(dst, c), 2, ""
	case 'x':
		if len(src) < 4 || unhex(src[2]) > 15 || unhex(src[3]) > 15 {
			return dst, 0, `\x needs two hexadecimal digits`
		}
		return append(dst, unhex(src[2])<<4|unhex(src[3])), 4, ""
	case 'u':
		return appendUnescapedRune(dst, src)
	default:
		_, size := utf8.DecodeRune(src[1:])
		return dst, 0, "no such escape " + Safe(string(src[:1+size]))
	}
}

// appendUnescapedRune is appendUnescaped for \u{…}.
func appendUnescapedRune(dst, src []byte) (out []byte, n int, reason string) {
	const maxDigits = 6
	if len(src) < 3 || src[2] != '{' {
		return dst, 0, `\u needs braces, as in \u{1f600}`
	}
	r, i := rune(0), 3
	for ; i < len(src) && i < 3+maxDigits && unhex(src[i]) <= 15; i++ {
		r = r<<4 | rune(unhex(src[i]))
	}
	if i == 3 || i == len(src) || src[i] != '}' {
		return dst, 0, `\u{…} needs 1 to 6 hexadecimal digits`
	}
	if !utf8.ValidRune(r) {
		return dst, 0, `\u{…} is no Unicode character`
	}
	return utf8.AppendRune(dst, r), i + 1, ""
}

// unhex is the value of a hexadecimal digit, and 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
