package cmd

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "seed of the test against a model; 0 takes one from the clock")
	modelRuns = flag.Int("model.runs", 15, "runs of the test against a model")
)

// modelLength is the commands of one run.
const modelLength = 250

// Whatever commands do, in one process or several, in transactions, with
// folding and merging and undo: the database answers as a map does that keeps
// every state.
func TestCommandsAgainstModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (again: -run '^%s$' -model.seed %d)", seed, t.Name(), seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var commands, revs int
	for range *modelRuns {
		var run []modelCommand
		for n := range modelLength {
			run = append(run, drawCommand(r, n/3))
		}
		did, err := tryModel(t, run)
		if err != nil {
			run, err = shrinkModel(t, run, err)
			t.Fatalf("%v\nafter these commands:\n%s", err, modelScript(run))
		}
		commands += did.commands
		revs += did.revs
	}
	t.Logf("%d runs, %d commands, %d revisions", *modelRuns, commands, revs)
}

// A failing run shrinks to the commands that fail.
func TestModelShrinks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	var run []modelCommand
	for n := range 60 {
		run = append(run, drawCommand(r, n/3))
	}
	wrong := modelCommand{words: []string{"--cf", "drafts", "exists", "nowhere"}, data: "wrong"}
	run = slices.Insert(run, 40, wrong)
	// The run fails where that command stands behind a write of any kind.
	fails := func(run []modelCommand) error {
		at := slices.IndexFunc(run, func(c modelCommand) bool { return c.data == wrong.data })
		if at < 0 || !slices.ContainsFunc(run[:at], func(c modelCommand) bool { return len(c.words) > 0 && c.words[0] == "set" }) {
			return nil
		}
		return errors.New("wrong")
	}
	if got, _ := shrink(run, fails(run), fails); len(got) != 2 {
		t.Errorf("%d commands shrank to %d, want 2:\n%s", len(run), len(got), modelScript(got))
	}
}

// shrinkModel takes commands out of a failing run as long as it still fails.
func shrinkModel(t *testing.T, run []modelCommand, err error) ([]modelCommand, error) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	return shrink(run, err, func(run []modelCommand) error {
		if time.Now().After(until) {
			return nil // what is left is short enough
		}
		_, err := tryModel(t, run)
		return err
	})
}

// shrink is delta debugging: it takes out pieces of half the length, then of
// half of that, down to single commands, as long as what is left fails. It
// returns that and its error.
func shrink(run []modelCommand, err error, fails func([]modelCommand) error) ([]modelCommand, error) {
	for size := max(len(run)/2, 1); ; {
		smaller := false
		for at := 0; at < len(run); {
			less := slices.Concat(run[:at], run[min(at+size, len(run)):])
			if e := fails(less); e != nil {
				run, err, smaller = less, e, true
			} else {
				at += size
			}
		}
		switch {
		case size > 1:
			size /= 2
		case !smaller:
			return run, err
		}
	}
}

// modelScript is a run as a script of kvsh.
func modelScript(run []modelCommand) string {
	var b strings.Builder
	for _, c := range run {
		switch {
		case c.restart:
			b.WriteString("# another process goes on\n")
			continue
		case c.clock > 0:
			fmt.Fprintf(&b, "# %v later\n", c.clock)
			continue
		case c.data != "":
			fmt.Fprintf(&b, "# the file holds %.200q\n", c.data)
		}
		words := make([]string, len(c.words))
		for i, w := range c.words {
			words[i] = w
			if strings.Trim(w, "-abcdefghijklmnopqrstuvwxyz") != "" || w == "" {
				words[i] = format.Word([]byte(w))
			}
		}
		b.WriteString(strings.Join(words, " ") + "\n")
	}
	return b.String()
}

// A modelRun is a database and a model that do the same.
type modelRun struct {
	t        *testing.T
	m        *model
	dir      string
	s        *Session
	out      bytes.Buffer
	errs     bytes.Buffer
	files    int
	commands int
	revs     int
}

// tryModel runs commands on a new database and a new model, and returns the
// first difference.
func tryModel(t *testing.T, run []modelCommand) (*modelRun, error) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := &modelRun{t: t, m: newModel(), dir: dir}
	r.session(filepath.Join(dir, "t.kv"), true)
	defer func() { _ = r.s.Close() }()
	for i, c := range run {
		if err := r.step(c); err != nil {
			return r, fmt.Errorf("command %d, %s: %w\nstderr: %s", i+1, strings.TrimSpace(modelScript(run[i:i+1])), err, r.errs.String())
		}
	}
	return r, r.end()
}

// session begins a session as another process would.
func (r *modelRun) session(path string, create bool) {
	r.t.Helper()
	r.s = NewSession(Streams{In: strings.NewReader(""), Out: &r.out, Err: &r.errs, Getenv: func(string) string { return "" }})
	r.s.set.DB, r.s.door = path, doorScript
	var store engine.Store
	var err error
	ctx := r.t.Context()
	if strings.HasSuffix(path, ".kvs") {
		return
	}
	store, err = engine.Open(ctx, path, engine.Options{Create: create, Now: func() time.Time { return time.UnixMilli(r.m.now) }})
	if err != nil {
		r.t.Fatal(err)
	}
	// The session takes a store that is open already, and so the clock of this one.
	r.s.store = store
	r.s.openedAs = openKey{path: r.s.path(), wait: r.s.set.Wait, writer: r.s.writer()}
	if !r.s.fast(r.t) {
		r.t.Fatal("the setting sync was not made")
	}
}

// fast lets the session not wait for the disk: no power is lost here.
func (s *Session) fast(t *testing.T) bool {
	db, ok := s.store.(configurer)
	return ok && (db.SetSetting(t.Context(), "sync", "never") == nil)
}

// step does one command on both sides and compares.
func (r *modelRun) step(c modelCommand) error {
	if slices.Contains(c.words, modelFile) {
		c.words = slices.Clone(c.words)
		r.files++
		name := filepath.Join(r.dir, fmt.Sprintf("%d.kvs", r.files))
		if c.data != "" {
			name = filepath.Join(r.dir, "import.tsv")
			if err := os.WriteFile(name, []byte(c.data), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
		c.words[slices.Index(c.words, modelFile)] = name
	}
	want, defined := r.m.apply(c)
	if !defined {
		return nil
	}
	if c.restart {
		if err := r.s.Close(); err != nil {
			return err
		}
		r.session(filepath.Join(r.dir, "t.kv"), true)
		return r.compare()
	}
	if len(c.words) == 0 {
		return r.compare()
	}
	r.commands++
	r.out.Reset()
	r.errs.Reset()
	err := r.s.runLine(r.t.Context(), c.words)
	if e := r.s.out.Flush(); e != nil {
		return e
	}
	out := r.out.String()
	if slices.Contains(c.words, "history") {
		out = firstColumn(out)
	}
	if code := exitCode(err); code != want.code || !want.any && out != want.out {
		return fmt.Errorf("exit %d, printed %.300q, want exit %d, %.300q (%v)", code, out, want.code, want.out, err)
	}
	return r.compare()
}

// firstColumn is the text before the first tab of each line.
func firstColumn(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		column, _, _ := strings.Cut(line, "\t")
		b.WriteString(column + "\n")
	}
	return b.String()
}

// compare compares all there is to read now with the model.
func (r *modelRun) compare() error {
	var got modelState
	rev := engine.Rev(0)
	read := func(tx engine.Tx) (err error) {
		rev = tx.Rev()
		got, err = readState(r.t, tx)
		return err
	}
	var err error
	if r.s.tx != nil {
		// A look at all keys would make any change of others a conflict; there
		// are no others here.
		err = read(r.s.tx)
	} else {
		err = r.s.store.View(r.t.Context(), engine.Newest, read)
	}
	if err != nil {
		return err
	}
	if int(rev) != r.m.newest() {
		return fmt.Errorf("the newest revision is %d, want %d", rev, r.m.newest())
	}
	return r.differs(got, r.m.state(), r.m.now, r.m.open == nil)
}

// differs compares what was read at a moment with a state of the model.
func (r *modelRun) differs(got, want modelState, now int64, revs bool) error {
	live := modelState{}
	for k := range want {
		if v, ok := want.get(k, now); ok {
			live[k] = v
		}
	}
	if !revs {
		for _, s := range []modelState{got, live} {
			for k, v := range s {
				v.rev = 0
				s[k] = v
			}
		}
	}
	if maps.Equal(got, live) {
		return nil
	}
	for k := range got {
		if got[k] != live[k] {
			return fmt.Errorf("key %q of %q is %.100v, want %.100v", k.key, k.family, got[k], live[k])
		}
	}
	for k := range live {
		if _, ok := got[k]; !ok {
			return fmt.Errorf("key %q of %q is not there, want %.100v", k.key, k.family, live[k])
		}
	}
	return nil
}

// readState reads every key of every family.
func readState(t *testing.T, tx engine.Tx) (modelState, error) {
	names, err := tx.Families(t.Context())
	if err != nil {
		return nil, err
	}
	s := modelState{}
	for _, family := range append(names, "") {
		for e, err := range tx.In(family).Scan(t.Context(), engine.Range{}) {
			if err != nil {
				return nil, err
			}
			v := modelVersion{value: string(e.Value), rev: int(e.Rev)}
			if !e.Expires.IsZero() {
				v.expires = e.Expires.UnixMilli()
			}
			s[modelKey{family, e.Key}] = v
		}
	}
	return s, nil
}

// end checks, when all commands were run, every state of the past, every
// snapshot, and that what is exported in each format is imported the same.
func (r *modelRun) end() error {
	r.m.open = nil
	r.s.endTx()
	r.m.family = ""
	r.revs = r.m.newest()
	for rev := 1; rev <= r.m.newest(); rev++ {
		if err := r.past(rev); err != nil {
			return fmt.Errorf("at revision %d: %w", rev, err)
		}
	}
	for name, rev := range r.m.saved {
		db, err := engine.Open(r.t.Context(), name, engine.Options{ReadOnly: true, Now: func() time.Time { return time.UnixMilli(r.m.now) }})
		if err != nil {
			return err
		}
		err = db.View(r.t.Context(), engine.Newest, func(tx engine.Tx) error {
			got, err := readState(r.t, tx)
			return errors.Join(err, r.differs(got, r.m.revs[rev].state, r.m.now, true))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return fmt.Errorf("a snapshot of revision %d: %w", rev, err)
		}
	}
	for _, f := range []string{"jsonl", "json", "kvsh", "csv", "dump"} {
		if err := r.roundTrip(f); err != nil {
			return fmt.Errorf("export and import as %s: %w", f, err)
		}
	}
	return nil
}

// past compares the state of a revision.
func (r *modelRun) past(rev int) error {
	return r.s.store.View(r.t.Context(), engine.Rev(rev), func(tx engine.Tx) error {
		got, err := readState(r.t, tx)
		if err != nil {
			return err
		}
		return r.differs(got, r.m.revs[rev].state, r.m.revs[rev].time, true)
	})
}

// roundTrip exports the default family, which every format has, without what
// expires, which some have not, and imports it into an empty database.
func (r *modelRun) roundTrip(name string) error {
	if r.m.newest() == 0 {
		return nil
	}
	want := modelState{}
	for k := range r.m.state() {
		if v, ok := r.m.state().get(k, r.m.now); ok && k.family == "" {
			v.rev = 0
			if v.expires != 0 {
				return nil
			}
			want[k] = v
		}
	}
	code, out, errs := 0, "", ""
	r.out.Reset()
	if err := r.s.runLine(r.t.Context(), []string{"--cf", "", "export", "--format", name}); err != nil {
		return err
	}
	if err := r.s.out.Flush(); err != nil {
		return err
	}
	path := filepath.Join(r.dir, name+".kv")
	if code, out, errs = invoke(r.t, r.out.String(), "-d", path, "import", "--format", name, "-"); code != exitYes {
		return fmt.Errorf("exit %d: %s%s", code, out, errs)
	}
	db, err := engine.Open(r.t.Context(), path, engine.Options{ReadOnly: true})
	if errors.Is(err, engine.ErrNoDatabase) && len(want) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(r.t.Context(), engine.Newest, func(tx engine.Tx) error {
		got, err := readState(r.t, tx)
		if err != nil {
			return err
		}
		return r.differs(got, want, r.m.now, false)
	})
}
