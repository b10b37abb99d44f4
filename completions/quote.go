package completions

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Insert is what stands in bash for a text that begins with the Word of the
// line: what was typed, as it was typed, and behind it the rest, quoted as it
// has to be there. A whole word closes the quotes, after any other more may
// follow. It has no blank, control character or invalid byte outside quotes.
func (l *Line) Insert(text string, whole bool) string {
	q := l.quoter()
	q.text(strings.TrimPrefix(text, l.Word))
	if !whole {
		return string(q.b)
	}
	if len(q.b) == 0 {
		return "''"
	}
	q.close()
	return string(q.b)
}

// Inserts is what Insert writes for texts of which bash puts in what they have
// in common. That does not end in the middle of a character that is quoted.
func (l *Line) Inserts(texts []string, whole func(i int) bool) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = l.Insert(text, whole(i))
	}
	common := Shared(all)
	if len(all) < 2 || (len(common)-len(strings.TrimRight(common, `\`)))%2 == 0 || len(common) <= len(l.Raw) {
		return all
	}
	// A backslash is what they share. The first is quoted otherwise from there.
	shared := Shared(texts)
	q := l.quoter()
	q.text(strings.TrimPrefix(shared, l.Word))
	q.close()
	q.reopen(single)
	q.text(texts[0][len(shared):])
	q.close()
	all[0] = string(q.b)
	return all
}

// quoter goes on behind what was typed.
func (l *Line) quoter() quoter {
	q := quoter{quote: l.quote, b: []byte(l.Raw)}
	if l.slash {
		q.b = q.b[:len(q.b)-1]
	}
	return q
}

// Shared is what all texts begin with, up to a whole character.
func Shared(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	shared := texts[0]
	for _, text := range texts[1:] {
		n := 0
		for n < min(len(shared), len(text)) && shared[n] == text[n] {
			n++
		}
		shared = shared[:n]
	}
	for len(shared) > 0 && len(shared) < len(texts[0]) && !utf8.RuneStart(texts[0][len(shared)]) {
		shared = shared[:len(shared)-1]
	}
	return shared
}

// A quoter writes a word for bash.
type quoter struct {
	quote quoting
	b     []byte
}

// close ends the quotes that are open.
func (q *quoter) close() {
	switch q.quote {
	case single, dollar:
		q.b = append(q.b, '\'')
	case double:
		q.b = append(q.b, '"')
	}
	q.quote = unquoted
}

// text writes characters.
func (q *quoter) text(text string) {
	for len(text) > 0 {
		_, n := utf8.DecodeRuneInString(text)
		q.char(text[:n])
		text = text[n:]
	}
}

// char writes one character, or one byte that is none.
func (q *quoter) char(c string) {
	r, _ := utf8.DecodeRuneInString(c)
	odd := r == utf8.RuneError && len(c) == 1 || r != ' ' && !unicode.IsPrint(r)
	switch {
	case q.quote == dollar:
		q.dollar(c, odd)
	case odd:
		was := q.quote
		q.close()
		q.b = append(q.b, "$'"...)
		q.dollar(c, true)
		q.b = append(q.b, '\'')
		q.reopen(was)
	case q.quote == single && c == "'":
		q.b = append(q.b, `'\''`...)
	case q.quote == double && c == "!": // in double quotes nothing keeps it from recalling a command
		q.b = append(q.b, `"\!"`...)
	case q.quote == double && strings.Contains("$`\"\\", c),
		q.quote == unquoted && len(c) == 1 && !isPlain(c[0]):
		q.b = append(append(q.b, '\\'), c...)
	default:
		q.b = append(q.b, c...)
	}
}

func (q *quoter) reopen(quote quoting) {
	switch quote {
	case single:
		q.b = append(q.b, '\'')
	case double:
		q.b = append(q.b, '"')
	}
	q.quote = quote
}

// dollar writes a character between $' and '.
func (q *quoter) dollar(c string, odd bool) {
	const digits = "0123456789abcdef"
	switch {
	case odd:
		for i := range len(c) {
			q.b = append(q.b, '\\', 'x', digits[c[i]>>4], digits[c[i]&15])
		}
	case c == "'", c == `\`:
		q.b = append(append(q.b, '\\'), c...)
	default:
		q.b = append(q.b, c...)
	}
}

// isPlain reports whether an ASCII character needs no quotes.
func isPlain(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("_-./:@%+,=", c) >= 0
}
