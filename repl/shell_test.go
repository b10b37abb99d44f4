package repl

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// typed is what a shell does with lines: the words of each command, and its
// source from the first word to the last.
func typed(t *testing.T, lines string, s Shell) []string {
	t.Helper()
	var did []string
	s.Editor = NewPlainEditor(strings.NewReader(lines), io.Discard)
	s.Prompt = func() string { return "> " }
	s.Do = func(source string, c Command) bool {
		did = append(did, fmt.Sprintf("%q %s", c.Texts(nil), source[c.Words[0].Start:c.Words[len(c.Words)-1].End]))
		return c.Words[0].Text == "quit"
	}
	s.Syntax = func(_ string, err *SyntaxError) { did = append(did, err.Error()) }
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("Run(%q) = %v", lines, err)
	}
	return did
}

// What stands behind a verbatim word is one word, whatever it is.
func TestShellVerbatim(t *testing.T) {
	s := Shell{Verbatim: func(word string) bool { return word == "!" }}
	for lines, want := range map[string][]string{
		"! ls 'a | b; c\n":         {`["!" "ls 'a | b; c"] ! ls 'a | b; c`},
		"  !\t a > b # c  \na 'b'": {`["!" "a > b # c"] !	 a > b # c`, `["a" "b"] a 'b'`},
		"!\n":                      {`["!"] !`},
		"!a b; ! c\n":              {`["!a" "b"] !a b`, `["!" "c"] ! c`},
		"a; ! 'b\nc'\n":            {`["a"] a`, "[\"!\" \"b\\nc\"] ! 'b\nc'"},
	} {
		if got := typed(t, lines, s); !slices.Equal(got, want) {
			t.Errorf("%q does %q, want %q", lines, got, want)
		}
	}
}

// The end of the input ends the loop when Leave lets it.
func TestShellLeaves(t *testing.T) {
	asked := 0
	s := Shell{Leave: func() bool {
		asked++
		return asked == 3
	}}
	if got := typed(t, "a\n", s); asked != 3 || len(got) != 1 {
		t.Errorf("the shell asked %d times and did %q, want 3 times and one command", asked, got)
	}
	asked = 0
	if typed(t, "a\nquit\nb\n", s); asked != 0 {
		t.Errorf("a command that ends the loop is asked about %d times, want 0", asked)
	}
}
