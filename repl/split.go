package repl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Word is one word of a command, with its quotes and escapes resolved.
type Word struct {
	Text   string
	Start  int  // byte offset in the source of its first byte, quotes included
	End    int  // byte offset after its last byte
	Quoted bool // some part of it stood in quotes
}

// A Redirect says where the shell sends the data of a command.
type Redirect uint8

// The places where the data of a command goes.
const (
	ToOutput Redirect = iota // nowhere else
	ToPipe                   // | CMD
	ToFile                   // > FILE
	AddFile                  // >> FILE
)

// A Command is the words of one command and, at the shell's door, what follows
// them.
type Command struct {
	Words    []Word
	Redirect Redirect
	Target   string // the text of CMD as it stands in the source, or the name of FILE
}

// Texts appends the texts of the words to dst and returns it.
func (c Command) Texts(dst []string) []string {
	for _, w := range c.Words {
		dst = append(dst, w.Text)
	}
	return dst
}

// A SyntaxError is a place in the source that is no word.
type SyntaxError struct {
	Offset int  // byte offset in the source
	Open   bool // a quote is open at the end: more text could mend it
	Reason string

	// ShellOnly is the word of the shell that stands in a script without quotes,
	// if that is what is wrong.
	ShellOnly string
}

func (e *SyntaxError) Error() string { return e.Reason }

// Mark is the line of the source that holds the place, and under it a mark that
// points there.
func (e *SyntaxError) Mark(source string) (line, mark string) {
	start := strings.LastIndexByte(source[:e.Offset], '\n') + 1
	line, _, _ = strings.Cut(source[start:], "\n")
	c := canvas{width: 1 << 30}
	c.write(source[start:e.Offset], Plain)
	column := c.column
	c = canvas{width: 1 << 30}
	c.write(line, Plain)
	return c.text.String(), strings.Repeat(" ", column) + "^"
}

// Door says which grammar holds. The shell's has words that hand data on, which
// a script refuses unless they are quoted: what both take, they take alike.
type Door bool

// The doors.
const (
	ScriptDoor Door = false
	ShellDoor  Door = true
)

// Split splits a source of any number of lines into its commands and appends
// them to dst. Empty commands are left out. Words without escapes share the
// memory of src. The only error is a *SyntaxError.
func Split(dst []Command, src string, door Door) ([]Command, error) {
	s := splitter{src: src, door: door, commands: dst}
	if err := s.run(); err != nil {
		return dst, err
	}
	return s.commands, nil
}

type splitter struct {
	src      string
	pos      int
	door     Door
	commands []Command
	words    []Word // of the command under way
}

func (s *splitter) run() error {
	// Room for the words of most commands, in one allocation.
	s.words = make([]Word, 0, 4)
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case isSpace(c), c == '\r' && endsLine(s.src, s.pos):
			s.pos++
		case c == '\n', c == ';':
			s.end(ToOutput, "")
			s.pos++
		case c == '#':
			s.skipLine()
		case c == '|' || c == '>':
			if err := s.redirect(); err != nil {
				return err
			}
		default:
			w, err := s.word()
			if err != nil {
				return err
			}
			if w.Text == "&" && !w.Quoted && s.door == ScriptDoor {
				return shellOnly(w.Start, w.Text)
			}
			s.words = append(s.words, w)
		}
	}
	s.end(ToOutput, "")
	return nil
}

// end ends the command under way.
func (s *splitter) end(r Redirect, target string) {
	if len(s.words) == 0 {
		return
	}
	s.commands = append(s.commands, Command{Words: s.words[:len(s.words):len(s.words)], Redirect: r, Target: target})
	s.words = s.words[len(s.words):]
}

func (s *splitter) skipLine() {
	n := strings.IndexByte(s.src[s.pos:], '\n')
	if n < 0 {
		s.pos = len(s.src)
		return
	}
	s.pos += n
}

// redirect reads | CMD up to the end of the line, or > FILE up to the end of
// the command.
func (s *splitter) redirect() error {
	at := s.pos
	if s.door == ScriptDoor {
		mark := s.src[at : at+1]
		if strings.HasPrefix(s.src[at:], ">>") {
			mark = ">>"
		}
		return shellOnly(at, mark)
	}
	if len(s.words) == 0 {
		return &SyntaxError{Offset: at, Reason: fmt.Sprintf("no command before %q", s.src[at:at+1])}
	}
	if s.src[at] == '|' {
		s.skipLine()
		target := strings.TrimSpace(s.src[at+1 : s.pos])
		if target == "" {
			return &SyntaxError{Offset: at, Reason: `no program after "|"`}
		}
		s.end(ToPipe, target)
		return nil
	}
	kind := ToFile
	s.pos++
	if s.pos < len(s.src) && s.src[s.pos] == '>' {
		kind = AddFile
		s.pos++
	}
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
	if s.pos == len(s.src) || isEnd(s.src[s.pos]) || s.src[s.pos] == '#' {
		return &SyntaxError{Offset: at, Reason: `no file after ">"`}
	}
	w, err := s.word()
	if err != nil {
		return err
	}
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
	if s.pos < len(s.src) && !isEnd(s.src[s.pos]) && s.src[s.pos] != '#' && !endsLine(s.src, s.pos) {
		return &SyntaxError{Offset: s.pos, Reason: "a word after the file name"}
	}
	s.end(kind, w.Text)
	return nil
}

// shellOnly is the error of a word of the shell in a script.
func shellOnly(at int, word string) error {
	return &SyntaxError{Offset: at, ShellOnly: word, Reason: fmt.Sprintf("%q works only in the shell", word)}
}

// word reads one word: bare and quoted parts that touch. A word of one part
// without escapes, which is nearly every word, is a piece of the source.
func (s *splitter) word() (Word, error) {
	w := Word{Start: s.pos}
	var joined []byte // the parts so far, once there is more than one
	text, parts := "", 0
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if isSpace(c) || isEnd(c) || c == '\r' && endsLine(s.src, s.pos) {
			break
		}
		var part string
		var err error
		switch c {
		case '\'':
			part, err = s.literal()
			w.Quoted = true
		case '"':
			part, err = s.escaped()
			w.Quoted = true
		default:
			part = s.bare()
		}
		if err != nil {
			return Word{}, err
		}
		parts++
		switch parts {
		case 1:
			text = part
		case 2:
			joined = append(append(joined, text...), part...)
		default:
			joined = append(joined, part...)
		}
	}
	w.Text, w.End = text, s.pos
	if parts > 1 {
		w.Text = string(joined)
	}
	return w, nil
}

func (s *splitter) bare() string {
	start := s.pos
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if isSpace(c) || isEnd(c) || c == '\'' || c == '"' || c == '\r' && endsLine(s.src, s.pos) {
			break
		}
		s.pos++
	}
	return s.src[start:s.pos]
}

func (s *splitter) literal() (string, error) {
	open := s.pos
	n := strings.IndexByte(s.src[open+1:], '\'')
	if n < 0 {
		return "", &SyntaxError{Offset: open, Open: true, Reason: "quote ' is not closed"}
	}
	s.pos = open + 1 + n + 1
	return s.src[open+1 : s.pos-1], nil
}

func (s *splitter) escaped() (string, error) {
	open := s.pos
	s.pos++
	start := s.pos
	n := strings.IndexAny(s.src[start:], `"\`)
	if n >= 0 && s.src[start+n] == '"' {
		s.pos = start + n + 1
		return s.src[start : start+n], nil
	}
	var b []byte
	for s.pos < len(s.src) {
		n := strings.IndexAny(s.src[s.pos:], `"\`)
		if n < 0 {
			break
		}
		b = append(b, s.src[s.pos:s.pos+n]...)
		s.pos += n
		if s.src[s.pos] == '"' {
			s.pos++
			return string(b), nil
		}
		if s.pos+1 == len(s.src) {
			break
		}
		var err error
		if b, err = s.escape(b); err != nil {
			return "", err
		}
	}
	return "", &SyntaxError{Offset: open, Open: true, Reason: `quote " is not closed`}
}

// escape reads one escape sequence, which begins at pos, and appends what it
// stands for.
func (s *splitter) escape(b []byte) ([]byte, error) {
	at := s.pos
	s.pos += 2
	switch s.src[at+1] {
	case 'n':
		return append(b, '\n'), nil
	case 't':
		return append(b, '\t'), nil
	case 'r':
		return append(b, '\r'), nil
	case '0':
		return append(b, 0), nil
	case '\\', '"':
		return append(b, s.src[at+1]), nil
	case 'x':
		if at+4 <= len(s.src) {
			hi, lo := hexDigit(s.src[at+2]), hexDigit(s.src[at+3])
			if hi >= 0 && lo >= 0 {
				s.pos = at + 4
				return append(b, byte(hi<<4|lo)), nil
			}
		}
		return nil, &SyntaxError{Offset: at, Reason: `\x needs two hexadecimal digits`}
	case 'u':
		return s.escapeRune(b, at)
	}
	_, size := utf8.DecodeRuneInString(s.src[at+1:])
	return nil, &SyntaxError{Offset: at, Reason: fmt.Sprintf(`unknown escape %q in "…"`, s.src[at:at+1+size])}
}

// escapeRune reads \u{H…}, one to six hexadecimal digits that are a character.
func (s *splitter) escapeRune(b []byte, at int) ([]byte, error) {
	bad := &SyntaxError{Offset: at, Reason: `\u needs the number of a character, as in \u{1F600}`}
	i := at + 2
	if i == len(s.src) || s.src[i] != '{' {
		return nil, bad
	}
	r, digits := rune(0), 0
	for i++; i < len(s.src) && digits <= 6; i++ {
		d := hexDigit(s.src[i])
		if d < 0 {
			break
		}
		r = r<<4 | rune(d)
		digits++
	}
	if digits == 0 || digits > 6 || i == len(s.src) || s.src[i] != '}' || !utf8.ValidRune(r) {
		return nil, bad
	}
	s.pos = i + 1
	return utf8.AppendRune(b, r), nil
}

func hexDigit(c byte) int {
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

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func isEnd(c byte) bool { return c == '\n' || c == ';' }

// endsLine reports whether the carriage return at pos belongs to the end of
// its line, as in files of other systems.
func endsLine(src string, pos int) bool {
	return src[pos] == '\r' && (pos+1 == len(src) || src[pos+1] == '\n')
}

// quoteState follows quotes and comments over the lines of a command without
// splitting it, so that a value of many lines is split once and not once a
// line.
type quoteState uint8

const (
	betweenWords quoteState = iota // a # here begins a comment
	inWord
	inComment
	inLiteral
	inEscaped
)

// open reports whether the text so far ends within quotes.
func (q quoteState) open() bool { return q == inLiteral || q == inEscaped }

// after is the state behind a further line, which ends in a newline or is the
// last one.
func (q quoteState) after(line []byte) quoteState {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch q {
		case inLiteral:
			if c == '\'' {
				q = inWord
			}
		case inEscaped:
			switch c {
			case '\\':
				i++
			case '"':
				q = inWord
			}
		case inComment:
			if c == '\n' {
				q = betweenWords
			}
		default:
			switch {
			case c == '\'':
				q = inLiteral
			case c == '"':
				q = inEscaped
			case isSpace(c), isEnd(c):
				q = betweenWords
			case c == '#' && q == betweenWords:
				q = inComment
			default:
				q = inWord
			}
		}
	}
	return q
}
