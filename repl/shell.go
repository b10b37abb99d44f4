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
			if text == "" {
				return nil
			}
			// Ctrl-D within a quote ends the quote's command, not the shell.
			text = strings.TrimSuffix(text, "\n")
		case err != nil:
			return fmt.Errorf("read line: %w", err)
		default:
			text += line
		}
		commands, splitErr := Split(nil, text, ShellDoor)
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
