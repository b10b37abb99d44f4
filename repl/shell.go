package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Shell is the loop of the interactive shell.
type Shell struct {
	Editor Editor

	// Prompt returns what stands before the cursor now.
	Prompt func() string

	// Do runs one command. It reports its errors itself; true ends the loop.
	Do func(source string, c Command) (quit bool)

	// Syntax reports text that cannot be split.
	Syntax func(source string, err *SyntaxError)

	// Verbatim reports whether all that follows a first word is one word, up to
	// the end of the text and as it stands there: it has a grammar of its own.
	// It may be nil.
	Verbatim func(word string) bool

	// Leave reports whether the loop may end at the end of the input, which
	// Ctrl-D is. It may be nil, for yes.
	Leave func() bool
}

// Run reads lines and runs their commands until Do ends it, the input does, or
// the context is done, whose cause it returns. Text in an open quote goes on
// with the next line under a prompt of its own; Ctrl-C there, as on any line,
// gives up what was typed.
func (s *Shell) Run(ctx context.Context) error {
	var text string // of the command so far
	for {
		prompt := s.Prompt()
		if text != "" {
			prompt = continuation(prompt)
		}
		line, err := s.Editor.ReadLine(ctx, prompt)
		switch {
		case errors.Is(err, ErrInterrupt):
			text = ""
			continue
		case errors.Is(err, io.EOF):
			if text == "" && (s.Leave == nil || s.Leave()) {
				return nil
			}
			if text == "" {
				continue
			}
			// Ctrl-D within a quote ends the quote's command, not the shell.
			text = strings.TrimSuffix(text, "\n")
		case err != nil:
			return fmt.Errorf("read line: %w", err)
		default:
			text += line
		}
		commands, splitErr := s.split(text)
		var syntax *SyntaxError
		if errors.As(splitErr, &syntax) && syntax.Open && err == nil {
			text += "\n"
			continue
		}
		source := text
		text = ""
		if source != "" && source[0] != ' ' {
			s.Editor.Remember(source)
		}
		if syntax != nil {
			s.Syntax(source, syntax)
			continue
		}
		for _, c := range commands {
			if s.Do(source, c) {
				return nil
			}
		}
	}
}

// split splits a text into its commands.
func (s *Shell) split(text string) ([]Command, error) {
	if s.Verbatim == nil {
		return Split(nil, text, ShellDoor)
	}
	start := len(text) - len(strings.TrimLeft(text, " \t"))
	end := len(text)
	if n := strings.IndexAny(text[start:], " \t\n"); n >= 0 {
		end = start + n
	}
	if !s.Verbatim(text[start:end]) {
		return Split(nil, text, ShellDoor)
	}
	c := Command{Words: []Word{{Text: text[start:end], Start: start, End: end}}}
	if rest := strings.TrimSpace(text[end:]); rest != "" {
		at := end + strings.Index(text[end:], rest)
		c.Words = append(c.Words, Word{Text: rest, Start: at, End: at + len(rest)})
	}
	return []Command{c}, nil
}
