package cmd

import (
	"errors"
	"strings"

	"kvsh/engine"
	"kvsh/repl"
)

// reportLine reports the error of a command of the shell, with the line and a
// mark under the word that is wrong, if it is one.
func (s *Session) reportLine(source string, c repl.Command, err error) {
	at, ok := wrongWord(c, err)
	if !ok {
		s.report(err)
		return
	}
	s.reportAt(err, s.marked(source, at))
}

// reportSyntax shows where a line stops being words.
func (s *Session) reportSyntax(source string, e *repl.SyntaxError) {
	s.reportAt(e, s.marked(source, e.Offset))
}

// marked is the line of a source that holds an offset, and a mark under that
// place. It is nothing if they would not fit the terminal, where the mark would
// stand under something else.
func (s *Session) marked(source string, offset int) string {
	line, mark := (&repl.SyntaxError{Offset: offset}).Mark(source)
	shown := "  " + line + "\n  " + mark + "\n"
	if s.OutTerminal && s.Width != nil {
		var p pager // which can measure
		p.columns = max(s.Width(), 1)
		p.measure([]byte(shown))
		if p.row > 2 {
			return ""
		}
	}
	return shown
}

// wrongWord is the place of the word that an error is about. Only what is wrong
// with the line itself has one, and only if there is no doubt which it is.
func wrongWord(c repl.Command, err error) (offset int, ok bool) {
	var usage *usageError
	isUsage := errors.As(err, &usage)
	if !isUsage && engine.ClassOf(err) != engine.ClassInvalid {
		return 0, false
	}
	found := 0
	for _, w := range c.Words {
		within := -1
		if isUsage && usage.word != "" {
			within = placeIn(w, usage.word)
		} else if strings.Contains(err.Error(), quoted(w.Text)) {
			within = 0
		}
		if within >= 0 {
			offset = w.Start + within
			found++
		}
	}
	return offset, found == 1
}

// placeIn is where in a word of the line a wrong word stands: all of it, a flag
// with its value, the value, or letters of short flags. It is -1 if it is not
// there.
func placeIn(w repl.Word, wrong string) int {
	if w.Text == wrong {
		return 0
	}
	name, value, hasValue := strings.Cut(w.Text, "=")
	switch {
	case !strings.HasPrefix(w.Text, "-"):
		return -1
	case hasValue && name == wrong:
		return 0
	case hasValue && value == wrong && !w.Quoted:
		return len(name) + 1
	case hasValue && value == wrong:
		return 0
	case len(wrong) == 2 && wrong[0] == '-' && !strings.HasPrefix(name, "--") && strings.Contains(name, wrong[1:]):
		return 0
	}
	return -1
}
