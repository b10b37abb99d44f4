package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/repl"
)

// Run is the whole program: it runs the arguments of the process, without its
// name, and returns the exit code. The context ends when the process is to
// stop, with the reason as its cause.
func Run(ctx context.Context, args []string, streams Streams) int {
	s := NewSession(streams)
	err := s.runProcess(ctx, args)
	err = reason(ctx, err)
	s.at = nil
	if err != nil {
		s.report(err)
	}
	if closeErr := s.Close(); closeErr != nil && err == nil {
		err = closeErr
		s.report(err)
	}
	return exitCode(err)
}

// reason is an error with the cause why the context ended, if that is behind it.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// runProcess finds the door: a command, -c and -f, or stdin.
func (s *Session) runProcess(ctx context.Context, args []string) error {
	if asked, err := s.answerTab(ctx, args); asked {
		return err
	}
	root := newBareRoot(s, s.set.bindDoor)
	args = s.takeDatabase(root, args)
	first := s.set.DB
	addCommands(s, root, args)
	root.RunE = func(c *cobra.Command, rest []string) error {
		switch {
		case len(rest) > 0:
			return unknownCommand(c, rest[0])
		case s.set.showVersion:
			return s.version()
		}
		s.watchSignals()
		// The lines to come have trees of their own.
		return s.runDoor(c.Context())
	}
	start, alone := time.Now(), false
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if first != "" && first != s.set.DB {
			return usagef("two databases are named: %s and, by --db, %s", quoted(first), quoted(s.set.DB))
		}
		if c.HasParent() && len(s.set.commands) > 0 {
			return usagef("a command and -c or -f exclude each other: %q", commandName(c))
		}
		alone = c.HasParent()
		switch {
		case !alone || isBrief(c):
		case isOneCommit(c):
			s.watchSignalsLate()
		default:
			s.watchSignals()
		}
		return nil
	}
	ctx, cancel := s.withTimeout(ctx, args)
	defer cancel()
	s.running = ctx
	err := s.execute(ctx, root, args)
	if alone { // the lines of scripts and of the shell have their own times
		s.time(start)
	}
	return err
}

// takeDatabase takes the first word out of the arguments if it names the
// database. root has the flags that may stand before it.
func (s *Session) takeDatabase(root *cobra.Command, args []string) []string {
	if len(args) == 0 || !slices.ContainsFunc(args, namesDatabase) {
		return args
	}
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			return args
		case strings.HasPrefix(word, "-") && word != "-":
			if takesNext(root, word) {
				i++
			}
		case namesDatabase(word):
			s.set.DB = word
			return append(args[:i:i], args[i+1:]...)
		default:
			return args
		}
	}
	return args
}

// takesNext reports whether a flag has its value in the next word.
func takesNext(root *cobra.Command, word string) bool {
	if name, long := strings.CutPrefix(word, "--"); long {
		if strings.Contains(name, "=") {
			return false
		}
		f := root.PersistentFlags().Lookup(name)
		if f == nil {
			f = root.Flags().Lookup(name)
		}
		return f != nil && f.NoOptDefVal == ""
	}
	// In -qd PATH the last letter takes it, in -dPATH the word itself has it.
	for i := 1; i < len(word); i++ {
		f := root.PersistentFlags().ShorthandLookup(word[i : i+1])
		if f == nil {
			f = root.Flags().ShorthandLookup(word[i : i+1])
		}
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(word)-1
		}
	}
	return false
}

// withTimeout is the context of a command with --timeout among its words. The
// flag is looked for here since the tree takes its context before it parses.
func (s *Session) withTimeout(ctx context.Context, words []string) (context.Context, context.CancelFunc) {
	d := s.set.Timeout
	for i, word := range words {
		text, ok := strings.CutPrefix(word, "--timeout")
		if word == "--" {
			break
		}
		if !ok {
			continue
		}
		if value, ok := strings.CutPrefix(text, "="); ok {
			text = value
		} else if text == "" && i+1 < len(words) {
			text = words[i+1]
		}
		if v, err := parseDuration(text); err == nil {
			d = v
		}
	}
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// execute runs a tree on words.
func (s *Session) execute(ctx context.Context, root *cobra.Command, words []string) error {
	root.SetArgs(words)
	return frontFlagError(root, words, root.ExecuteContext(ctx))
}

// runLine runs the words of one line of a script or of the shell. Flags of the
// line end with it.
func (s *Session) runLine(ctx context.Context, words []string) error {
	s.lineDB = ""
	if isDot(words) {
		return s.runDot(ctx, words)
	}
	start := time.Now()
	s.shell.waited = false
	if handled, err := s.runHot(ctx, words); handled {
		s.time(start)
		return err
	}
	saved := s.set
	s.ownDB = &saved.DB
	defer func() {
		if s.set.DB != saved.DB {
			s.lineDB = s.set.DB
		}
		s.set, s.ownDB = saved, nil
		if s.use != nil {
			s.set.Family, s.use = *s.use, nil
		}
	}()
	ctx, cancel := s.withTimeout(ctx, words)
	defer cancel()
	root := newRoot(s, words)
	if s.door == doorShell {
		root.PersistentPreRun = func(c *cobra.Command, _ []string) {
			if usesTerminal(c) {
				s.ownsTerminal()
			}
		}
	}
	err := s.execute(ctx, root, words)
	s.time(start)
	return err
}

// slowCommand is how long a command of the shell takes at least for the shell
// to say so unasked. Tests of the screen change it: their machine may be slow.
var slowCommand = time.Second

// time says how long a command took, if --timer asks for it, or if it was slow
// and nobody but the program is to blame.
func (s *Session) time(start time.Time) {
	unasked := s.door == doorShell && s.ErrTerminal && !s.set.Quiet && !s.shell.waited
	if !s.set.Timer && !unasked {
		return
	}
	if took := time.Since(start); s.set.Timer || took >= slowCommand {
		fmt.Fprintf(s.errs, "time: %v\n", took.Round(time.Microsecond))
	}
}

// runDoor runs what there is without a command: -c and -f, the shell, or a
// script on stdin.
func (s *Session) runDoor(ctx context.Context) error {
	var scripts []script
	switch {
	case len(s.set.commands) > 0:
		for _, c := range s.set.commands {
			sc := script{name: "-c", text: c[1:]}
			if c[0] == 'f' {
				sc = script{name: c[1:], file: true}
			}
			scripts = append(scripts, sc)
		}
	case s.InTerminal:
		return s.runShell(ctx)
	default:
		scripts = []script{{name: "-", file: true}}
	}
	for _, sc := range scripts {
		if sc.file && sc.name == "-" {
			s.stdinIsScript = true
		}
	}
	return s.runScripts(ctx, scripts)
}

// A script is one -c, -f or stdin.
type script struct {
	name string
	text string
	file bool // name is a file, - for stdin; else text is the script
}

// open returns the text of a script and its name in messages.
func (sc script) open(s *Session) (name string, in io.ReadCloser, err error) {
	switch {
	case !sc.file:
		return sc.name, io.NopCloser(strings.NewReader(sc.text)), nil
	case sc.name == "-":
		return "stdin", io.NopCloser(s.In), nil
	}
	f, err := os.Open(sc.name)
	return sc.name, f, err
}

// scriptRun is what became of the commands so far.
type scriptRun struct {
	firstError error // reported
	answer     error // of the last command, if it was a "no"
	conflict   error // a transaction that was lost: the exit code tells of it
}

// runScripts runs scripts one after the other, as one transaction if --atomic
// or --dry-run asks for that. They share the open transaction.
func (s *Session) runScripts(ctx context.Context, scripts []script) error {
	s.door = doorScript
	if s.set.Atomic || s.set.DryRun {
		if err := s.begin(ctx); err != nil {
			return err
		}
		s.atomic = true
	}
	var run scriptRun
	for _, sc := range scripts {
		if err := s.runScript(ctx, sc, &run); err != nil {
			s.endTx()
			return err
		}
	}
	s.at = nil
	switch {
	case s.atomic:
		return s.endAtomic(ctx, &run)
	case s.tx != nil:
		n := s.tx.Writes()
		s.endTx()
		err := usagef("the script ends within a transaction: %s discarded", plural(int64(n), "write"))
		s.report(err)
		if run.firstError == nil {
			run.firstError = err
		}
	}
	return run.result()
}

// result is what the scripts come to: their first error, else whether the last
// answer was "no" or a transaction was lost.
func (run *scriptRun) result() error {
	switch {
	case run.firstError != nil:
		return &saidError{run.firstError}
	case run.conflict != nil || run.answer != nil:
		return errNo
	}
	return nil
}

// endAtomic commits the transaction that holds all of the scripts, unless
// there was an error.
func (s *Session) endAtomic(ctx context.Context, run *scriptRun) error {
	defer s.endTx()
	n := s.tx.Writes()
	switch {
	case run.firstError != nil:
		s.remark(fmt.Sprintf("nothing was written: %s discarded", plural(int64(n), "write")))
		return run.result()
	case s.set.DryRun:
		s.remark(fmt.Sprintf("dry run: %s discarded", plural(int64(n), "write")))
		return run.result()
	}
	result, err := s.tx.Commit(ctx)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if n > 0 {
		if err := s.acknowledge(written{rev: result.Rev}); err != nil {
			return err
		}
	}
	return run.result()
}

// runScript runs one script. It returns what ends all scripts; with
// --keep-going that is only the end of the context or of the output.
func (s *Session) runScript(ctx context.Context, sc script, run *scriptRun) error {
	if sc.file && sc.name != "-" {
		if err := s.otherFiles("-f " + sc.name); err != nil {
			return err
		}
	}
	name, in, err := sc.open(s)
	if err != nil {
		return err
	}
	defer in.Close()
	text := repl.NewScript(name, in)
	for {
		c, err := text.Next()
		if err == io.EOF {
			return nil
		}
		if s.shell.echo && err == nil {
			fmt.Fprintln(s.errs, safeLines(c.Text()))
		}
		if next, ok := text.Peek(); ok && err == nil && !s.shell.echo && s.isRead(c.Command) && s.isRead(next) {
			err = s.runReads(ctx, c, text, run)
		} else {
			err = s.runScriptCommand(ctx, c, err, run)
		}
		if errors.Is(err, errQuit) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// runScriptCommand runs a command of a script, unless there is an error in its
// place. It returns what ends all scripts.
func (s *Session) runScriptCommand(ctx context.Context, c repl.ScriptCommand, err error, run *scriptRun) error {
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		s.words = c.Texts(s.words[:0])
		if s.shell.once.kind == repl.ToOutput || isDot(s.words) {
			err = s.runLine(ctx, s.words)
		} else {
			err = s.runOnce(ctx, s.words)
		}
	}
	if errors.Is(err, errQuit) {
		return err
	}
	if err == nil {
		run.answer = nil
		return nil
	}
	return s.scriptError(ctx, c, err, run)
}

// isRead reports whether a command does nothing but read a state, without
// waiting for anything.
func (s *Session) isRead(c repl.Command) bool {
	return s.tx == nil && len(c.Words) == 2 && (c.Words[0].Text == "get" || c.Words[0].Text == "exists") &&
		!strings.HasPrefix(c.Words[1].Text, "-")
}

// runReads runs a command that reads, and the reads that had been sent with
// it, on one state. Each of them is answered with a state that was the newest
// at a moment after it was sent and before its answer, as if it had been alone.
func (s *Session) runReads(ctx context.Context, c repl.ScriptCommand, text *repl.Script, run *scriptRun) error {
	var ended error
	opened := false
	err := s.view(ctx, func(tx engine.Tx) error {
		opened = true
		s.reading = tx
		defer func() { s.reading = nil }()
		for {
			if ended = s.runScriptCommand(ctx, c, nil, run); ended != nil {
				return nil
			}
			next, ok := text.Peek()
			if !ok || !s.isRead(next) {
				return nil
			}
			c, _ = text.Next()
		}
	})
	if err != nil && !opened {
		return s.runScriptCommand(ctx, c, nil, run) // which reports it as its own
	}
	return errors.Join(ended, err)
}

// scriptError reports the error of a command of a script and returns what ends
// the script, or nil if it goes on.
func (s *Session) scriptError(ctx context.Context, c repl.ScriptCommand, err error, run *scriptRun) error {
	if len(c.Words) > 0 && !isSaid(err) {
		at := c.Position()
		s.at = &at
	}
	switch code := exitCode(reason(ctx, err)); {
	case isAnswer(err):
		s.report(err)
		if isConflict(err) {
			run.conflict = err
		}
		run.answer = err
		s.at = nil
		return nil
	case code == exitClosedPipe, ctx.Err() != nil:
		return reason(ctx, err)
	}
	s.report(err)
	s.at = nil
	if !s.set.KeepGoing {
		if s.door == doorScript && s.tx != nil && s.tx.Writes() > 0 {
			s.remark(fmt.Sprintf("the open transaction was discarded with %s", plural(int64(s.tx.Writes()), "write")))
		}
		return &saidError{err}
	}
	if run.firstError == nil {
		run.firstError = err
	}
	return nil
}
