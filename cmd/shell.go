package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
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
  Ctrl-R           search them all; Ctrl-G leaves the search
  Right, End       take what stands in grey; Alt-F its next word
  Alt-Enter        a further line; an open quote goes on by itself
  Ctrl-Y, Alt-Y    insert what was cut; what was cut before that
  Ctrl-_           undo
  Ctrl-X Ctrl-E    change the line in $VISUAL or $EDITOR
  Ctrl-L           clear the screen
  Ctrl-C, Ctrl-D   give up the line or command; leave
  Ctrl-Z           suspend

A paste waits for Enter. The history is in $XDG_STATE_HOME/kvsh/history; a line
that begins with a space is not remembered.`,
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
	if s.KeepInterrupts != nil {
		s.KeepInterrupts()
	}
	editor, err := s.Editor(s)
	if err != nil {
		return fmt.Errorf("shell: %w", err)
	}
	defer editor.Close()
	s.jobs.editor = editor
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
		Do: func(_ string, c repl.Command) bool {
			return s.runShellCommand(ctx, c)
		},
		Syntax: func(source string, e *repl.SyntaxError) { s.reportSyntax(source, e) },
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

// prompt is the name of the database and the state of the transaction. All
// data must be out before it.
func (s *Session) prompt() string {
	_ = s.out.Flush()
	state := ""
	switch {
	case s.tx != nil:
		state = fmt.Sprintf("(tx:%d)", s.tx.Writes())
	case s.set.ReadOnly:
		state = "[ro]"
	}
	family := ""
	if s.set.Family != "" {
		family = ":" + s.set.Family
	}
	return format.Safe(filepath.Base(s.path())) + family + state + "> "
}

// runRC runs the user's file of commands for the interactive shell.
func (s *Session) runRC(ctx context.Context) {
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
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.report(err)
		}
	}
}

// runShellCommand runs one command of the shell, with Ctrl-C ending it alone,
// and reports its error. It reports whether the shell is to be left.
func (s *Session) runShellCommand(ctx context.Context, c repl.Command) (quit bool) {
	words := c.Texts(nil)
	switch words[0] {
	case "exit", "quit", ".exit", ".quit":
		return true
	case ".help":
		words[0] = "help"
	}
	if s.isBackground(c) { // which Ctrl-C does not end
		if err := s.startJob(ctx, c); err != nil {
			s.report(err)
		}
		return false
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	damaged := s.damaged
	err := s.redirect(ctx, c, func() error { return s.runShellLine(ctx, words) })
	if damaged && !s.damaged {
		s.set.ReadOnly = false // which the shell itself had set
	}
	if err == nil {
		err = s.out.Flush()
	}
	if err = reason(ctx, err); err != nil {
		s.report(err)
	}
	return false
}

// redirect runs a command with its data going where the command says.
func (s *Session) redirect(ctx context.Context, c repl.Command, run func() error) error {
	if c.Redirect == repl.ToOutput {
		return run()
	}
	if err := s.otherFiles("| and >"); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	s.redirected = true
	defer func() {
		s.out.Reset(s.Out)
		s.redirected = false
	}()
	if c.Redirect == repl.ToPipe {
		return s.pipe(ctx, c.Target, run)
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if c.Redirect == repl.AddFile {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(c.Target, flags, 0o666)
	if err != nil {
		return err
	}
	s.out.Reset(f)
	err = errors.Join(run(), s.out.Flush())
	return errors.Join(err, f.Close())
}

// pipe runs a command with its data going to a program of the system shell.
func (s *Session) pipe(ctx context.Context, program string, run func() error) error {
	child := exec.CommandContext(ctx, "/bin/sh", "-c", program)
	child.Stdout, child.Stderr = s.Out, s.Err
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	s.out.Reset(in)
	err = run()
	if flushErr := s.out.Flush(); err == nil {
		err = flushErr
	}
	in.Close()
	waitErr := child.Wait()
	var exit *exec.ExitError
	if errors.As(waitErr, &exit) {
		waitErr = nil // what the program said is its own affair
	}
	if isSaid(err) {
		err = nil // the program had read enough
	}
	return errors.Join(err, waitErr)
}

// reportSyntax shows where a line stops being words.
func (s *Session) reportSyntax(source string, e *repl.SyntaxError) {
	s.report(e)
	line, mark := e.Mark(source)
	fmt.Fprintf(s.errs, "  %s\n  %s\n", line, mark)
}
