package repl

import "slices"

// A Recaller is an Editor that remembers commands and can offer text to be
// changed before it is run.
type Recaller interface {
	Editor

	// History returns the commands that are remembered, oldest first. The slice
	// is the caller's.
	History() []string

	// Prefill makes a text stand on the next line that ReadLine reads, with the
	// cursor behind it.
	Prefill(text string)
}

var _ Recaller = (*lineEditor)(nil)

func (e *lineEditor) History() []string { return slices.Clone(e.history.entries) }

func (e *lineEditor) Prefill(text string) { e.prefill = text }
