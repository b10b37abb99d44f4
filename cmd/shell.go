package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/repl"
)

func newShell(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:     "shell",
		Short:   "Open the interactive shell",
		Example: "kvsh shell\nkvsh --readonly shell",
		Long: `Opens the interactive shell, as kvsh without a command does at a terminal.

Keys, besides those that move and delete as in other shells:
  Tab              complete; again: choose from the menu
  Up, Down         the commands before that begin as the line does
  Ctrl-R           search them all; Esc keeps what was found, Ctrl-G does not
  Ctrl-O           run the line, then have the one behind it in the history
  Right, End       take what stands in grey; Alt-F its next word
  Alt-Enter        a further line; an open quote goes on by itself
  Ctrl-Y, Alt-Y    insert what was cut; what was cut before that
  Alt-.            the last word of the command before; of the one before that
  Alt-U, L, C, T   the word in capitals, small, capitalized; swap two words
  Ctrl-_, Alt-/    undo; redo
  Ctrl-X Ctrl-E    change the line in $VISUAL or $EDITOR
  Ctrl-L           clear the screen
  Ctrl-C, Ctrl-D   give up the line or command; leave
  Ctrl-Z           suspend

A paste waits for Enter. The history is in $XDG_STATE_HOME/kvsh/history; a line
that begins with a space is not remembered. $XDG_CONFIG_HOME/kvsh/rc holds
commands to begin with.

At the prompt a command may hand its data on:
  … | CMD          to a program; the rest of the line is for sh
  … > FILE         to a file, which is written anew
  … >> FILE        to the end of a file
  watch … &        above the prompt, while you go on; also "log follow … &"
In scripts, and in the files of .read and rc, an error refuses these marks, and
.once and .output take their place. In quotes they are words as any: '|'.

Names of commands may be shortened, to two letters or more, as long as one is
meant: "hist k", "sn save".
Output taller than the screen goes to $PAGER, else to less. A command that takes
a second or more says so. Commands with a dot are about the shell; without a
word behind them they show what is set:
` + dotLines(),
		Args:        operands(0, 0),
		Annotations: exits("0, 2 not at a terminal"),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case s.door == doorShell:
				return usagef("shell: this is one")
			case s.door == doorScript || !s.InTerminal:
				return usagef("shell: stdin is not a terminal")
			}
			return s.runShell(c.Context())
		},
	}
}

// runShell is the interactive shell. It ends without an error however the last
// command ended.
func (s *Session) runShell(ctx context.Context) error {
	s.door = doorShell
	if s.Signals != nil {
		s.Signals.KeepInterrupts()
	}
	editor, err := s.Editor(s)
	if err != nil {
		return fmt.Errorf("shell: %w", err)
	}
	defer editor.Close()
	s.shell.editor = editor
	defer func() { s.jobs.stop(s.jobs.running()) }()
	if s.OutTerminal {
		s.ask = func(question string) (string, error) { return editor.Ask(ctx, question) }
	}
	s.remark("kvsh on " + s.path() + "\n\"help\" lists the commands, Ctrl-D leaves")
	s.openDamaged(ctx)
	s.runRC(ctx)
	loop := repl.Shell{
		Editor: editor,
		Prompt: s.prompt,
		Do: func(source string, c repl.Command) bool {
			return s.runShellCommand(ctx, source, c)
		},
		Syntax:   s.reportSyntax,
		Verbatim: s.verbatim,
		Leave:    s.leave,
	}
	err = loop.Run(ctx)
	if s.tx != nil && s.tx.Writes() > 0 {
		s.remark(fmt.Sprintf("the open transaction was discarded with %s", plural(int64(s.tx.Writes()), "write")))
	}
	return err
}

// openDamaged looks whether what a command would read can be read, and makes
// the shell read-only if it is damaged. A repair ends that.
func (s *Session) openDamaged(ctx context.Context) {
	err := s.view(ctx, func(tx engine.Tx) error {
		_, err := tx.Get(ctx, "\x00") // whatever the key: the tail of the log is read for it
		return err
	})
	if errors.Is(err, engine.ErrDamaged) && !s.set.ReadOnly {
		s.damaged, s.set.ReadOnly = true, true
		s.remark("damaged: " + message(err) + "; opened read-only; \"repair\" shows the way out")
	}
}

// prompt is what .prompt chose. All data must be out before it.
func (s *Session) prompt() string {
	_ = s.out.Flush()
	text, err := s.expandPrompt(s.promptFormat())
	if err != nil {
		return "> " // which .prompt does not let in
	}
	return text
}

// runRC runs the user's file of commands for the interactive shell. An error
// ends no more than its command; under --safe the file is not read.
func (s *Session) runRC(ctx context.Context) {
	if s.set.Safe {
		return
	}
	dir := s.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(s.Getenv("HOME"), ".config")
	}
	f, err := os.Open(filepath.Join(dir, "kvsh", "rc"))
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			s.report(fmt.Errorf("rc: %w", err))
		}
		return
	}
	defer f.Close()
	script := repl.NewScript(f.Name(), f)
	for {
		c, err := script.Next()
		if err == nil {
			err = s.runLine(ctx, c.Texts(nil))
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errQuit), ctx.Err() != nil:
			return
		case err != nil:
			if len(c.Words) > 0 {
				at := c.Position()
				s.at = &at
			}
			s.report(err)
			s.at = nil
		}
	}
}

// runShellCommand runs one command of the shell, with Ctrl-C ending it alone,
// and reports its error. It reports whether the shell is to be left.
func (s *Session) runShellCommand(ctx context.Context, source string, c repl.Command) (quit bool) {
	shellCtx := ctx
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	words, err := s.expand(c.Texts(nil))
	if err == nil && s.isBackground(c, words) {
		err = s.startJob(shellCtx, c.Redirect, words[:len(words)-1])
	} else if err == nil {
		if slices.Contains(exitWords, words[0]) {
			words[0] = ".quit"
		}
		damaged := s.damaged
		err = s.runExpanded(ctx, c, words)
		if damaged && !s.damaged {
			s.set.ReadOnly = false // which the shell itself had set
		}
	}
	if err == nil {
		err = s.out.Flush()
	}
	if errors.Is(err, errQuit) {
		return s.leave()
	}
	if err = reason(ctx, err); err != nil {
		s.reportLine(source, c, err)
	}
	if k := s.shell.sink; k != nil && k.gone {
		s.remark(k.String() + " has ended; data goes to stdout again")
		_ = s.endSink() // the program is gone, so nothing is lost that was wanted
	}
	return false
}

// runExpanded runs the words that a command of the shell stands for, with the
// data going where the command, or .once before it, says.
func (s *Session) runExpanded(ctx context.Context, c repl.Command, words []string) error {
	to := redirection{c.Redirect, c.Target}
	switch {
	case words[0] == ".once", words[0] == ".output":
		if to.kind != repl.ToOutput && len(words) == 1 { // its word, not its data
			words = append(words, redirectionMarks[to.kind]+to.target)
			to = redirection{}
		}
	case !isDot(words):
		if once := s.takeOnce(); to.kind == repl.ToOutput {
			to = once
		}
	}
	return s.redirect(ctx, to, func() error {
		return s.paged(ctx, func() error { return s.runLine(ctx, words) })
	})
}

// leave reports whether the shell may end. Writes that are queued it asks
// about, once: the end of the input, as a second Ctrl-D, is a yes.
func (s *Session) leave() bool {
	if s.tx == nil || s.tx.Writes() == 0 || s.ask == nil || s.set.Yes {
		return true
	}
	answer, err := s.ask(fmt.Sprintf("leave and discard %s? [y/N] ", counted(int64(s.tx.Writes()), "queued write")))
	return isYes(answer) || err != nil && !errors.Is(err, repl.ErrInterrupt)
}

// verbatim reports whether a first word takes the rest of the line as it
// stands.
func (s *Session) verbatim(word string) bool {
	meant := s.expandAlias([]string{word})
	name, err := s.fullName(meant[0])
	return err == nil && len(meant) == 1 && name == ".shell"
}

// dotLines is the list of dot-commands for the page of the shell.
func dotLines() string {
	var b strings.Builder
	for _, d := range dotCommands() {
		if !d.unlisted {
			fmt.Fprintf(&b, "  %-*s %s\n", dotColumns, d.signature(), d.short)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
