package cmd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// The sizes of what bench writes and reads.
const (
	benchValueSize   = 100     // bytes; keys have 16
	benchWriters     = 32      // of the row with many
	benchBatch       = 1000    // sets in a transaction
	benchScan        = 100     // keys in a scan
	benchImport      = 100_000 // records in an import
	benchImportsMost = 10      // so that the disk is not filled
	benchSample      = 10_000  // keys of the user's own database
	benchTimeMost    = time.Minute
)

func newBench(s *Session) *cobra.Command {
	each := time.Second
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what the database does on this disk",
		Long: `Measures writes and reads, a second each, and prints how many there were in a
second and how long half and 99 % of them took at most. What it writes goes to a
database of its own, .kvsh-bench-… beside yours on the same disk and with the
same setting of sync. It takes some hundred megabytes and is gone at the end. Of
your database it only reads: random keys, and lists from random keys on. With
--readonly or --dry-run that is all it does.

"floor" is what the disk gives: a file to which 128 bytes are appended and
synced. With sync "always" no single writer can be faster.`,
		Example:     "kvsh bench --time 100ms\nkvsh bench --time 20ms --json",
		Args:        operands(0, 0),
		Annotations: exits("0, 3 no room or no permission beside the database, 130 Ctrl-C: nothing is left"),
		RunE: func(c *cobra.Command, _ []string) error {
			if each <= 0 || each > benchTimeMost {
				return usageOf(c, "--time: from 1ms to %v", benchTimeMost)
			}
			if err := s.bench(c.Context(), each); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			return nil
		},
	}
	c.Flags().Var((*durationFlag)(&each), "time", "measure each for so long")
	return c
}

// bench measures and writes a row for each thing measured.
func (s *Session) bench(ctx context.Context, each time.Duration) error {
	if s.tx != nil {
		return usagef("not within a transaction")
	}
	if _, err := s.options(); err != nil {
		return err // now, not when all is measured
	}
	if err := s.otherFiles("a database beside this one"); err != nil {
		return err
	}
	p := s.startProgress("bench")
	defer p.end()
	b := &bench{each: each, sync: "always", progress: p}
	if isMemory(s.path()) {
		b.sync = ""
		if err := b.all(ctx, engine.NewMem(engine.MemOptions{})); err != nil {
			return err
		}
		return s.benchRows(b.rows)
	}
	store, err := s.open(ctx, toRead)
	onlyRead := s.set.ReadOnly || s.set.DryRun
	if err != nil && (onlyRead || !errors.Is(err, engine.ErrNoDatabase)) {
		return err
	}
	if err == nil {
		if err := b.takeSync(ctx, store); err != nil {
			return err
		}
	}
	if !onlyRead {
		if err := s.benchScratch(ctx, b); err != nil {
			return err
		}
	}
	if store != nil {
		if err := b.own(ctx, store, s.set.Family); err != nil {
			return err
		}
	}
	p.end()
	s.remark(fmt.Sprintf("sync %s; %v each; keys of 16 bytes and values of %d, those of the database as they are", b.sync, each, benchValueSize))
	return s.benchRows(b.rows)
}

// benchRows writes what was measured.
func (s *Session) benchRows(measured []measurement) error {
	rows, err := s.rows(
		format.Column{Name: "what", Kind: format.Text}, format.Column{Name: "sync", Kind: format.Text},
		format.Column{Name: "ops_per_s", Kind: format.Int}, format.Column{Name: "keys_per_s", Kind: format.Int},
		format.Column{Name: "median_us", Kind: format.Int}, format.Column{Name: "p99_us", Kind: format.Int})
	if err != nil {
		return err
	}
	for _, m := range measured {
		var sync, keys any
		if m.sync != "" {
			sync = m.sync
		}
		perSecond := float64(len(m.took)) / m.wall.Seconds()
		if m.keys > 0 {
			keys = int64(perSecond * float64(m.keys))
		}
		if err := rows.Row(m.what, sync, int64(perSecond), keys, m.micros(50), m.micros(99)); err != nil {
			return err
		}
	}
	return rows.Close()
}

// benchScratch measures on a database that is made for it beside that of the
// session, and removes it whatever happens.
func (s *Session) benchScratch(ctx context.Context, b *bench) (err error) {
	if err := s.makeParents(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(s.path()), ".kvsh-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.floor(ctx, filepath.Join(dir, "floor")); err != nil {
		return err
	}
	path := filepath.Join(dir, "bench.kv")
	if err := engine.Create(ctx, path, engine.Options{}); err != nil {
		return err
	}
	db, err := engine.Open(ctx, path, engine.Options{Wait: benchTimeMost, Writer: s.writer()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.SetSetting(ctx, "sync", b.sync); err != nil {
		return err
	}
	return b.all(ctx, db)
}

// A bench is the state of one run.
type bench struct {
	each     time.Duration // for each row
	sync     string        // the setting
	imported int           // records, with the keys of number 0 and up
	rows     []measurement
	progress *progress
}

// A measurement is one row.
type measurement struct {
	what string
	sync string          // empty where it does not matter
	keys int             // that one operation reads or writes; 0: it is no operation on keys
	took []time.Duration // of each operation, sorted
	wall time.Duration   // of all together
}

// micros is a percentile of the times in microseconds, rounded up.
func (m *measurement) micros(percent int) int64 {
	t := m.took[min(len(m.took)*percent/100, len(m.took)-1)]
	return int64((t + time.Microsecond - 1) / time.Microsecond)
}

// takeSync takes over the setting of a database. A snapshot has none.
func (b *bench) takeSync(ctx context.Context, store engine.Store) error {
	db, ok := store.(configurer)
	if !ok || !store.Capabilities().Has(engine.CanReadPast) {
		return nil
	}
	settings, err := db.Settings(ctx)
	for _, setting := range settings {
		if setting.Name == "sync" {
			b.sync = setting.Value
		}
	}
	return err
}

// A benchOp is an operation to measure.
type benchOp struct {
	measurement // what is known of it before
	workers     int
	most        int // operations of a worker; 0: no limit
	run         func() error
}

// measure runs operations, each again and again in as many goroutines as it has
// workers, until the time is over, and at least once.
func (b *bench) measure(ctx context.Context, ops ...benchOp) error {
	for _, op := range ops {
		b.progress.follow(engine.Progress{Doing: op.what}, func() int64 { return 0 })
		if err := b.measureOne(ctx, op); err != nil {
			return fmt.Errorf("%s: %w", op.what, err)
		}
	}
	return nil
}

func (b *bench) measureOne(ctx context.Context, op benchOp) error {
	took, errs := make([][]time.Duration, op.workers), make([]error, op.workers)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range op.workers {
		wg.Go(func() {
			for now := time.Now(); ; {
				if errs[w] = ctx.Err(); errs[w] == nil {
					errs[w] = op.run()
				}
				then := time.Now()
				took[w] = append(took[w], then.Sub(now))
				if errs[w] != nil || then.Sub(start) >= b.each || len(took[w]) == op.most {
					return
				}
				now = then
			}
		})
	}
	wg.Wait()
	op.wall = max(time.Since(start), 1)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	op.took = slices.Concat(took...)
	slices.Sort(op.took)
	b.rows = append(b.rows, op.measurement)
	return nil
}

// floor measures what an append costs that is on the disk when it returns.
func (b *bench) floor(ctx context.Context, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	line := make([]byte, 128)
	return b.measure(ctx, benchOp{measurement{what: "floor", sync: "always"}, 1, 0, func() error {
		if _, err := f.Write(line); err != nil {
			return err
		}
		return f.Sync()
	}})
}

// benchRecord is the key of a number, of 16 bytes.
func benchRecord(n int) string { return fmt.Sprintf("key:%012d", n) }

// all measures what needs a store that is there for it.
func (b *bench) all(ctx context.Context, db engine.Store) error {
	if err := b.writes(ctx, db); err != nil {
		return err
	}
	return b.reads(ctx, db)
}

func (b *bench) writes(ctx context.Context, db engine.Store) error {
	value := make([]byte, benchValueSize)
	for i := range value {
		value[i] = byte('a' + rand.IntN(26))
	}
	set := func(n int) func() error {
		return func() error {
			_, err := db.Update(ctx, func(tx engine.Tx) error {
				for range n {
					if err := tx.Set(ctx, benchRecord(rand.IntN(1_000_000)), value); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		}
	}
	load := func() error {
		first := b.imported
		_, err := db.Load(ctx, func(yield func(engine.Item, error) bool) {
			for n := range benchImport {
				// Keys of all imports are mixed, as in one that is not sorted.
				if !yield(engine.Item{Key: []byte(benchRecord(n*benchImportsMost + first/benchImport)), Value: value}, nil) {
					return
				}
			}
		}, engine.Replace)
		b.imported += benchImport
		return err
	}
	return b.measure(ctx,
		benchOp{measurement{what: "set", sync: b.sync, keys: 1}, 1, 0, set(1)},
		benchOp{measurement{what: fmt.Sprintf("set, %d writers", benchWriters), sync: b.sync, keys: 1}, benchWriters, 0, set(1)},
		benchOp{measurement{what: fmt.Sprintf("%d sets in one", benchBatch), sync: b.sync, keys: benchBatch}, 1, 0, set(benchBatch)},
		benchOp{measurement{what: fmt.Sprintf("import of %d", benchImport), sync: b.sync, keys: benchImport}, 1, benchImportsMost, load},
	)
}

// reads measures on the records that were imported.
func (b *bench) reads(ctx context.Context, db engine.Store) error {
	loads := b.imported / benchImport
	present := func() string { return benchRecord(rand.IntN(benchImport)*benchImportsMost + rand.IntN(loads)) }
	get := func() error { return benchGet(ctx, db, "", present()) }
	missing := func() error {
		err := benchGet(ctx, db, "", present()+"?")
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil
		case err == nil:
			return errors.New("a key that was never set is found")
		}
		return err
	}
	err := b.measure(ctx,
		benchOp{measurement{what: "get", keys: 1}, 1, 0, get},
		benchOp{measurement{what: "get, missing", keys: 1}, 1, 0, missing})
	if err != nil {
		return err
	}
	return b.lists(ctx, db, "", fmt.Sprintf("list of %d", benchScan), present)
}

// own measures reads of the user's database, on a sample of its keys.
func (b *bench) own(ctx context.Context, store engine.Store, family string) error {
	var keys []string
	seen, start := 0, time.Now()
	err := store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		for e, err := range tx.In(family).Scan(ctx, engine.Range{KeysOnly: true}) {
			if err != nil {
				return err
			}
			// Reservoir sampling: all keys so far are as likely in the sample.
			if seen++; len(keys) < benchSample {
				keys = append(keys, e.Key)
			} else if i := rand.IntN(seen); i < benchSample {
				keys[i] = e.Key
			}
			if seen%1024 == 0 && time.Since(start) > b.each {
				return nil
			}
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	pick := func() string { return keys[rand.IntN(len(keys))] }
	get := func() error {
		err := benchGet(ctx, store, family, pick())
		if errors.Is(err, engine.ErrNotFound) {
			return nil // deleted or expired meanwhile
		}
		return err
	}
	if err := b.measure(ctx, benchOp{measurement{what: "own get", keys: 1}, 1, 0, get}); err != nil {
		return err
	}
	return b.lists(ctx, store, family, fmt.Sprintf("own list of %d", benchScan), pick)
}

func benchGet(ctx context.Context, store engine.Store, family, key string) error {
	return store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		_, err := tx.In(family).Get(ctx, key)
		return err
	})
}

// lists measures lists with values, from random keys on.
func (b *bench) lists(ctx context.Context, store engine.Store, family, what string, from func() string) error {
	n := 0
	list := func() error {
		return store.View(ctx, engine.Newest, func(tx engine.Tx) error {
			for _, err := range tx.In(family).Scan(ctx, engine.Range{From: from(), Limit: benchScan}) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
	}
	if err := b.measure(ctx, benchOp{measurement{what: what}, 1, 0, list}); err != nil {
		return err
	}
	last := &b.rows[len(b.rows)-1]
	last.keys = max(n/len(last.took), 1) // near the last key there are fewer
	return nil
}
