package format

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// jsonSpecial is the index of the first byte of b that a JSON string does not
// hold as it is, or that needs a look: a quote, a backslash, a control
// character, DEL, or anything but ASCII. It is len(b) if there is none.
func jsonSpecial(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash, del := w^(ones*'"'), w^(ones*'\\'), w^(ones*0x7f)
		// Each term has the high bit of the first byte it is about; a borrow
		// can only raise a false one behind it.
		m := (w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del | w
		if m &= high; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// appendJSONString appends b, which is UTF-8, as a JSON string. What could
// drive a terminal or turn the direction of its text is escaped.
func appendJSONString(dst, b []byte) []byte {
	dst = append(dst, '"')
	for {
		n := jsonSpecial(b)
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return append(dst, '"')
		}
		c, size := b[0], 1
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < utf8.RuneSelf:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			var r rune
			r, size = utf8.DecodeRune(b)
			if isTerminalRune(r) {
				dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
			} else {
				dst = append(dst, b[:size]...)
			}
		}
		b = b[size:]
	}
}

// isTerminalRune reports whether a rune beyond ASCII is a control character, a
// line separator, or changes the direction of text. All are below U+10000.
func isTerminalRune(r rune) bool {
	return 0x80 <= r && r <= 0x9f || r == 0x61c || 0x200e <= r && r <= 0x200f ||
		0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// isJSONText reports whether b goes into JSON as a string. What is not UTF-8
// does not, and neither does a huge value that escapes would blow up sixfold:
// base64 stays below maxLine.
func isJSONText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	if len(b) <= 4<<20 {
		return true
	}
	escaped := 0
	for _, c := range b {
		if c < 0x20 || c == 0x7f {
			escaped++
		}
	}
	return escaped < len(b)/8
}

// appendJSONBytes appends the member "name":"…", or "name_b64":"…" for bytes
// that are no text.
func appendJSONBytes(dst []byte, name string, b []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	if isJSONText(b) {
		return appendJSONString(append(dst, `":`...), b)
	}
	dst = append(dst, `_b64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
