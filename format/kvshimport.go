package format

import (
	"bytes"
	"fmt"
	"strings"
)

// A kvshImport reads FormatKvsh.
type kvshImport struct {
	*importer

	words  [][]byte // of the command just split, in the window or in joined
	starts []int    // where each word begins in the window
	joined []byte   // words that are not one plain piece of the window
}

// records reads the whole file.
func (m *kvshImport) records(yield func(Record) bool) error {
	if err := m.skipBOM(); err != nil {
		return err
	}
	for {
		n, err := m.command()
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if len(m.words) > 0 {
			r, word, fault := m.record()
			if fault != "" {
				return m.fail(m.starts[word], fault)
			}
			if !yield(r) {
				return errStopped
			}
		}
		m.useCounting(n)
	}
}

// record reads the words of a command. With a fault, word is the bad one.
func (m *kvshImport) record() (r Record, word int, fault string) {
	usage, operands := "want set [--cf NAME] [--expires-at TIME] KEY VALUE", 2
	switch string(m.words[0]) {
	case "set":
	case "del":
		usage, operands = "want del [--cf NAME] KEY", 1
		r.Delete = true
	default:
		return r, 0, "only set and del commands can be imported"
	}
	r.Family = m.family
	i := 1
	for ; i < len(m.words) && len(m.words[i]) > 0 && m.words[i][0] == '-'; i++ {
		if string(m.words[i]) == "--" {
			i++
			break
		}
		name, text, hasText := bytes.Cut(m.words[i], []byte{'='})
		flag := i
		if !hasText {
			if i++; i == len(m.words) {
				return r, flag, usage
			}
			text = m.words[i]
		}
		switch {
		case string(name) == "--cf":
			r.Family, fault = m.familyOf(text)
		case string(name) == "--expires-at" && !r.Delete:
			r.Expires, fault = expiryOf(text)
		default:
			fault = "no flag that an import knows: " + usage + " (a key that begins with - comes after --)"
		}
		if fault != "" {
			return r, flag, fault
		}
	}
	if len(m.words) != i+operands {
		return r, 0, usage
	}
	if r.Key = m.words[i]; !r.Delete {
		r.Value = m.words[i+1]
	}
	return r, i, recordFault(&r)
}

// command splits the command at the start of the window into words. It returns
// its length with the semicolon or line feed that ends it, and 0 at the end of
// the file.
func (m *kvshImport) command() (n int, err error) {
	for {
		n, ended, fault := m.split(m.window())
		switch {
		case fault == "" && (ended || m.eof):
			return n, m.err
		case fault == "" || !m.eof && isOpenEnded(fault):
			if err := m.more(); err != nil {
				return 0, err
			}
		default:
			return 0, m.fail(n, fault)
		}
	}
}

// The faults of a word that more bytes may mend, besides those of escapes,
// which the end of the window may cut anywhere.
const (
	faultOpenSingle = "cut off: an open '"
	faultOpenDouble = "cut off: an open \""
)

// faultLongWord is the fault of a word that nothing in a record has room for: it
// is refused before its end is read.
var faultLongWord = fmt.Sprintf("a word of more than %d bytes, and no value has more", MaxValueSize)

// isOpenEnded reports whether a fault may be due to the end of the window.
func isOpenEnded(fault string) bool { return strings.HasPrefix(fault, "cut off: ") }

// split cuts the first command of text into words. Without an end, the command
// is all of text and may go on. With a fault, n is where it is.
func (m *kvshImport) split(text []byte) (n int, ended bool, fault string) {
	m.words, m.starts, m.joined = m.words[:0], m.starts[:0], m.joined[:0]
	for n < len(text) {
		switch c := text[n]; c {
		case ' ', '\t', '\r':
			n++
		case ';', '\n':
			return n + 1, true, ""
		case '#':
			end := bytes.IndexByte(text[n:], '\n')
			if end < 0 {
				return len(text), false, ""
			}
			n += end
		default:
			start := n
			var word []byte
			if word, n, fault = m.word(text, n); fault != "" {
				return n, false, fault
			}
			m.words = append(m.words, word)
			m.starts = append(m.starts, start)
		}
	}
	return n, false, ""
}

// word takes the word at n. It returns where it ends or, with a fault, where
// that is.
func (m *kvshImport) word(text []byte, n int) (word []byte, end int, fault string) {
	start := len(m.joined)
	room := func() int { return MaxValueSize - (len(m.joined) - start) }
	if text[n] == '"' {
		// The one plain piece that most words are.
		if i := bytes.IndexByte(text[n+1:], '"'); i >= 0 && bytes.IndexByte(text[n+1:n+1+i], '\\') < 0 {
			if end = n + i + 2; end < len(text) && isWordEnd(text[end]) {
				return text[n+1 : end-1], end, ""
			}
		}
	}
	for n < len(text) && !isWordEnd(text[n]) {
		switch text[n] {
		case '\'':
			i := bytes.IndexByte(text[n+1:], '\'')
			switch {
			case i > room() || i < 0 && len(text)-n-1 > room():
				return nil, n, faultLongWord
			case i < 0:
				return nil, n, faultOpenSingle
			}
			m.joined = append(m.joined, text[n+1:n+1+i]...)
			n += i + 2
		case '"':
			var size int
			var err error
			if m.joined, size, err = appendUnquoted(m.joined, text[n:], room()); err != nil {
				return nil, n, m.literalFault(text[n:], size, err)
			}
			n += size
		default:
			i := bytes.IndexAny(text[n:], " \t\r\n;'\"")
			if i < 0 {
				i = len(text) - n
			}
			if i > room() {
				return nil, n, faultLongWord
			}
			m.joined = append(m.joined, text[n:n+i]...)
			n += i
		}
	}
	return m.joined[start:], n, ""
}

// literalFault says what is wrong with a literal that cannot be read. What looks
// like a bad escape may be one that the end of the window has cut.
func (m *kvshImport) literalFault(literal []byte, at int, err error) string {
	const longestEscape = len(`\u{10ffff}`)
	bad, ok := err.(*LiteralError)
	if ok && bad.Reason == reasonTooLong {
		return faultLongWord
	}
	if !ok || at == len(literal) || !m.eof && at+longestEscape > len(literal) {
		return faultOpenDouble
	}
	return bad.Reason
}

// isWordEnd reports whether c ends a bare word.
func isWordEnd(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ';':
		return true
	}
	return false
}
