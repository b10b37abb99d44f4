package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/engine/handler"
	"kvsh/format"
	"kvsh/repl"
)

// Streams is what a session knows of the world outside.
type Streams struct {
	In          io.Reader
	Out, Err    io.Writer
	InTerminal  bool
	OutTerminal bool
	ErrTerminal bool
	Width       func() int                            // columns of the terminal; called only with OutTerminal
	Height      func() int                            // rows of the terminal, or 0; nil: there is no pager
	Getenv      func(string) string                   // the environment
	Editor      func(s *Session) (repl.Editor, error) // reads lines at a terminal
	Ask         func(question string) (string, error) // asks there

	// Signals is what Ctrl-C, SIGTERM and a closed pipe do to the process; nil:
	// that is not for the session to say.
	Signals Signals
}

// door is the way by which a command came in.
type door uint8

const (
	doorProcess door = iota // the arguments of the process
	doorScript              // -c, -f, or a pipe
	doorShell               // the interactive shell
)

// Session is what outlives a line: the streams, the open store, the settings
// and the open transaction. Commands of one session run one after the other.
type Session struct {
	Streams
	set Settings

	door          door
	stdinIsScript bool                                           // so no command may read it
	stdinFile     *os.File                                       // In, if it is one, for programs; else nil
	redirected    bool                                           // the data of this command goes to a file or program
	ownDB         *string                                        // set.DB of the lines, while one runs; else nil
	lineDB        string                                         // that the last line named for itself, if it did
	at            *repl.Position                                 // of the command, when it stands in a script
	ask           func(prompt string) (answer string, err error) // nil: nobody is there to ask

	out  *bufio.Writer // buffers Out
	errs io.Writer     // Err, after out was flushed

	progress *progress // of the command, or of one before; or nil
	pager    *pager    // between the command and the terminal; or nil
	shell    shellSettings

	// running is the context of the process, with its --timeout, for reads of
	// the input: they have no argument for it.
	running context.Context

	store    engine.Store // nil until it is needed
	openedAs openKey      // what store was opened with

	tx     engine.OpenTx // what begin opened, or nil
	atomic bool          // --atomic opened it, so no command may end it
	// damaged says that the shell found the database damaged, and so made
	// itself read-only, see openDamaged.
	damaged bool
	words   []string // of the line of a script, kept to save their space
	// reading is the state for reads that were sent together, see runReads.
	reading engine.Tx
	use     *string // the family that use chose in this line; nil: none

	tabTime time.Duration // that Tab may take for keys; 0: levelsTime

	handlers *handler.Worker // runs handlers; nil until the first call

	jobs jobs // what runs in the background of the shell
}

// openKey is the settings that a store is opened with.
type openKey struct {
	path     string
	readOnly bool
	wait     time.Duration
	writer   string // noted in each record
}

// outBuffer is the size of the buffer before the output, in bytes.
const outBuffer = 64 << 10

// NewSession returns a session with the default settings.
func NewSession(streams Streams) *Session {
	s := &Session{Streams: streams, set: Settings{Mode: "auto", Wait: defaultWait}}
	s.out = bufio.NewWriterSize(s.dataOut(), outBuffer)
	s.errs = &errWriter{s}
	s.running = context.Background()
	s.stdinFile, _ = streams.In.(*os.File)
	s.In = &flushingReader{s, &interruptibleReader{s: s, r: streams.In}}
	if s.InTerminal && s.OutTerminal {
		s.ask = streams.Ask
	}
	return s
}

// errWriter writes remarks and errors after the data that came before them.
type errWriter struct{ s *Session }

func (w *errWriter) Write(p []byte) (int, error) {
	// A failed flush shows at the next write of data.
	_ = w.s.out.Flush()
	if w.s.pager != nil {
		return w.s.pager.remark(p)
	}
	return w.s.progress.above(func() (int, error) { return w.s.Err.Write(p) })
}

// Close ends the session: it discards an open transaction and closes the store.
func (s *Session) Close() error {
	s.endTx()
	err := s.endSink()
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
		s.store = nil
	}
	if s.handlers != nil {
		_ = s.handlers.Close() // it holds nothing that could be lost
	}
	return err
}

// endTx leaves the transaction; what was not committed is discarded.
func (s *Session) endTx() {
	if s.tx != nil {
		s.tx.Rollback()
	}
	s.tx, s.atomic = nil, false
}

// access is what a command wants of the database.
type access uint8

const (
	toRead  access = iota // it must be there
	toWrite               // it is created if it is not there
)

// writer says who writes: the program, and the user as the shell knows him.
func (s *Session) writer() string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := s.Getenv(name); user != "" {
			return "kvsh " + user
		}
	}
	return "kvsh"
}

// open returns the store, opened when it is first needed.
func (s *Session) open(ctx context.Context, want access) (engine.Store, error) {
	if want == toWrite {
		if err := s.mayWrite(); err != nil {
			return nil, err
		}
	}
	key := openKey{path: s.path(), readOnly: s.set.ReadOnly, wait: s.set.Wait, writer: s.writer()}
	if s.store != nil {
		if s.openedAs == key || s.tx != nil || isMemory(key.path) {
			return s.store, nil
		}
		// The settings of this line differ from those of the line before.
		err := s.store.Close()
		s.store = nil
		if err != nil {
			return nil, err
		}
	}
	if want == toWrite {
		if err := s.makeParents(); err != nil {
			return nil, err
		}
	}
	store, err := openStore(ctx, key, want, s.remark)
	if err != nil {
		return nil, err
	}
	s.store, s.openedAs = store, key
	return store, nil
}

// view runs fn on what there is to read: the open transaction, or the newest
// state.
func (s *Session) view(ctx context.Context, fn func(engine.Tx) error) error {
	switch {
	case s.tx != nil:
		return fn(s.family(s.tx))
	case s.reading != nil:
		return fn(s.reading)
	}
	store, err := s.open(ctx, toRead)
	if err != nil {
		return err
	}
	if s.set.Family == "" {
		return store.View(ctx, engine.Newest, fn)
	}
	return store.View(ctx, engine.Newest, func(tx engine.Tx) error { return fn(s.family(tx)) })
}

// family is the transaction in the column family of the settings.
func (s *Session) family(tx engine.Tx) engine.Tx {
	if s.set.Family == "" {
		return tx
	}
	return tx.In(s.set.Family)
}

// begin opens the transaction that later commands are part of. It creates no
// database: the commit does.
func (s *Session) begin(ctx context.Context) error {
	want := toWrite
	if s.set.ReadOnly {
		want = toRead
	}
	store, err := s.open(ctx, want)
	if err != nil {
		return err
	}
	s.tx, err = store.Begin(ctx)
	return err
}

// written is what became of a write.
type written struct {
	rev    engine.Rev // of the commit, or of the state if nothing was written
	queued bool       // in the open transaction
	dry    bool       // nothing was to be written
}

// mayWrite refuses what this session does not write.
func (s *Session) mayWrite() error {
	switch {
	case s.damaged && s.set.ReadOnly:
		return &refusedError{reason: "read-only, since the database is damaged", hint: `"kvsh repair" plans the way out`}
	case s.set.ReadOnly:
		return engine.ErrReadOnly
	case strings.HasPrefix(s.set.Family, "."):
		return &refusedError{
			reason: "the family " + quoted(s.set.Family) + " is the database's own",
			hint:   "it can be read; names that begin with a dot are reserved, and \"kvsh handler\" looks after those that are in use",
		}
	}
	return nil
}

// update runs fn on the open transaction, or as a transaction of its own. An
// error of fn leaves nothing behind; fn may run more than once. It has no
// effect but through the transaction.
func (s *Session) update(ctx context.Context, fn func(engine.Tx) error) (written, error) {
	if err := s.mayWrite(); err != nil {
		return written{}, err
	}
	if s.tx != nil {
		if s.set.DryRun && !s.atomic {
			return written{}, usagef("--dry-run is not for a transaction: rollback discards it")
		}
		staged := &stagedTx{Tx: s.family(s.tx)}
		if err := fn(staged); err != nil {
			if isAnswer(err) {
				err = &goesOnError{err, s.atomic}
			}
			return written{}, err
		}
		return written{queued: true}, staged.apply(ctx)
	}
	if s.set.DryRun {
		return s.rehearse(ctx, fn)
	}
	store, err := s.open(ctx, toWrite)
	if err != nil {
		return written{}, err
	}
	result, err := store.Update(ctx, func(tx engine.Tx) error {
		err := fn(s.family(tx))
		if err == nil {
			s.holdSignals() // what follows is the commit
		}
		return err
	})
	return written{rev: result.Rev}, err
}

// openOrEmpty opens the store to read. Where there is none it is an empty one in
// memory, which holds nothing that would have to be closed.
func (s *Session) openOrEmpty(ctx context.Context) (engine.Store, error) {
	store, err := s.open(ctx, toRead)
	if errors.Is(err, engine.ErrNoDatabase) {
		return engine.NewMem(engine.MemOptions{}), nil
	}
	return store, err
}

// rehearse runs fn as update does and discards what it wrote. It creates
// nothing.
func (s *Session) rehearse(ctx context.Context, fn func(engine.Tx) error) (written, error) {
	store, err := s.openOrEmpty(ctx)
	if err != nil {
		return written{}, err
	}
	tx, err := store.Begin(ctx)
	if err != nil {
		return written{}, err
	}
	defer tx.Rollback()
	return written{rev: tx.Rev(), dry: true}, fn(s.family(tx))
}

// acknowledge says that a write is done.
func (s *Session) acknowledge(w written) error {
	switch {
	case w.dry:
		s.remark("dry run: nothing was written")
	case w.queued:
		if s.OutTerminal && !s.redirected {
			s.remark("queued")
		}
	case s.set.ShowRev:
		return s.number("rev", int64(w.rev))
	case s.OutTerminal && !s.redirected:
		s.remark(fmt.Sprintf("OK rev %d", w.rev))
	}
	return nil
}

// remark says something that is no data.
func (s *Session) remark(text string) {
	if !s.set.Quiet {
		fmt.Fprintln(s.errs, s.copyable(text))
	}
}

// asTyped is a command on the database of this line as it would be typed here: in
// the shell without the name of the program, and elsewhere with the database, if
// that was named.
func (s *Session) asTyped(words string) string { return s.lead() + words }

// lead is what stands before the command in asTyped.
func (s *Session) lead() string {
	db, isOther := s.set.DB, s.lineDB != ""
	switch {
	case isOther: // the line is over, and its error is being told
		db = s.lineDB
	case s.ownDB != nil:
		isOther = db != *s.ownDB
	}
	switch name := format.Word([]byte(db)); {
	case s.door == doorShell && isOther:
		return "-d " + name + " "
	case s.door == doorShell:
		return ""
	case db == "":
		return "kvsh "
	case !namesDatabase(db):
		return "kvsh -d " + name + " "
	default:
		return "kvsh " + name + " "
	}
}

// typedAlone is a command that needs no database, or names one itself, as it
// would be typed here.
func (s *Session) typedAlone(words string) string {
	if s.door == doorShell {
		return words
	}
	return "kvsh " + words
}

// copyable is a text whose commands, written as "kvsh repair", can be copied:
// they stand there as asTyped has them.
func (s *Session) copyable(text string) string {
	const command = "\"kvsh "
	if !strings.Contains(text, command) {
		return text
	}
	for _, own := range []string{"-d ", "inspect ", "help ", "salvage --to NEW.kv "} { // which have what they need
		text = strings.ReplaceAll(text, command+own, "\x00"+own)
	}
	text = strings.ReplaceAll(text, command, "\""+s.lead())
	return strings.ReplaceAll(text, "\x00", "\""+s.typedAlone(""))
}

// report writes an error and its hint, once.
func (s *Session) report(err error) { s.reportAt(err, "") }

// reportAt is report with lines that show the place of the error.
func (s *Session) reportAt(err error, shown string) {
	if isSaid(err) {
		return
	}
	place := ""
	var at *repl.PositionError
	if s.at != nil && !errors.As(err, &at) {
		place = s.at.String() + ": "
	}
	fmt.Fprintf(s.errs, "kvsh: %s%s\n%s", place, message(err), shown)
	if h := hint(err); h != "" {
		fmt.Fprintf(s.errs, "hint: %s\n", s.copyable(h))
	}
}

// confirm asks before something is destroyed. Without somebody to ask, or -y,
// the answer is a refusal.
func (s *Session) confirm(what string) error {
	if s.set.Yes || s.set.DryRun {
		return nil
	}
	if s.ask == nil {
		return &refusedError{reason: "needs -y to " + what, hint: "--dry-run shows what would happen"}
	}
	s.ownsTerminal() // the question stands behind what was printed
	answer, err := s.ask(format.Safe(what) + "? [y/N] ")
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, repl.ErrInterrupt) {
		return err
	}
	if isYes(answer) {
		return nil
	}
	return &refusedError{reason: "not done"}
}

// isYes reports whether a person agreed.
func isYes(answer string) bool { return answer == "y" || answer == "Y" || answer == "yes" }

// otherPath refuses, under --safe, a path that is not the database or in it.
func (s *Session) otherPath(what, path string) error {
	own, err := filepath.Rel(s.path(), path)
	if err == nil && filepath.IsLocal(own) {
		return nil
	}
	return s.otherFiles(what + " " + quoted(path))
}

// otherFiles refuses what --safe forbids.
func (s *Session) otherFiles(what string) error {
	if s.set.Safe {
		return &refusedError{reason: what + ": refused by --safe"}
	}
	return nil
}
