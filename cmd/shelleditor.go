package cmd

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"kvsh/repl"
)

// TerminalEditor reads lines at a terminal: with an editor where the cursor
// can be moved, else plainly.
func TerminalEditor(s *Session) (repl.Editor, error) {
	in := s.stdinFile
	if in == nil || !s.OutTerminal || s.Getenv("TERM") == "dumb" || s.Getenv("TERM") == "" {
		return repl.NewPlainEditor(s.In, s.errs), nil
	}
	words := newLineWords(s)
	return repl.NewEditor(repl.EditorOptions{
		In: in, Out: s.Out,
		HistoryFile: s.historyFile(),
		Colors:      s.colors(),
		Vi:          s.Getenv(keysVariable) == "vi",
		Classify:    words.classify,
		Hint:        words.hint,
		Complete: func(line string) func(context.Context) repl.Completion {
			return s.complete(words, line)
		},
		Edit: s.editLine,
	})
}

// historyFile is the file of the shell's history; none under --safe.
func (s *Session) historyFile() string {
	if s.set.Safe {
		return ""
	}
	dir := s.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home := s.Getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "kvsh", "history")
}

// editLine lets the user change the line of the shell in an editor.
func (s *Session) editLine(text string) (string, error) {
	if err := s.otherFiles("an editor"); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "kvsh-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "line.kvsh")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		return "", err
	}
	if err := s.runEditor(context.Background(), file); err != nil {
		return "", err
	}
	b, err := os.ReadFile(file)
	return strings.TrimRight(string(b), "\n"), err
}
