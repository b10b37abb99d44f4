package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"kvsh/format"
	"kvsh/repl"
)

// dotOutput are the dot-commands about what commands print.
func dotOutput() []dotCommand {
	modes := func(*Session) []string { return format.ModeNames() }
	return []dotCommand{
		{
			name: ".mode", usage: "[M]", short: "How data is written, as --mode", most: 1, scripts: true,
			long:  "The modes are " + strings.Join(format.ModeNames(), " ") + ".",
			words: modes, run: dotMode,
		},
		{
			name: ".once", usage: "[FILE or | CMD]", short: "Where the data of the next command goes", most: 1, scripts: true,
			long: `A FILE is written anew; ">> FILE" adds to it. A program behind | reads the data.
In scripts it stands in quotes: .once '| sort'. A | or > behind the next command
itself goes first.`,
			run: dotOnce,
		},
		{
			name: ".output", usage: "[FILE or | CMD or stdout]", short: "Where the data of all commands goes", most: 1, scripts: true,
			long: `As .once, until the next .output or the end. "stdout" is the usual place again.`,
			run:  dotRedirect,
		},
		{
			name: ".limit", usage: "[N|off]", short: "Keys that list shows at most", most: 1, scripts: true,
			words: func(*Session) []string { return []string{"off"} }, run: dotLimit,
			long: "As --limit of list, at the terminal only: data that goes elsewhere is whole.",
		},
		{
			name: ".timer", usage: "[on|off]", short: "Say how long each command takes", most: 1, scripts: true,
			long:  "Without it the shell says so of commands that take a second or more.",
			words: onOff, run: func(_ context.Context, s *Session, args []string) error {
				return s.switched(".timer", args, &s.set.Timer)
			},
		},
		{
			name: ".echo", usage: "[on|off]", short: "Show the commands of scripts, on stderr", most: 1, scripts: true,
			words: onOff, run: func(_ context.Context, s *Session, args []string) error {
				return s.switched(".echo", args, &s.shell.echo)
			},
		},
		{
			name: ".pager", usage: "[on|off|CMD]", short: "The program for long output", most: -1,
			long: `Output taller than the screen goes to $PAGER, else to less; "on" is that program
again. There is none where stdout is no terminal, and under --safe.`,
			words: onOff, run: dotPager,
		},
	}
}

func dotMode(_ context.Context, s *Session, args []string) error {
	if len(args) == 0 {
		return s.say(s.modeName())
	}
	if _, err := format.ParseMode(args[0]); err != nil {
		return badWord(".mode: unknown mode", args[0], "modes are "+strings.Join(format.ModeNames(), " "))
	}
	s.set.Mode, s.set.JSON, s.set.NUL = args[0], false, false
	return nil
}

// modeName is the mode that holds, whichever flag chose it.
func (s *Session) modeName() string {
	if m, err := s.mode(); err == nil {
		return m.String()
	}
	return s.set.Mode
}

func dotLimit(_ context.Context, s *Session, args []string) error {
	switch {
	case len(args) == 0 && s.shell.limit == 0:
		return s.say("off")
	case len(args) == 0:
		return s.say(strconv.Itoa(s.shell.limit))
	case args[0] == "off":
		s.shell.limit = 0
		return nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return badWord(".limit: not a number of keys:", args[0], "a limit is a number from 1 on, or off")
	}
	s.shell.limit = n
	return nil
}

// shownRows is how many rows a list has at most because of .limit; 0 is no
// limit. It is for the terminal alone: data that goes elsewhere is whole.
func (s *Session) shownRows() int {
	if !s.OutTerminal || s.redirected {
		return 0
	}
	return s.shell.limit
}

// A redirection is where data goes.
type redirection struct {
	kind   repl.Redirect
	target string // a file, or the text of a program
}

// parseRedirection reads what stands behind .once and .output.
func parseRedirection(text string) redirection {
	for _, kind := range []repl.Redirect{repl.ToPipe, repl.AddFile, repl.ToFile} {
		if rest, ok := strings.CutPrefix(text, redirectionMarks[kind]); ok {
			return redirection{kind, strings.TrimSpace(rest)}
		}
	}
	return redirection{repl.ToFile, text}
}

// redirectionMarks are the marks of redirections.
var redirectionMarks = map[repl.Redirect]string{repl.ToPipe: "|", repl.AddFile: ">>", repl.ToFile: ">"}

// String is a redirection as parseRedirection reads it.
func (r redirection) String() string {
	switch r.kind {
	case repl.ToPipe:
		return "| " + r.target
	case repl.AddFile:
		return ">> " + r.target
	}
	return r.target
}

// redirectionOf reads the words behind .once or .output, and refuses what
// --safe forbids.
func (s *Session) redirectionOf(name, text string) (redirection, error) {
	r := parseRedirection(text)
	if r.target == "" {
		return r, &usageError{reason: name + ": a file or a program is missing"}
	}
	return r, s.otherFiles(name)
}

func dotOnce(_ context.Context, s *Session, args []string) error {
	if len(args) == 0 {
		return s.say(format.Safe(s.onceText()))
	}
	r, err := s.redirectionOf(".once", args[0])
	if err == nil {
		s.shell.once = r
	}
	return err
}

// outputText is where data goes, as .output takes it.
func (s *Session) outputText() string {
	if s.shell.sink == nil {
		return "stdout"
	}
	return s.shell.sink.String()
}

// onceText is where the data of the next command goes.
func (s *Session) onceText() string {
	if s.shell.once.kind == repl.ToOutput {
		return s.outputText()
	}
	return s.shell.once.String()
}

// takeOnce is what .once said, which holds for one command.
func (s *Session) takeOnce() redirection {
	r := s.shell.once
	s.shell.once = redirection{}
	return r
}

// runOnce runs a line with its data going where .once said.
func (s *Session) runOnce(ctx context.Context, words []string) error {
	return s.redirect(ctx, s.takeOnce(), func() error { return s.runLine(ctx, words) })
}

// A sink is where data goes between two .output.
type sink struct {
	redirection
	in    io.WriteCloser
	child *exec.Cmd // that reads it; nil for a file
	gone  bool      // the program reads no more
}

// Write takes data. What a program does not want to read any more is dropped:
// it is no reason to end the commands that print it.
func (k *sink) Write(b []byte) (int, error) {
	if k.gone {
		return len(b), nil
	}
	n, err := k.in.Write(b)
	if k.child != nil && errors.Is(err, syscall.EPIPE) {
		k.gone = true
		return len(b), nil
	}
	return n, err
}

func dotRedirect(_ context.Context, s *Session, args []string) error {
	switch {
	case len(args) == 0 && s.shell.sink == nil:
		return s.say(s.outputText())
	case len(args) == 0:
		// It is no data of the file.
		fmt.Fprintln(s.errs, format.Safe(s.outputText()))
		return nil
	case args[0] == "stdout":
		return s.endSink()
	}
	r, err := s.redirectionOf(".output", args[0])
	if err != nil {
		return err
	}
	if s.redirected && s.shell.sink == nil {
		return usagef(".output: the data of this command goes elsewhere already")
	}
	next, err := s.openSink(r)
	if err != nil {
		return fmt.Errorf(".output: %w", err)
	}
	if err := s.endSink(); err != nil {
		return errors.Join(err, next.close())
	}
	s.shell.sink, s.redirected = next, true
	s.out.Reset(next)
	return nil
}

// openSink opens the file or starts the program.
func (s *Session) openSink(r redirection) (*sink, error) {
	if r.kind != repl.ToPipe {
		f, err := openTarget(r)
		return &sink{redirection: r, in: f}, err
	}
	child := exec.Command("/bin/sh", "-c", r.target)
	child.Stdout, child.Stderr = s.Out, s.Err
	in, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	return &sink{redirection: r, in: in, child: child}, err
}

// openTarget opens the file of a redirection to be written.
func openTarget(r redirection) (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if r.kind == repl.AddFile {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	return os.OpenFile(r.target, flags, 0o666)
}

// close ends the file or program. What a program said is its own affair.
func (k *sink) close() error {
	err := k.in.Close()
	if k.child != nil {
		_ = k.child.Wait()
	}
	return err
}

// usualOut is where the data of a command goes that nothing is said about.
func (s *Session) usualOut() io.Writer {
	if s.shell.sink != nil {
		return s.shell.sink
	}
	return s.dataOut()
}

// endSink sends data to the usual place again, what is still to be written to
// where it was to go.
func (s *Session) endSink() error {
	if s.shell.sink == nil {
		return s.out.Flush()
	}
	err := errors.Join(s.out.Flush(), s.shell.sink.close())
	s.shell.sink, s.redirected = nil, false
	s.out.Reset(s.dataOut())
	return err
}

// redirect runs a command with its data going somewhere else, and to where it
// went before again behind it.
func (s *Session) redirect(ctx context.Context, r redirection, run func() error) error {
	if r.kind == repl.ToOutput {
		return run()
	}
	if err := s.otherFiles("| and >"); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	before := s.usualOut()
	sink, redirected := s.shell.sink, s.redirected
	s.shell.sink, s.redirected = nil, true
	defer func() {
		s.out.Reset(before)
		s.shell.sink, s.redirected = sink, redirected
	}()
	if r.kind == repl.ToPipe {
		return s.pipe(ctx, r.target, run)
	}
	f, err := openTarget(r)
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
