package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/chzyer/readline"
)

// ErrInterrupt is returned by an Editor when the line was given up with Ctrl-C.
var ErrInterrupt = errors.New("interrupted")

// An Editor reads lines from a person.
type Editor interface {
	// ReadLine shows the prompt and returns the next line without its end.
	// It returns ErrInterrupt for Ctrl-C and io.EOF for Ctrl-D or the end.
	ReadLine(prompt string) (string, error)

	// Remember adds a command, of any number of lines, to the history.
	Remember(command string)

	Close() error
}

// NewEditor returns the editor for a terminal that moves its cursor. The
// history is kept in a file, or nowhere if the name is empty. complete returns
// the words that may stand at the end of a line; it may be nil.
func NewEditor(in io.ReadCloser, out io.Writer, historyFile string, complete func(line string) []string) (Editor, error) {
	c := &readline.Config{
		Stdin:                  in,
		Stdout:                 out,
		Stderr:                 out,
		HistoryFile:            historyFile,
		DisableAutoSaveHistory: true,
		HistorySearchFold:      true,
	}
	if complete != nil {
		c.AutoComplete = completer(complete)
	}
	r, err := readline.NewEx(c)
	if err != nil {
		return nil, err
	}
	return &terminalEditor{r}, nil
}

type terminalEditor struct{ r *readline.Instance }

func (e *terminalEditor) ReadLine(prompt string) (string, error) {
	e.r.SetPrompt(prompt)
	line, err := e.r.Readline()
	if errors.Is(err, readline.ErrInterrupt) {
		return "", ErrInterrupt
	}
	return line, err
}

func (e *terminalEditor) Remember(command string) {
	// The file has a line per entry; a newline in quotes is a blank there.
	_ = e.r.SaveHistory(strings.ReplaceAll(command, "\n", " "))
}

func (e *terminalEditor) Close() error { return e.r.Close() }

// completer brings candidates into the form of the library: what is still to
// be typed of each, and how much of it stands there already.
type completer func(line string) []string

func (c completer) Do(line []rune, pos int) ([][]rune, int) {
	before := string(line[:pos])
	word := before[strings.LastIndexAny(before, " \t;")+1:]
	var rest [][]rune
	for _, candidate := range c(before) {
		if tail, ok := strings.CutPrefix(candidate, word); ok {
			rest = append(rest, []rune(tail+" "))
		}
	}
	return rest, len([]rune(word))
}

// NewPlainEditor returns the editor for a terminal that cannot move its cursor:
// it writes the prompt, reads a line, and sends no escape codes.
func NewPlainEditor(in io.Reader, out io.Writer) Editor {
	return &plainEditor{in: bufio.NewReader(in), out: out}
}

type plainEditor struct {
	in  *bufio.Reader
	out io.Writer
}

func (e *plainEditor) ReadLine(prompt string) (string, error) {
	if _, err := io.WriteString(e.out, prompt); err != nil {
		return "", err
	}
	line, err := e.in.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil // the last line has no newline
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

func (e *plainEditor) Remember(string) {}

func (e *plainEditor) Close() error { return nil }

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

// Run reads lines and runs their commands until Do ends it or the input does.
// Text in an open quote goes on with the next line under a prompt of its own;
// Ctrl-C there, as on any line, gives up what was typed.
func (s *Shell) Run() error {
	var text string // of the command so far
	for {
		prompt := s.Prompt()
		if text != "" {
			prompt = continuation(prompt)
		}
		line, err := s.Editor.ReadLine(prompt)
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

// continuation is a prompt as wide as the usual one that shows the line goes on.
func continuation(prompt string) string {
	const mark = "… "
	if n := len([]rune(prompt)) - 2; n > 0 {
		return strings.Repeat(" ", n) + mark
	}
	return mark
}
