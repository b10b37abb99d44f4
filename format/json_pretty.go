package format

import (
	"bytes"
	"io"
)

// The colours of JSON. Strings and punctuation have none, so that the values
// stand out little more than on paper.
const (
	nameColor    = "\x1b[36m" // of a member of an object
	literalColor = "\x1b[33m" // of numbers, true, false and null
)

// WriteJSON writes valid JSON as it is broken into lines, for people: all but
// line feeds that a terminal would not show as itself is escaped, and
// Options.Color colours names, numbers and words. It ends with a line feed.
func WriteJSON(w io.Writer, o Options, text []byte) error {
	if !o.Color {
		return writeAll(w, appendLines(nil, text))
	}
	var dst []byte
	for len(text) > 0 {
		n := jsonToken(text)
		token, color := text[:n], ""
		text = text[n:]
		switch c := token[0]; {
		case c == '"' && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte{':'}):
			color = nameColor
		case c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f' || c == 'n':
			color = literalColor
		}
		if color == "" {
			dst = appendShown(dst, token, true)
			continue
		}
		dst = append(appendShown(append(dst, color...), token, true), normal...)
	}
	return writeAll(w, append(dst, '\n'))
}

// jsonToken is the length of the first token of valid JSON: a string, a number
// or word, or what stands between such.
func jsonToken(text []byte) int {
	if text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(text)
	}
	const between = "{}[],: \t\r\n"
	is := bytes.IndexByte([]byte(between), text[0]) >= 0
	for i, c := range text {
		if c == '"' || (bytes.IndexByte([]byte(between), c) >= 0) != is {
			return i
		}
	}
	return len(text)
}
