package completions

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Line is the line of a shell up to the cursor, split into words.
type Line struct {
	Words []string // before the last one, without quotes
	Word  string   // the last one, perhaps empty, as far as it is known
	Raw   string   // the last one as it was typed

	File  bool // the last word is the target of a redirection
	Known bool // the last word holds nothing that only the shell can expand

	quote quoting // at the cursor
	slash bool    // Raw ends with a backslash, which quotes nothing yet
}

// Open reports whether the cursor is within quotes.
func (l *Line) Open() bool { return l.quote != unquoted }

// quoting is what quotes the next character.
type quoting uint8

const (
	unquoted quoting = iota
	single           // '
	double           // "
	dollar           // $'
)

// A splitter reads a line.
type splitter struct {
	text   string
	at     int
	fish   bool
	getenv func(string) string

	line   Line
	word   []byte
	start  int  // of the word
	inWord bool // there is one, perhaps empty
}

// Split splits the text of one command, as it was typed in a shell, up to the
// cursor. ~ and plain variables of the environment are expanded; what the shell
// alone could expand stays as it is.
func Split(shell, text string, getenv func(string) string) Line {
	s := splitter{text: text, fish: shell == "fish", getenv: getenv}
	s.begin()
	for s.at < len(s.text) {
		s.next()
	}
	l := s.line
	l.Word, l.Raw = string(s.word), text[s.start:]
	return l
}

// begin begins a word at the place where the line is read.
func (s *splitter) begin() {
	s.word, s.start, s.inWord = nil, s.at, false
	s.line.Known, s.line.quote = true, unquoted
}

// end ends the word, if there is one.
func (s *splitter) end() {
	if s.inWord && !s.line.File {
		s.line.Words = append(s.line.Words, string(s.word))
	}
	if s.inWord {
		s.line.File = false
	}
}

// next reads the next piece of the line.
func (s *splitter) next() {
	c := s.text[s.at]
	if s.line.quote != unquoted {
		s.quotedByte(c)
		return
	}
	switch c {
	case ' ', '\t':
		s.end()
		s.at++
		s.begin()
		return
	case '<', '>':
		if _, err := strconv.Atoi(string(s.word)); s.inWord && err != nil {
			s.end() // else it is the number of a descriptor
		}
		s.at++
		s.begin()
		s.line.File = true
		return
	case '|', ';', '&', '\n', '(', ')':
		s.at++
		s.line = Line{}
		s.begin()
		return
	case '\'':
		s.line.quote = single
		s.at++
	case '"':
		s.line.quote = double
		s.at++
	case '\\':
		s.backslash()
	case '$', '`':
		if rest := s.text[s.at:]; !s.fish && strings.HasPrefix(rest, "$'") {
			s.line.quote = dollar
			s.at += 2
		} else {
			s.expand()
		}
	case '~':
		home := s.getenv("HOME")
		if rest := s.text[s.at+1:]; !s.inWord && home != "" && (rest == "" || strings.HasPrefix(rest, "/")) {
			s.word = append(s.word, home...)
		} else {
			s.word = append(s.word, c)
		}
		s.at++
	default:
		s.word = append(s.word, c)
		s.at++
	}
	s.inWord = true
}

// quotedByte reads a byte within quotes.
func (s *splitter) quotedByte(c byte) {
	switch q := s.line.quote; {
	case c == '\'' && q != double, c == '"' && q == double:
		s.line.quote = unquoted
		s.at++
	case c == '\\' && (q != single || s.fish):
		s.backslash()
	case (c == '$' || c == '`' && !s.fish) && q == double:
		s.expand()
	default:
		s.word = append(s.word, c)
		s.at++
	}
}

// backslash reads a backslash and what it quotes.
func (s *splitter) backslash() {
	s.at++
	if s.at == len(s.text) {
		s.line.slash = true
		return
	}
	c := s.text[s.at]
	literal := "" // what it may quote within these quotes; else it stands for itself
	switch {
	case s.line.quote == double:
		literal = "$\"\\`"
	case s.line.quote == single: // of fish
		literal = `'\`
	case s.line.quote == dollar, s.fish && s.escape(c):
		if s.line.quote == dollar && !s.escape(c) {
			s.word = append(s.word, '\\', c)
			s.at++
		}
		return
	default:
		literal = string(c)
	}
	if strings.IndexByte(literal, c) < 0 {
		s.word = append(s.word, '\\')
		return
	}
	s.word = append(s.word, c)
	s.at++
}

// escape reads what stands behind a backslash for another character, as in
// $'\n', and reports whether it does.
func (s *splitter) escape(c byte) bool {
	if i := strings.IndexByte(`abefnrtv\'"`, c); i >= 0 {
		if s.fish && i > 7 {
			return false // they quote themselves
		}
		s.word = append(s.word, "\a\b\x1b\f\n\r\t\v\\'\""[i])
		s.at++
		return true
	}
	digits := map[byte]int{'x': 2, 'X': 2, 'u': 4, 'U': 8}[c]
	n := 0
	for n < digits && s.at+1+n < len(s.text) && strings.IndexByte("0123456789abcdefABCDEF", s.text[s.at+1+n]) >= 0 {
		n++
	}
	if n == 0 {
		return false
	}
	v, err := strconv.ParseUint(s.text[s.at+1:s.at+1+n], 16, 32)
	if err != nil {
		return false
	}
	if digits == 2 {
		s.word = append(s.word, byte(v))
	} else {
		s.word = utf8.AppendRune(s.word, rune(v))
	}
	s.at += 1 + n
	return true
}

// expand reads a variable of the environment. Whatever else a $ begins is for
// the shell alone.
func (s *splitter) expand() {
	rest := s.text[s.at+1:]
	braces := strings.HasPrefix(rest, "{") && !s.fish
	if braces {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || 'a' <= rest[n]|0x20 && rest[n]|0x20 <= 'z' || n > 0 && '0' <= rest[n] && rest[n] <= '9') {
		n++
	}
	value := s.getenv(rest[:n])
	if s.text[s.at] == '`' || n == 0 || value == "" || braces && !strings.HasPrefix(rest[n:], "}") {
		s.word = append(s.word, s.text[s.at])
		s.line.Known = false
		s.at++
		return
	}
	s.word = append(s.word, value...)
	s.at += 1 + n
	if braces {
		s.at += 2
	}
}
