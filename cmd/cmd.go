package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"kvsh/engine"
	"kvsh/format"
	"kvsh/repl"
)

// The exit codes, which are part of the contract of kvsh.
const (
	exitYes         = 0
	exitNo          = 1   // key not found, condition false, conflict, nothing matched
	exitUsage       = 2   // bad arguments, script errors
	exitIO          = 3   // cannot open, no permission, no space, outcome unknown
	exitDamaged     = 4   // corruption
	exitBusy        = 5   // the lock was not had in time
	exitRefused     = 6   // read-only, needs -y, target exists
	exitBadInput    = 7   // data to be read is not what it should be
	exitTimeout     = 124 // --timeout
	exitInterrupted = 130 // Ctrl-C
	exitClosedPipe  = 141 // nobody reads the output any more
	exitTerminated  = 143 // SIGTERM
)

// errNo is the answer "no" of which nothing is left to be said.
var errNo = errors.New("no")

// errTerminated is why the context ends when the process is asked to end.
var errTerminated = errors.New("terminated")

// A noError is an answer "no" that is not an engine error: exit code 1, and a
// script goes on.
type noError struct{ reason string }

func (e *noError) Error() string { return e.reason }

func answerNo(f string, args ...any) error { return &noError{fmt.Sprintf(f, args...)} }

// A goesOnError is an answer "no" of a command within a transaction, which does
// not end that: what else is queued is still committed.
type goesOnError struct {
	error
	atomic bool // the transaction is that of --atomic, which only an error ends
}

func (e *goesOnError) Unwrap() error { return e.error }

// A usageError is a command that cannot be understood.
type usageError struct {
	reason string
	hint   string // may be empty
	word   string // the word that is wrong, as it was given; may be empty
}

func (e *usageError) Error() string { return e.reason }

func usagef(f string, args ...any) error { return &usageError{reason: fmt.Sprintf(f, args...)} }

// A refusedError is a command that is understood and not carried out.
type refusedError struct {
	reason string
	hint   string // may be empty
}

func (e *refusedError) Error() string { return e.reason }

// A dataError is data that was read well and that the database does not take.
type dataError struct {
	name string // of the file; empty: stdin
	err  error
}

func (e *dataError) Error() string { return cmp.Or(e.name, "stdin") + ": " + e.err.Error() }

func (e *dataError) Unwrap() error { return e.err }

// A missingError says that there is no database where one was to be read.
type missingError struct{ path string }

func (e *missingError) Error() string { return "no database at " + e.path }

func (e *missingError) Unwrap() error { return engine.ErrNoDatabase }

// A damagedError is damage that is said in other words than those of the first
// bad place.
type damagedError struct{ reason, hint string }

func (e *damagedError) Error() string { return e.reason }

func (e *damagedError) Unwrap() error { return engine.ErrDamaged }

// A fileError is what is wrong with a database that is a single file, as a
// snapshot is: it is named once, by the path that it was found at.
type fileError struct {
	path   string
	reason string
	err    error
}

func (e *fileError) Error() string { return e.path + ": " + e.reason }

func (e *fileError) Unwrap() error { return e.err }

// ofFile is an error about what stands at a path. One that begins with the last
// part of the path, as those about single files do, has the path in its place.
func ofFile(path string, err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if reason, ok := strings.CutPrefix(e.Error(), filepath.Base(path)+": "); ok {
			return &fileError{path, reason, e}
		}
	}
	return err
}

// ofCommand says which command an error is of, unless it says so itself.
func ofCommand(command string, err error) error {
	if strings.HasPrefix(err.Error(), command+" ") {
		return err
	}
	return fmt.Errorf("%s: %w", command, err)
}

// holdsOthers reports whether a path is a directory with something in it.
func holdsOthers(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) > 0
}

// salvageFile is the hint about a damaged file.
func salvageFile(path string) string {
	return fmt.Sprintf(`"kvsh salvage --to NEW.kv %s" collects what is whole of it; another snapshot may be whole`, format.Word([]byte(path)))
}

// classCodes are the exit codes of the classes of engine errors.
func classCode(c engine.Class) int {
	switch c {
	case engine.ClassNotFound, engine.ClassConflict, engine.ClassHistoryGone:
		return exitNo
	case engine.ClassInvalid, engine.ClassTooLarge:
		return exitUsage
	case engine.ClassDamaged:
		return exitDamaged
	case engine.ClassBusy:
		return exitBusy
	case engine.ClassRefused, engine.ClassUnsupported:
		return exitRefused
	case engine.ClassCancelled:
		return exitInterrupted
	}
	return exitIO
}

// exitCode is the exit code of an error.
func exitCode(err error) int {
	var (
		no      *noError
		usage   *usageError
		syntax  *repl.SyntaxError
		refused *refusedError
		input   *format.InputError
		program *childError
		data    *dataError
	)
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &program):
		return program.code
	case errors.Is(err, syscall.EPIPE):
		return exitClosedPipe
	case errors.Is(err, engine.ErrUnknownOutcome):
		return exitIO // whatever else the error says, this is what the caller must know
	case errors.Is(err, errTerminated):
		return exitTerminated
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, errNo), errors.As(err, &no):
		return exitNo
	case errors.As(err, &usage), errors.As(err, &syntax), errors.Is(err, format.ErrFormat):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &input) && input.Err == nil, errors.As(err, &data), errors.Is(err, format.ErrNUL), errors.Is(err, format.ErrEnvName),
		errors.Is(err, format.ErrNotHeld), errors.Is(err, engine.ErrForeign):
		return exitBadInput
	case errors.Is(err, engine.ErrNoDatabase):
		return exitIO
	}
	return classCode(engine.ClassOf(err))
}

// isAnswer reports whether an error is a "no", at which a script goes on.
func isAnswer(err error) bool { return exitCode(err) == exitNo }

// isSaid reports whether nothing is to be written about an error.
func isSaid(err error) bool {
	var (
		said    *saidError
		program *childError
	)
	return errors.Is(err, errNo) || errors.As(err, &said) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &program) && program.err == nil
}

// message is what is written about an error, without the name of the program.
func message(err error) string {
	switch {
	case errors.Is(err, errTerminated):
		return "terminated"
	case errors.Is(err, context.Canceled) && !errors.Is(err, engine.ErrUnknownOutcome):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, engine.ErrUnknownOutcome):
		return strings.Replace(err.Error(), context.DeadlineExceeded.Error(), "time is up", 1)
	}
	return format.Safe(err.Error())
}

// hint is what could help after an error, or nothing.
func hint(err error) string {
	var (
		usage   *usageError
		refused *refusedError
		missing *missingError
		absent  *noHandlerError
		damaged *damagedError
		file    *fileError
		syntax  *repl.SyntaxError
		goesOn  *goesOnError
		hinted  *hintedError
	)
	switch {
	case errors.As(err, &hinted):
		return hinted.hint
	case errors.As(err, &goesOn) && goesOn.atomic:
		return "the transaction goes on without this write"
	case errors.As(err, &goesOn):
		return "the transaction goes on without this write; \"rollback\" discards the others too"
	case errors.As(err, &syntax) && syntax.ShellOnly != "":
		return "quote it to mean the word: '" + syntax.ShellOnly + "'"
	case errors.As(err, &absent):
		return `"kvsh handler ls" lists them, and "kvsh handler add" stores one`
	case errors.As(err, &usage):
		return usage.hint
	case errors.As(err, &damaged):
		return damaged.hint
	case errors.As(err, &refused):
		return refused.hint
	case errors.As(err, &file) && errors.Is(err, engine.ErrDamaged):
		return salvageFile(file.path)
	case errors.As(err, &missing) && holdsOthers(missing.path):
		return "other files are in that directory, and no database is made among them"
	case errors.As(err, &missing):
		return fmt.Sprintf(`the first write creates it, and so does "kvsh -d %s init"`, format.Word([]byte(missing.path)))
	case errors.Is(err, engine.ErrUnknownOutcome):
		return "look before trying again: the write may be there"
	case errors.Is(err, engine.ErrConflict):
		return "nothing was written; run the transaction again"
	case errors.Is(err, engine.ErrYounger):
		return "" // nothing that could be kept longer
	case errors.Is(err, engine.ErrHistoryGone):
		return `"kvsh config history.keep" says how long history is kept`
	case errors.Is(err, engine.ErrDamaged):
		return `"kvsh check" shows what is affected; "kvsh repair" plans the way out; --at N reads the state before the damage`
	case errors.Is(err, engine.ErrBusy):
		return "--wait 30s waits longer"
	case errors.Is(err, engine.ErrNewer):
		return "this database needs a newer kvsh; this one changed nothing"
	case errors.Is(err, engine.ErrTooLarge) && strings.Contains(err.Error(), "transaction"):
		return `"kvsh import" takes any amount in one transaction`
	case errors.Is(err, fs.ErrPermission):
		return "reading needs read permission on the whole directory, writing also write permission"
	}
	return ""
}

// named says which command and key an error concerns, unless it says so itself.
func named(command, key string, err error) error {
	if !strings.HasPrefix(err.Error(), command+" ") {
		err = fmt.Errorf("%s %s: %w", command, quoted(key), err)
	}
	if !strings.ContainsAny(key, "*?[") || !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	switch command { // a key is taken as it stands, though it looks like a pattern
	case "get":
		return &hintedError{err, `"kvsh list -v ` + format.Word([]byte(key)) + `" shows the keys that a pattern picks`}
	case "del":
		return &hintedError{err, `"kvsh clear ` + format.Word([]byte(key)) + `" deletes the keys that a pattern picks`}
	}
	return err
}

// A hintedError is an error with a hint of its own.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

// quoted is a word as it stands in a message: a long one by its beginning, so
// that what is wrong with it can be seen.
func quoted(word string) string {
	if len(word) <= mostShown {
		return strconv.Quote(word)
	}
	return strconv.Quote(word[:mostShown]) + "…"
}

// mostShown is how much of a word of the user stands in a message, in bytes.
const mostShown = 64

// shortened is a word as it stands in a message without quotes.
func shortened(word string) string {
	if len(word) <= mostShown {
		return word
	}
	return word[:mostShown] + "…"
}

// isConflict reports whether an error is a transaction that was lost.
func isConflict(err error) bool { return engine.ClassOf(err) == engine.ClassConflict }

// A saidError is an error that was reported already.
type saidError struct{ err error }

func (e *saidError) Error() string { return e.err.Error() }

func (e *saidError) Unwrap() error { return e.err }
