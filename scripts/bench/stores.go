//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"kvsh/scripts/bench/drive"
)

// measured is a contender that does one row of package drive for a time.
// convert turns operations and seconds into the figure of the row.
func (b *bench) measured(label, name, path, row string, n int, convert func(ops, seconds float64) float64) contender {
	return contender{label, func(int) (sample, error) {
		out, err := output(b.bin(name), "measure", path, fmt.Sprint(n), "100", row, b.each.String())
		if err != nil {
			return sample{}, err
		}
		var ops, seconds, cpu float64
		if _, err := fmt.Sscan(out, &ops, &seconds, &cpu); err != nil {
			return sample{}, fmt.Errorf("%s measures %q: %w", name, out, err)
		}
		return sample{value: convert(ops, seconds), cpu: convert(ops, cpu)}, nil
	}}
}

func rate(ops, seconds float64) float64       { return ops / seconds }
func rate100(ops, seconds float64) float64    { return 100 * ops / seconds }
func microsEach(ops, seconds float64) float64 { return seconds / ops * 1e6 }
func millisEach(ops, seconds float64) float64 { return seconds / ops * 1000 }

// fewRounds is how often the rows run that take a while by themselves.
func (b *bench) fewRounds() int { return max(min(b.rounds/15, 7), 3) }

// durableWrites measures writes within one process, each durable.
func (b *bench) durableWrites() error {
	for _, writers := range []int{1, 32} {
		var all []contender
		for _, name := range b.some("floor", "wal", "engine", "bbolt", "goleveldb", "pebble", "badger", "buntdb") {
			label := map[string]string{"floor": handAppend, "wal": "raw tidwall/wal", "engine": "kvsh"}[name]
			if label == "" {
				label = name
			}
			path := filepath.Join(b.dir, fmt.Sprintf("write-%s-%d", name, writers))
			load, err := b.loader(name, path, randoms(1000))
			if err != nil {
				return err
			}
			if _, err := load.run(); err != nil {
				return err
			}
			defer func() { _ = remove(path) }()
			all = append(all, b.measured(label, name, path, fmt.Sprintf("set%d", writers), 1000, rate))
		}
		g := budget{of: "kvsh", against: handAppend, factor: 0.95}
		if writers > 1 {
			g = budget{of: "kvsh", against: "raw tidwall/wal", factor: 0.8}
		}
		b.row(fmt.Sprintf("durable writes in a process, %d at once", writers), perSecond, b.fewRounds(), all, g)
	}
	return b.manyWriters()
}

// inProcess measures reads within one process, by one goroutine.
func (b *bench) inProcess() error {
	sizes := []int{b.big}
	if b.huge > 0 {
		sizes = append(sizes, b.huge)
	}
	for _, n := range sizes {
		names := b.some("engine", "bbolt", "goleveldb", "pebble", "badger", "buntdb")
		factor := 1.6
		if n == b.huge {
			names, factor = []string{"engine", "bbolt"}, 1.2
		}
		for _, row := range []struct {
			name, title string
			unit        unit
			convert     func(ops, seconds float64) float64
			budget      budget
		}{
			{"get", "get in process, each by itself", perSecond, rate, budget{of: "kvsh", against: "bbolt", factor: factor}},
			{"gets", "get in process, 100 in a transaction", perSecond, rate100, budget{of: "kvsh", against: "bbolt", factor: factor}},
			{"scan", "scan of 100 keys in process", micros, microsEach, budget{}},
			{"scan100k", "scan of 100000 keys in process", millis, millisEach, budget{}},
			{"prefix", "prefix scan of 100 keys in process", micros, microsEach, budget{of: "kvsh", against: "bbolt", factor: 0.6}},
			{"suffix", "keys with a suffix, in process", millis, millisEach, budget{of: "kvsh", against: "bbolt", factor: 0.35}},
			{"contains", "keys that contain a text, in process", millis, millisEach, budget{}},
		} {
			var all []contender
			for _, name := range names {
				path, err := b.database(name, n)
				if err != nil {
					b.notes = append(b.notes, fmt.Sprintf("%s, %s: %v", row.title, name, err))
					continue
				}
				label := name
				if name == "engine" {
					label = "kvsh"
				}
				all = append(all, b.measured(label, name, path, row.name, n, row.convert))
			}
			var budgets []budget
			if row.budget.factor > 0 {
				budgets = append(budgets, row.budget)
			}
			b.row(fmt.Sprintf("%s, %d keys", row.title, n), row.unit, b.fewRounds(), all, budgets...)
		}
		b.lists(n)
	}
	return nil
}

// lists measures the same as commands.
func (b *bench) lists(n int) {
	programs := map[string]string{} // to their databases
	for _, name := range []string{"kvsh", "sqlite3"} {
		if name == "sqlite3" && n == b.huge {
			continue // takes minutes to load
		}
		path, err := b.database(name, n)
		if err != nil {
			b.notes = append(b.notes, fmt.Sprintf("lists by %s: %v", name, err))
			continue
		}
		programs[name] = path
	}
	for _, l := range []struct {
		title string
		kvsh  func(key string) []string // operands of list
		sql   string                    // what stands behind where, with the key for @
	}{
		{"list of 100 keys", func(key string) []string { return []string{"--from", key, "--limit", "100"} }, "key>='@' limit 100"},
		{"list of 100000 keys", func(key string) []string { return []string{"--limit", "100000"} }, "1 limit 100000"},
		{"list --prefix", func(key string) []string { return []string{"--prefix", key[:4]} }, "key glob substr('@',1,4)||'*'"},
		{"list --suffix", func(key string) []string { return []string{"--suffix", key[12:]} }, "key like '%'||substr('@',13)"},
		{"list --contains", func(key string) []string { return []string{"--contains", key[12:]} }, "instr(key,substr('@',13))"},
	} {
		var all []contender
		for _, name := range []string{"kvsh", "sqlite3"} {
			path := programs[name]
			if path == "" {
				continue
			}
			all = append(all, contender{name, func(round int) (sample, error) {
				key := randoms(n).Key((round + 1) % n)
				if name == "kvsh" {
					return command{args: append([]string{b.bin("kvsh"), "-d", path, "list"}, l.kvsh(key)...)}.run()
				}
				return command{args: []string{"sqlite3", "-readonly", path, "select key from kv where " + strings.ReplaceAll(l.sql, "@", key)}}.run()
			}})
		}
		var budgets []budget
		if l.title == "list --suffix" {
			budgets = append(budgets, budget{of: "kvsh", factor: 60})
		}
		b.row(fmt.Sprintf("%s, the whole process, %d keys", l.title, n), millis, min(b.rounds, 21), all, budgets...)
	}
}

// imports measures loading into a new database, until it is durable.
func (b *bench) imports() error {
	sets := []drive.Records{randoms(b.big), {N: b.big, ValueSize: 100, Sorted: true}, {N: b.big / 10, ValueSize: 1024}}
	if b.huge > 0 {
		sets = append(sets, randoms(b.huge), drive.Records{N: b.huge, ValueSize: 100, Sorted: true})
	}
	for _, r := range sets {
		var all []contender
		add := func(label string, c command, err error) {
			if err != nil {
				b.notes = append(b.notes, fmt.Sprintf("import by %s: %v", label, err))
				return
			}
			c.peak = true
			path := filepath.Join(b.dir, "import")
			all = append(all, contender{label, func(int) (sample, error) {
				if err := remove(path); err != nil {
					return sample{}, err
				}
				s, err := c.run()
				s.per(float64(r.N))
				s.disk = sizeOf(path) + sizeOf(path+"-wal")
				return s, err
			}})
		}
		b.addImports(r, filepath.Join(b.dir, "import"), add)
		order := map[bool]string{false: "random", true: "sorted"}[r.Sorted]
		b.row(fmt.Sprintf("import, %d records, values of %d bytes, %s", r.N, r.ValueSize, order),
			perSecond, b.fewRounds(), all, b.importBudgets(r)...)
		if err := remove(filepath.Join(b.dir, "import")); err != nil {
			return err
		}
	}
	return nil
}

// addImports calls add with the commands that load records.
func (b *bench) addImports(r drive.Records, path string, add func(label string, c command, err error)) {
	shapes := []string{"csv", "jsonl", "resp"}
	if r.N == b.huge {
		shapes = shapes[:1]
	}
	for _, shape := range shapes {
		file, err := b.records(shape, r)
		add("kvsh, "+shape, command{args: []string{b.bin("kvsh"), "-q", "-d", path, "import", file}}, err)
	}
	if r.N == b.huge {
		return
	}
	c, err := b.loader("engine", path, r)
	add("kvsh, in process", c, err)
	c, err = b.loader("sqlite3", path, r)
	add("sqlite3, csv", c, err)
	for _, name := range b.some("mdb_load") {
		file, err := b.records("lmdb", r)
		add(name, command{args: []string{name, "-n", "-f", file, path}}, err)
	}
	if b.tools["ldb"] != "" && !b.quick {
		c, err = b.loader("ldb", path, r)
		add("ldb load --bulk_load", c, err)
	}
	for _, name := range b.some("pebble", "goleveldb", "badger", "bbolt") {
		c, err := b.loader(name, path, r)
		add(name+", in process", c, err)
	}
}

func (b *bench) importBudgets(r drive.Records) []budget {
	switch {
	case r.N == b.huge && r.Sorted:
		return []budget{{of: "kvsh, csv", peakMiB: 256}}
	case r.N == b.huge:
		return []budget{{of: "kvsh, csv", factor: 1e6}, {of: "kvsh, csv", peakMiB: 256}}
	case r.Sorted:
		return []budget{
			{of: "kvsh, in process", against: "pebble, in process", factor: 1.5},
			{of: "kvsh, csv", peakMiB: 256},
		}
	case r.ValueSize == 100:
		return []budget{
			{of: "kvsh, csv", factor: 2e6},
			{of: "kvsh, jsonl", factor: 1.8e6},
			{of: "kvsh, csv", peakMiB: 256},
			{of: "kvsh, jsonl", peakMiB: 256},
		}
	}
	return []budget{{of: "kvsh, csv", peakMiB: 256}}
}
