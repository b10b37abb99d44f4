package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// importOptions are the flags of import.
type importOptions struct {
	format      string
	onConflict  string
	addPrefix   string
	stripPrefix string
	skip        bool // data of types that are no strings

	// family takes all records, whichever they name; empty: the one they name.
	// It is noted before the first is read: meanwhile the setting is another.
	family string
}

func newImport(s *Session) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Read keys and values from a file, all or nothing",
		Long: `Reads a file, or stdin, and writes its keys in one transaction, or nothing if
there is anything wrong with it. Formats: jsonl, json, csv, tsv, kvsh, nul, env,
dump (Berkeley DB and LMDB), resp (Redis, also its append-only files), rdb
(Redis dumps), all of them also compressed; the name or the content says which,
or --format. A dry run counts a key that stands twice in the file twice.`,
		Example:     "kvsh import users.jsonl\nkvsh import --format csv --add-prefix user: users.csv",
		Args:        operands(0, 1),
		Annotations: exits("0, 6 a key is there and --on-conflict fail, 7 bad data: nothing is written"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.importFile(c, args, o); err != nil {
				return fmt.Errorf("import: %w", err)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "the format `F`")
	f.StringVar(&o.onConflict, "on-conflict", "replace", "keys that are there: replace, keep or fail")
	f.StringVar(&o.addPrefix, "add-prefix", "", "put `P` before each key")
	f.StringVar(&o.stripPrefix, "strip-prefix", "", "take `P` off each key that begins with it")
	f.BoolVar(&o.skip, "skip-unsupported", false, "of Redis files: leave out lists, sets and the like, and say how many")
	s.set.bindRev(c)
	return c
}

func (s *Session) importFile(c *cobra.Command, args []string, o importOptions) error {
	on, err := conflictRule(o.onConflict)
	if err != nil {
		return err
	}
	defer limitMemory(importMemory)()
	start := time.Now()
	name, in, file := "stdin", s.In, s.stdinFile
	switch {
	case len(args) > 0 && args[0] != "-":
		name = args[0]
		if err := s.otherFiles("reading " + name); err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in, file = f, f
	case s.stdinIsScript, s.door == doorShell, s.InTerminal:
		return usageOf(c, "FILE is missing")
	}
	p := s.startProgress("import")
	defer p.end()
	x, closeInput, err := s.importer(name, p.reading(in, file), o)
	if err != nil {
		return err
	}
	defer closeInput()
	o.family = s.set.Family
	items := func(yield func(engine.Item, error) bool) {
		for r, err := range x.Records() {
			if !yield(o.item(r), err) || err != nil {
				return
			}
		}
	}
	result, w, err := s.load(p.context(c.Context()), items, on)
	p.end()
	if errors.Is(err, engine.ErrTooLarge) {
		return &dataError{name, err} // a record that no command would take either
	}
	if err != nil {
		return err
	}
	for _, skipped := range x.Skipped() {
		s.remark(fmt.Sprintf("%s: %d left out", skipped.Name, skipped.Count))
	}
	return s.imported(result, w, time.Since(start))
}

// importMemory is what an import keeps to, in bytes, of the 256 MiB that it may
// take. Sorting takes 160 MiB of it, a record of the largest size the rest: so
// garbage has to be collected sooner than when there is as much of it as data.
const importMemory = 224 << 20

// limitMemory has garbage collected before the process takes more memory, unless
// the environment sets a lower limit, and returns what ends that.
func limitMemory(limit int64) (end func()) {
	old := debug.SetMemoryLimit(-1)
	if old <= limit {
		return func() {}
	}
	debug.SetMemoryLimit(limit)
	return func() { debug.SetMemoryLimit(old) }
}

func conflictRule(name string) (engine.OnConflict, error) {
	switch name {
	case "replace":
		return engine.Replace, nil
	case "keep":
		return engine.Keep, nil
	case "fail":
		return engine.Fail, nil
	}
	return 0, &usageError{reason: fmt.Sprintf("--on-conflict: unknown rule %s", quoted(name)), hint: "rules are replace, keep, fail"}
}

// importer opens what a file holds.
func (s *Session) importer(name string, in io.Reader, o importOptions) (format.Importer, func() error, error) {
	raw := bufio.NewReaderSize(in, format.DetectSize)
	head, err := raw.Peek(format.DetectSize)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	f, z, err := format.Detect(name, head)
	if o.format != "" {
		f, err = parseFormat(o.format)
	}
	if err != nil {
		return nil, nil, err
	}
	plain := format.NewDecompressor(raw, z)
	x := format.NewImporter(plain, f, format.ImportOptions{Name: name, SkipUnsupported: o.skip})
	return x, plain.Close, nil
}

// item is a record as it is written to the database.
func (o *importOptions) item(r format.Record) engine.Item {
	key := r.Key
	if o.stripPrefix != "" {
		key = bytes.TrimPrefix(key, []byte(o.stripPrefix))
	}
	if o.addPrefix != "" {
		key = append([]byte(o.addPrefix), key...)
	}
	family := r.Family
	if o.family != "" {
		family = o.family
	}
	return engine.Item{Family: family, Key: key, Value: r.Value, Expires: r.Expires, Delete: r.Delete}
}

// load writes the items: by the engine's own way for any amount, or into the
// open transaction.
func (s *Session) load(ctx context.Context, items iter.Seq2[engine.Item, error], on engine.OnConflict) (engine.LoadResult, written, error) {
	if s.tx == nil && !s.set.DryRun {
		store, err := s.open(ctx, toWrite)
		if err != nil {
			return engine.LoadResult{}, written{}, err
		}
		result, err := store.Load(ctx, items, on)
		return result, written{rev: result.Rev}, err
	}
	var result engine.LoadResult
	if s.tx == nil {
		err := s.rehearseLoad(ctx, items, on, &result)
		return result, written{dry: true}, err
	}
	family := s.set.Family
	s.set.Family = "" // the items name theirs
	defer func() { s.set.Family = family }()
	w, err := s.update(ctx, func(tx engine.Tx) error {
		result = engine.LoadResult{}
		for item, err := range items {
			if err != nil {
				return err
			}
			if err := loadOne(ctx, tx, item, on, &result, true); err != nil {
				return err
			}
		}
		return nil
	})
	return result, w, err
}

// rehearseLoad counts what a load would do, in bounded memory.
func (s *Session) rehearseLoad(ctx context.Context, items iter.Seq2[engine.Item, error], on engine.OnConflict, result *engine.LoadResult) error {
	store, err := s.openOrEmpty(ctx)
	if err != nil {
		return err
	}
	return store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		for item, err := range items {
			if err != nil {
				return err
			}
			if err := loadOne(ctx, tx, item, on, result, false); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadOne counts one item and, if it is to be written, writes it.
func loadOne(ctx context.Context, tx engine.Tx, item engine.Item, on engine.OnConflict, result *engine.LoadResult, write bool) error {
	if item.Family != "" {
		tx = tx.In(item.Family)
	}
	key := string(item.Key)
	old, err := tx.Get(ctx, key)
	switch {
	case errors.Is(err, engine.ErrNotFound) && item.Delete:
		return nil
	case errors.Is(err, engine.ErrNotFound):
		result.Added++
	case err != nil:
		return err
	case on == engine.Fail:
		return fmt.Errorf("%s: %w", quoted(key), engine.ErrExists)
	case on == engine.Keep:
		result.Kept++
		return nil
	case item.Delete:
		result.Deleted++
	case bytes.Equal(old.Value, item.Value) && sameMoment(old.Expires, item.Expires):
		result.Same++
		return nil
	default:
		result.Changed++
	}
	if !write {
		return nil
	}
	if item.Delete {
		return tx.Delete(ctx, key)
	}
	// The item's bytes hold only until the next one.
	return put(ctx, tx, engine.Entry{Key: key, Value: bytes.Clone(item.Value), Expires: item.Expires})
}

// sameMoment compares expiries as they are kept, to the millisecond.
func sameMoment(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return a.IsZero() == b.IsZero()
	}
	return a.UnixMilli() == b.UnixMilli()
}

// imported says what an import did, and to people how long it took if they
// could notice.
func (s *Session) imported(r engine.LoadResult, w written, took time.Duration) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	if isRecordMode(m) {
		columns := make([]format.Column, 0, 5)
		for _, name := range []string{"added", "changed", "same", "kept", "deleted"} {
			columns = append(columns, format.Column{Name: name, Kind: format.Int})
		}
		if err := s.row(columns, r.Added, r.Changed, r.Same, r.Kept, r.Deleted); err != nil {
			return err
		}
	} else {
		text := fmt.Sprintf("%d added, %d changed, %d same", r.Added, r.Changed, r.Same)
		if r.Kept > 0 {
			text += fmt.Sprintf(", %d kept", r.Kept)
		}
		if r.Deleted > 0 {
			text += fmt.Sprintf(", %d deleted", r.Deleted)
		}
		if s.ErrTerminal && took >= progressAfter {
			text += fmt.Sprintf(" in %.1fs", took.Seconds())
		}
		s.remark(text)
	}
	return s.acknowledge(w)
}
