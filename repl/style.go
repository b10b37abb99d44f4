package repl

import (
	"errors"
	"strings"
)

// A Style is what a piece of a line is, for its colour.
type Style uint8

// The styles.
const (
	Plain     Style = iota
	CommandOK       // a command there is
	Unknown         // a word that names nothing
	Flag
	Literal // text in quotes
	Number
	Operator // | > >> ;
	Comment
	Wrong // where the text stops being words
	faint // what is not there but could be
	chosen
	matched
)

// codes are what switches each style on, from a terminal that shows none.
var codes = [...]string{
	Plain:     "",
	CommandOK: "\x1b[1m",
	Unknown:   "\x1b[31m",
	Flag:      "\x1b[36m",
	Literal:   "\x1b[32m",
	Number:    "\x1b[33m",
	Operator:  "\x1b[35m",
	Comment:   "\x1b[90m",
	Wrong:     "\x1b[4;31m",
	faint:     "\x1b[90m",
	chosen:    "\x1b[7m",
	matched:   "\x1b[1;4m",
}

const plainCode = "\x1b[0m"

// styles are the styles of the bytes of a text.
type styles []Style

func (s styles) paint(from, to int, style Style) {
	for i := from; i < to && i < len(s); i++ {
		s[i] = style
	}
}

// highlight is the styles of a text that is being typed. classify says what
// the words of a command are.
func highlight(text string, classify func(words []string) []Style) styles {
	all := make(styles, len(text))
	stop := len(text) // where the words end
	commands, err := Split(nil, text, ShellDoor)
	var syntax *SyntaxError
	for style := Wrong; errors.As(err, &syntax); {
		// What stands before the place is still to be seen; that may be within a
		// quote, which is then the next place.
		if syntax.Open {
			style = Literal
		}
		all.paint(syntax.Offset, stop, style)
		stop = syntax.Offset
		commands, err = Split(nil, text[:stop], ShellDoor)
	}
	end := 0 // of the command before
	for _, c := range commands {
		all.gap(text, end, c.Words[0].Start)
		words := classify(c.Texts(nil))
		for i, w := range c.Words {
			style := Plain
			if i < len(words) {
				style = words[i]
			}
			if w.Quoted && style == Plain {
				style = Literal
			}
			all.paint(w.Start, w.End, style)
			end = w.End
		}
	}
	all.gap(text, end, stop)
	return all
}

// gap paints what stands between two commands: the end of the one before, and
// comments.
func (s styles) gap(text string, from, to int) {
	for i := from; i < to; i++ {
		switch text[i] {
		case ';':
			s[i] = Operator
		case '#':
			end := i + strings.IndexByte(text[i:to]+"\n", '\n')
			s.paint(i, end, Comment)
			i = end - 1
		case '|':
			s[i] = Operator
			// The rest of the line belongs to another program.
			i += strings.IndexByte(text[i:to]+"\n", '\n') - 1
		case '>':
			s[i] = Operator
			i = s.target(text, i+1, to)
		}
	}
}

// target paints the file behind > and returns the offset before its end.
func (s styles) target(text string, from, to int) int {
	if from < to && text[from] == '>' {
		s[from] = Operator
		from++
	}
	i := from
	for i < to && isSpace(text[i]) {
		i++
	}
	w, err := (&splitter{src: text[:to], pos: i}).word()
	if err != nil || w.End <= w.Start {
		return i - 1
	}
	if w.Quoted {
		s.paint(w.Start, w.End, Literal)
	}
	return w.End - 1
}
