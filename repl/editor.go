package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"

	"github.com/chzyer/readline"
)

// ErrInterrupt is returned by an Editor when the line was given up with Ctrl-C.
var ErrInterrupt = errors.New("interrupted")

// An Editor reads lines from a person.
type Editor interface {
	// ReadLine shows the prompt and returns the next line without its end. An
	// editor that shows several lines at once goes on while a quote is open and
	// returns all of them. It returns ErrInterrupt for Ctrl-C, io.EOF for Ctrl-D
	// or the end, and the cause of the context when that is done.
	ReadLine(ctx context.Context, prompt string) (string, error)

	// Ask is ReadLine for an answer that is no command.
	Ask(ctx context.Context, question string) (string, error)

	// Print shows text, whole lines as the terminal is to have them, above the
	// line that is being read, which stays as it is with its cursor. Where none
	// is, the text waits for the next one; Print waits too while much text does,
	// up to the end of the context. It may be called from any goroutine, also
	// while ReadLine runs. After Close it returns os.ErrClosed.
	Print(ctx context.Context, text string) error

	// Remember adds a command, of any number of lines, to the history.
	Remember(command string)

	Close() error
}

// EditorOptions is what NewEditor needs. Only In and Out must be there.
type EditorOptions struct {
	In  *os.File  // the terminal; it stays the caller's
	Out io.Writer // the same terminal

	HistoryFile string // empty: the history ends with the editor
	Colors      bool   // also hints, which without colour look like text
	Vi          bool   // keys are those of vi, see Modal

	// Classify returns what the words of one command are, for their colours.
	// Fewer styles than words leave the rest plain.
	Classify func(words []string) []Style

	// Hint returns what could follow the text, which is a command from its
	// beginning, or nothing.
	Hint func(text string) string

	// Complete returns what finds the words that may stand at the end of the
	// text. That runs in the background, until its context is done.
	Complete func(text string) func(context.Context) Completion

	// Edit lets the person change the text in an editor of his own.
	Edit func(text string) (string, error)
}

// A lineEditor is the Editor for a terminal that moves its cursor. It keeps the
// library's handling of the terminal: raw mode, and the loop that reads keys.
// Everything happens in the goroutine that is in ReadLine; what others have to
// say comes as keyWake.
type lineEditor struct {
	EditorOptions
	in      *input
	term    *readline.Terminal
	raw     *rawMode
	history *history
	screen  screen
	size    func() (width, height int) // of the terminal, in columns and rows

	signals   chan os.Signal
	suspended atomic.Bool   // by suspend, which waits for goesOn
	goesOn    chan struct{} // the process was let go on
	resumed   atomic.Bool   // the same, when something else had stopped it
	found     findings      // what lookups of completions came to
	printed   printed       // what others want to show

	// Of the line being read.
	buffer    buffer
	prompt    string
	prefill   string // what the next line begins with
	fetchedAt int    // the place of prefill in the history, if it is from there
	asking    bool   // for an answer
	typed     []byte // text that is not yet in the buffer
	pasting   bool
	walk      walk    // through the history
	search    *search // or nil
	menu      *menu   // or nil
	looking   lookup
	message   string // shown under the text until the next key
	vi        vi
	lastWord  lastWord // that Alt-. put there
	hinted    string   // of a hint, what may be accepted
	done      bool
	err       error
}

// NewEditor returns the editor for a terminal that moves its cursor. A history
// that cannot be read or written is no error: it ends with the editor. Where
// the system is no Unix it is the plain editor.
func NewEditor(o EditorOptions) (Editor, error) {
	in, err := newInput(int(o.In.Fd()))
	if errors.Is(err, errors.ErrUnsupported) {
		return NewPlainEditor(o.In, o.Out), nil
	}
	if err != nil {
		return nil, err
	}
	e := &lineEditor{EditorOptions: o, in: in, raw: &rawMode{fd: int(o.In.Fd())}, goesOn: make(chan struct{}, 1)}
	e.size, e.screen.out = e.terminalSize, o.Out
	e.vi.on = o.Vi
	e.buffer.goal = -1
	e.history, _ = openHistory(o.HistoryFile)
	e.term, err = readline.NewTerminal(&readline.Config{
		Stdin: in, Stdout: o.Out, Stderr: o.Out,
		FuncMakeRaw: e.raw.enter, FuncExitRaw: e.raw.exit,
		FuncGetWidth: func() int { w, _ := e.size(); return w },
	})
	if err != nil {
		return nil, err
	}
	e.signals = make(chan os.Signal, 4)
	signal.Notify(e.signals, terminalSignals...)
	go e.watchSignals()
	return e, nil
}

// watchSignals brings signals to the goroutine that edits.
func (e *lineEditor) watchSignals() {
	for s := range e.signals {
		switch {
		case isResize(s): // a new width shows when the line is drawn
		case e.suspended.Load():
			select {
			case e.goesOn <- struct{}{}:
			default:
			}
			continue
		default:
			e.resumed.Store(true)
		}
		e.in.notify()
	}
}

// Close gives the terminal back. It is not called while ReadLine runs.
func (e *lineEditor) Close() error {
	e.looking.stop()
	e.printed.close()
	signal.Stop(e.signals)
	close(e.signals)
	e.in.Close()
	// The library's loop has to end before what it reads goes away.
	e.term.KickRead()
	for e.term.ReadRune() != 0 { //nolint:revive // what was typed ahead is not wanted
	}
	return errors.Join(e.term.Close(), e.in.release())
}

func (e *lineEditor) Remember(command string) {
	// A history that cannot be written is still there for this shell.
	_ = e.history.add(command)
}

func (e *lineEditor) ReadLine(ctx context.Context, prompt string) (string, error) {
	return e.read(ctx, prompt, false)
}

func (e *lineEditor) Ask(ctx context.Context, question string) (string, error) {
	return e.read(ctx, question, true)
}

// terminalSize is the size of the terminal in columns and rows; one that does not know its
// own has the usual one.
func (e *lineEditor) terminalSize() (width, height int) {
	width, height, err := readline.GetSize(int(e.In.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// read reads one line.
func (e *lineEditor) read(ctx context.Context, prompt string, asking bool) (string, error) {
	if err := e.term.EnterRawMode(); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { _ = e.term.ExitRawMode() }() // also when something panics
	if err := e.start(prompt, asking); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, e.in.notify)
	defer stop()
	e.proceed()
	for !e.done {
		key := e.term.ReadRune()
		e.handle(key)
		if ctx.Err() != nil && !e.done {
			e.finish(context.Cause(ctx), "")
		}
		if !e.done && endsReading(key) {
			e.proceed()
		}
	}
	e.looking.stop()
	return e.buffer.text, e.err
}

// start begins a line.
func (e *lineEditor) start(prompt string, asking bool) error {
	e.buffer.reset()
	e.prompt, e.asking, e.done, e.err = prompt, asking, false, nil
	if !asking && e.prefill != "" {
		e.buffer.set(e.prefill)
	}
	e.walk, e.lastWord = walk{}, lastWord{}
	if !asking {
		e.fetched()
		e.prefill = ""
	}
	e.vi.begin()
	e.search, e.menu, e.message, e.hinted = nil, nil, "", ""
	e.resumed.Store(false)
	width, _ := e.size()
	if err := e.screen.begin(width, e.Colors); err != nil {
		return err
	}
	e.showPrinted()
	return nil
}

// proceed lets the library read on.
func (e *lineEditor) proceed() {
	e.in.proceed()
	e.term.KickRead()
}

// finish ends the line. The note stands behind its text.
func (e *lineEditor) finish(err error, note string) {
	e.search, e.menu, e.message = nil, nil, ""
	e.buffer.cursor = len(e.buffer.text)
	e.done, e.err = true, err
	e.show(false)
	if writeErr := e.screen.end(note); e.err == nil {
		e.err = writeErr
	}
	if e.err != nil {
		e.buffer.reset()
	}
}

// handle does what a key means.
func (e *lineEditor) handle(key rune) {
	if isText(key) && e.takesText() {
		if e.vi.on && e.search == nil && !e.pasting {
			e.vi.keys = append(e.vi.keys, key)
		}
		e.typed = appendText(e.typed, key)
		return
	}
	if key == keyIdle && e.pasting {
		return
	}
	e.take()
	switch key {
	case 0:
		e.finish(io.EOF, "")
	case keyIdle:
		e.show(true)
	case keyWake:
		e.wakened()
	case keyPaste:
		e.pasting = true
	case keyPasteEnd:
		e.pasting = false
	default:
		e.message = ""
		switch {
		case e.search != nil && e.searchKey(key):
		case e.menu != nil && e.menuKey(key):
		case e.vi.on && e.viKey(key):
		default:
			e.key(key)
		}
	}
	e.viClamp()
}

// take puts what was typed or pasted into the buffer, or into what is searched
// for.
func (e *lineEditor) take() {
	if len(e.typed) == 0 {
		return
	}
	text := string(e.typed)
	e.typed = e.typed[:0]
	e.message = ""
	if e.search != nil {
		e.search.query += strings.ReplaceAll(text, "\n", " ")
		e.seek(len(e.history.entries))
		return
	}
	e.menu = nil
	if e.pasting {
		e.buffer.settle()
	}
	e.buffer.insert(text)
	if e.pasting {
		e.buffer.settle()
	}
}

// wakened does what others asked for.
func (e *lineEditor) wakened() {
	if e.resumed.Swap(false) {
		// Whoever had the terminal meanwhile left it in another state.
		_ = e.term.EnterRawMode()
		e.restart()
	}
	e.showPrinted()
	if f := e.found.take(); f != nil {
		e.complete(f)
	}
}

// restart draws the line anew on a row of its own.
func (e *lineEditor) restart() {
	width, _ := e.size()
	_ = e.screen.begin(width, e.Colors)
}

// key does what a key means that no menu or search had a use for.
func (e *lineEditor) key(key rune) {
	b := &e.buffer
	ok := true
	switch key {
	case readline.CharEnter, readline.CharCtrlJ:
		e.enter()
	case keyRunFetch:
		e.runAndFetch()
	case readline.CharInterrupt:
		e.finish(ErrInterrupt, "^C")
	case readline.CharDelete:
		if b.text == "" {
			e.finish(io.EOF, "")
			return
		}
		b.remove(b.cursor, b.next(b.cursor))
	case readline.CharCtrlZ:
		e.suspend()
	case readline.CharCtrlL:
		_ = e.screen.clear()
	case readline.CharTab:
		ok = e.tab()
	case readline.CharBckSearch:
		ok = e.startSearch()
	case readline.CharPrev, keyPageUp:
		ok = e.older()
	case readline.CharNext, keyPageDown:
		ok = e.newer()
	case keyUp:
		ok = b.vertical(false) || e.older()
	case keyDown:
		ok = b.vertical(true) || e.newer()
	case keyEditLine:
		e.editOutside()
	case keyUndo, keyUnderline:
		ok = b.undo()
	default:
		if !e.moveKey(key) {
			ok = e.changeKey(key)
		}
	}
	if !ok {
		e.ring()
	}
}

// enter runs the line, unless a quote in it is open.
func (e *lineEditor) enter() {
	if !e.asking {
		_, err := Split(nil, e.buffer.text, ShellDoor)
		var syntax *SyntaxError
		if errors.As(err, &syntax) && syntax.Open {
			e.buffer.move(len(e.buffer.text))
			e.buffer.insert("\n")
			e.buffer.settle()
			return
		}
	}
	// The end of a pasted block is no line of its own.
	if text := strings.TrimRight(e.buffer.text, "\n"); text != e.buffer.text {
		e.buffer.set(text)
	}
	e.finish(nil, "")
}
