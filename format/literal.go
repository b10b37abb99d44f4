package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Quote returns b as a double-quoted literal: one line, safe on a terminal,
// read back by Unquote as the same bytes.
//
// Printable UTF-8 stays. The escapes are \n \t \r \0 \\ \", \xHH for other
// bytes that are control characters or no valid UTF-8, and \u{H…} for runes
// that do not print, among them the ones that change the direction of text.
func Quote(b []byte) string { return string(AppendQuote(nil, b)) }

// AppendQuote appends the literal of Quote to dst.
func AppendQuote(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, b, true)
	return append(dst, '"')
}

// appendEscaped appends b with everything escaped that Quote escapes; the
// quote and the backslash only where the result is to be read back.
func appendEscaped(dst, b []byte, literal bool) []byte {
	for len(b) > 0 {
		n := plainPrefix(b)
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			break
		}
		r, size := utf8.DecodeRune(b)
		switch {
		case r == '"' || r == '\\':
			if literal {
				dst = append(dst, '\\')
			}
			dst = append(dst, b[0])
		case r == utf8.RuneError && size == 1, r < 0x20, r == 0x7f:
			dst = appendByteEscape(dst, b[0])
		case unicode.IsPrint(r):
			dst = append(dst, b[:size]...)
		default:
			dst = fmt.Appendf(dst, `\u{%x}`, r)
		}
		b = b[size:]
	}
	return dst
}

// plainPrefix is the length of the printable ASCII at the start of b that
// needs no thought, without '"' and '\\'.
func plainPrefix(b []byte) int {
	for i, c := range b {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}

// appendByteEscape appends the shortest escape of a single byte.
func appendByteEscape(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	case 0:
		return append(dst, `\0`...)
	}
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// Unquote reads one literal in double quotes, with nothing before or after it.
func Unquote(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' {
		return nil, errors.New(`a literal begins and ends with "`)
	}
	var dst []byte
	for i := 1; i < len(s); {
		switch s[i] {
		case '"':
			if i+1 != len(s) {
				return nil, fmt.Errorf("text after the closing quote at byte %d", i+1)
			}
			if dst == nil {
				dst = []byte{}
			}
			return dst, nil
		case '\\':
			var n int
			var err error
			if dst, n, err = appendUnescaped(dst, s[i:]); err != nil {
				return nil, err
			}
			i += n
		default:
			dst = append(dst, s[i])
			i++
		}
	}
	return nil, errOpenQuote
}

var errOpenQuote = errors.New("open quote")

// appendUnescaped reads the escape s begins with and returns how many bytes of
// s it took. An escape that s cuts short is an error.
func appendUnescaped[T string | []byte](dst []byte, s T) ([]byte, int, error) {
	if len(s) < 2 {
		return dst, 0, errors.New(`lone \ at the end`)
	}
	switch s[1] {
	case 'n':
		return append(dst, '\n'), 2, nil
	case 't':
		return append(dst, '\t'), 2, nil
	case 'r':
		return append(dst, '\r'), 2, nil
	case '0':
		return append(dst, 0), 2, nil
	case '\\', '"':
		return append(dst, s[1]), 2, nil
	case 'x':
		if len(s) >= 4 {
			hi, lo := unhex(s[2]), unhex(s[3])
			if hi >= 0 && lo >= 0 {
				return append(dst, byte(hi<<4|lo)), 4, nil
			}
		}
		return dst, 0, errors.New(`\x needs two hex digits`)
	case 'u':
		return appendUnescapedRune(dst, s)
	}
	return dst, 0, fmt.Errorf(`unknown escape \%s`, Safe(string(s[1:2])))
}

// appendUnescapedRune reads \u{H…} with 1 to 6 hex digits.
func appendUnescapedRune[T string | []byte](dst []byte, s T) ([]byte, int, error) {
	bad := errors.New(`\u needs 1 to 6 hex digits of a character in braces, as in \u{1f600}`)
	if len(s) < 3 || s[2] != '{' {
		return dst, 0, bad
	}
	var r rune
	for i := 3; i < len(s) && i <= 9; i++ {
		if s[i] == '}' {
			if i == 3 || !utf8.ValidRune(r) {
				return dst, 0, bad
			}
			return utf8.AppendRune(dst, r), i + 1, nil
		}
		d := unhex(s[i])
		if d < 0 {
			return dst, 0, bad
		}
		r = r<<4 | rune(d)
	}
	return dst, 0, bad
}

// unhex is the value of a hex digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Word returns b as one word of a kvsh line: bare where that needs no quoting,
// else as Quote writes it.
func Word(b []byte) string { return string(AppendWord(nil, b)) }

// AppendWord appends the word of Word to dst.
func AppendWord(dst, b []byte) []byte {
	if isBareWord(b) {
		return append(dst, b...)
	}
	return AppendQuote(dst, b)
}

// isBareWord reports whether the bytes are a word that no shell, ours or sh,
// reads as anything else. It is narrower than it need be: a letter or digit of
// any script, and a few marks.
func isBareWord(b []byte) bool {
	if len(b) == 0 || b[0] == '-' {
		return false
	}
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if !isASCIIAlnum(c) && strings.IndexByte("_-./:@%+,=", c) < 0 {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
		i += size
	}
	return true
}

func isASCIIAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Safe returns s for a message on a terminal: on one line, with everything
// that does not print escaped as Quote does. It is not meant to be read back.
func Safe(s string) string {
	if plain := isPlainText(s); plain {
		return s
	}
	return string(appendEscaped(nil, []byte(s), false))
}

// isPlainText reports whether s prints as it is, on one line.
func isPlainText[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			return isPrintText(string(s))
		}
	}
	return true
}

func isPrintText(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
