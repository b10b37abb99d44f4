//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"kvsh/scripts/bench/drive"
)

// once is a contender that runs a command, the same in every round.
func once(name string, c command) contender {
	return contender{name, func(int) (sample, error) { return c.run() }}
}

// start measures the start of a process that does nothing.
func (b *bench) start() error {
	b.row("process start", millis, 10*b.rounds, []contender{
		once("bare Go", command{args: []string{b.bin("bare")}}),
		once("kvsh --version", command{args: []string{b.bin("kvsh"), "--version"}}),
		once("sqlite3 -version", command{args: []string{"sqlite3", "-version"}}),
		once("redis-cli --version", command{args: []string{"redis-cli", "--version"}}),
	}, budget{of: "kvsh --version", against: "bare Go", factor: 1.2})
	return nil
}

// getCommand is the command that prints the value of a key.
func (b *bench) getCommand(name, path, key string) []string {
	switch name {
	case "kvsh":
		return []string{b.bin("kvsh"), "-d", path, "get", key}
	case "sqlite3":
		return []string{"sqlite3", "-readonly", path, "select value from kv where key='" + key + "'"}
	case "gdbmtool":
		return []string{"gdbmtool", "-r", path, "fetch", key}
	case "ldb":
		return []string{b.tools["ldb"], "--db=" + path, "get", key}
	case "redis-cli":
		return []string{"redis-cli", "-s", path, "get", key}
	}
	return []string{b.bin(name), "get", path, key}
}

// getter is a contender that gets the value of another key in every round.
func (b *bench) getter(label, name, path string, r drive.Records, cold bool) contender {
	return contender{label, func(round int) (sample, error) {
		i := (round + 1) * 7919 % r.N
		if cold {
			if err := evict(path); err != nil {
				return sample{}, err
			}
		}
		return command{args: b.getCommand(name, path, r.Key(i)), want: string(r.AppendValue(nil, i))}.run()
	}}
}

func (b *bench) bareGo() contender {
	return once("bare Go", command{args: []string{b.bin("bare")}})
}

// getters are contenders for a one-shot get, each with a database of n records.
func (b *bench) getters(n int, cold bool, names ...string) []contender {
	all := []contender{b.bareGo()}
	for _, name := range names {
		path, err := b.database(name, n)
		if err != nil {
			b.notes = append(b.notes, fmt.Sprintf("%s with %d records: %v", name, n, err))
			continue
		}
		all = append(all, b.getter(name, name, path, randoms(n), cold))
	}
	return all
}

// oneShotGet measures the get of one key by a process of its own.
func (b *bench) oneShotGet() error {
	for _, n := range []int{b.small, b.big} {
		names := b.some("kvsh", "sqlite3", "gdbmtool", "ldb", "bbolt", "goleveldb", "pebble", "badger")
		if n == b.small {
			names = append(names, b.some("buntdb")...) // reads all of its file
		}
		all := b.getters(n, false, names...)
		if socket, stop, err := b.redis(n); err != nil {
			b.notes = append(b.notes, fmt.Sprintf("redis: %v", err))
		} else {
			defer stop()
			all = append(all, b.getter("redis-cli, server runs", "redis-cli", socket, randoms(n), false))
		}
		b.row(fmt.Sprintf("one-shot get, %d keys, warm", n), millis, b.rounds, all,
			budget{of: "kvsh", against: "bare Go", factor: 1.25}, budget{of: "kvsh", against: "sqlite3", factor: 0.65})
	}
	if err := b.coldGets(b.big, b.some("kvsh", "sqlite3", "gdbmtool", "bbolt", "goleveldb")...); err != nil {
		return err
	}
	if b.huge > 0 {
		b.row(fmt.Sprintf("one-shot get, %d keys, warm", b.huge), millis, b.rounds, b.getters(b.huge, false, "kvsh", "bbolt"))
		if err := b.coldGets(b.huge, "kvsh", "bbolt"); err != nil {
			return err
		}
	}
	if err := b.getSizes(); err != nil {
		return err
	}
	return b.getWithTail()
}

// coldGets measures gets that have to read the disk, and reads the files again
// for the rows behind it, which call themselves warm.
func (b *bench) coldGets(n int, names ...string) error {
	b.row(fmt.Sprintf("one-shot get, %d keys, files cold", n), millis, b.rounds, b.getters(n, true, names...))
	for _, name := range names {
		path, err := b.database(name, n)
		if err != nil {
			continue // getters has noted it
		}
		if err := warm(path); err != nil {
			return err
		}
	}
	return nil
}

// sizes are the numbers of records that growth is measured at.
func (b *bench) sizes() []int {
	var all []int
	for _, n := range []int{b.small, min(10*b.small, b.big), b.big, b.huge} {
		if len(all) == 0 || n > all[len(all)-1] {
			all = append(all, n)
		}
	}
	return all
}

// ofSize names kvsh with so many records.
func ofSize(n int) string { return fmt.Sprintf("kvsh, %d keys", n) }

// getSizes compares databases of all sizes.
func (b *bench) getSizes() error {
	all := []contender{b.bareGo()}
	sizes := b.sizes()
	for _, n := range sizes {
		path, err := b.database("kvsh", n)
		if err != nil {
			return err
		}
		all = append(all, b.getter(ofSize(n), "kvsh", path, randoms(n), false))
	}
	b.row("growth: one-shot get", millis, 2*b.rounds, all,
		budget{of: ofSize(sizes[len(sizes)-1]), against: ofSize(sizes[0]), factor: 1.05})
	return nil
}

// tailRecords fill the tail of the log, a commit each, to just below the 4 MiB
// at which a process that goes on folds it. (One that commits once folds it at
// 1 MiB.)
const tailRecords = 24_000

// getWithTail measures the get from a database whose newest writes are in the
// log alone.
func (b *bench) getWithTail() error {
	path, err := b.database("kvsh", b.big)
	if err != nil {
		return err
	}
	full := filepath.Join(b.dir, "full-tail.kv")
	if err := copyOf(path, full); err != nil {
		return err
	}
	sets, err := b.records("set", drive.Records{N: tailRecords, ValueSize: 100})
	if err != nil {
		return err
	}
	for _, c := range []command{
		{args: []string{b.bin("kvsh"), "-q", "-d", full, "config", "sync", "never"}},
		{args: []string{b.bin("kvsh"), "-q", "-d", full}, stdin: sets},
	} {
		if _, err := c.run(); err != nil {
			return err
		}
	}
	label := fmt.Sprintf("kvsh, tail of %.1f MiB", float64(sizeOf(filepath.Join(full, "log")))/(1<<20))
	b.row(fmt.Sprintf("one-shot get, %d keys, full tail", b.big), millis, b.rounds, []contender{
		b.bareGo(), b.getter("kvsh, no tail", "kvsh", path, randoms(b.big), false),
		b.getter(label, "kvsh", full, randoms(b.big), false),
	}, budget{of: label, against: "bare Go", factor: 1.8})
	return remove(full)
}

// oneShotSet measures the durable set of one key by a process of its own.
func (b *bench) oneShotSet() error {
	r := randoms(b.big)
	value := string(r.AppendValue(nil, 1))
	setter := func(label, name, path string, args func(key string) []string) contender {
		return contender{label, func(round int) (sample, error) {
			return command{args: args(r.Key((round + 1) * 104729 % r.N))}.run()
		}}
	}
	by := filepath.Join(b.dir, "by-hand")
	all := []contender{setter(handSet, "floor", by, func(key string) []string {
		return []string{b.bin("floor"), "set", by, key, value}
	})}
	for _, name := range b.some("kvsh", "sqlite3", "gdbmtool", "bbolt", "goleveldb", "pebble", "badger") {
		path, err := b.database(name, b.big)
		if err != nil {
			b.notes = append(b.notes, fmt.Sprintf("set by %s: %v", name, err))
			continue
		}
		scratch := filepath.Join(b.dir, "set-"+name)
		if err := copyOf(path, scratch); err != nil {
			return err
		}
		defer func() { _ = remove(scratch) }() // with the directory, else
		all = append(all, setter(name, name, scratch, func(key string) []string {
			switch name {
			case "kvsh":
				return []string{b.bin("kvsh"), "-q", "-d", scratch, "set", key, value}
			case "sqlite3":
				return []string{
					"sqlite3", scratch, "pragma synchronous=full",
					fmt.Sprintf("insert or replace into kv values('%s','%s')", key, value),
				}
			case "gdbmtool":
				return []string{"gdbmtool", "-s", scratch, "store", key, value}
			}
			return []string{b.bin(name), "set", scratch, key, value}
		}))
	}
	if socket, stop, err := b.redis(0); err == nil {
		defer stop()
		all = append(all, setter("redis-cli, server runs", "redis-cli", socket, func(key string) []string {
			return []string{"redis-cli", "-s", socket, "set", key, value}
		}))
	}
	b.row(fmt.Sprintf("one-shot durable set, %d keys", b.big), millis, b.rounds, all,
		budget{of: "kvsh", against: handSet, factor: 1.15})
	return nil
}

// pipe measures lines of commands that one process reads.
func (b *bench) pipe() error {
	const gets, sets = 100_000, 100_000
	commits := 20 * b.rounds
	if err := b.pipedGets(gets); err != nil {
		return err
	}
	set, err := b.records("set", drive.Records{N: sets, ValueSize: 100})
	if err != nil {
		return err
	}
	sql, err := b.records("tx", drive.Records{N: sets, ValueSize: 100})
	if err != nil {
		return err
	}
	fresh := func(name string, n int, c func(path string) command) contender {
		path := filepath.Join(b.dir, "pipe-"+name)
		return contender{name, func(int) (sample, error) {
			if err := remove(path); err != nil {
				return sample{}, err
			}
			if name == "sqlite3" {
				if _, err := output("sqlite3", path, "pragma journal_mode=wal",
					"create table kv(key text primary key, value text) without rowid"); err != nil {
					return sample{}, err
				}
			}
			s, err := c(path).run()
			s.per(float64(n))
			return s, err
		}}
	}
	kvsh := func(file string, flags ...string) func(string) command {
		return func(path string) command {
			return command{args: append([]string{b.bin("kvsh"), "-q", "-d", path}, flags...), stdin: file}
		}
	}
	sqlite := func(file string) func(string) command {
		return func(path string) command {
			return command{args: []string{"sqlite3", "-cmd", "pragma synchronous=full", path}, stdin: file}
		}
	}
	b.row(fmt.Sprintf("%d set lines down a pipe, one transaction", sets), perSecond, min(b.rounds, 9), []contender{
		fresh("sqlite3", sets, sqlite(sql)), fresh("kvsh", sets, kvsh(set, "--atomic")),
	}, budget{of: "kvsh", against: "sqlite3", factor: 1})

	if set, err = b.records("set", drive.Records{N: commits, ValueSize: 100}); err != nil {
		return err
	}
	if sql, err = b.records("sql", drive.Records{N: commits, ValueSize: 100}); err != nil {
		return err
	}
	all := []contender{fresh("kvsh", commits, kvsh(set)), fresh("sqlite3", commits, sqlite(sql))}
	if socket, stop, err := b.redis(0); err == nil {
		defer stop()
		all = append(all, contender{"redis-cli, server runs", func(int) (sample, error) {
			s, err := command{args: []string{"redis-cli", "-s", socket}, stdin: set}.run()
			s.per(float64(commits))
			return s, err
		}})
	}
	b.row(fmt.Sprintf("%d set lines down a pipe, each durable", commits), perSecond, min(b.rounds, 9), all)
	return nil
}

// pipedGets measures get lines.
func (b *bench) pipedGets(n int) error {
	r := randoms(b.big)
	var all []contender
	add := func(name, format string, args func(path string) []string, path string) error {
		file, err := b.lines(name, format, n, r)
		if err != nil {
			return err
		}
		all = append(all, contender{name, func(int) (sample, error) {
			s, err := command{args: args(path), stdin: file}.run()
			s.per(float64(n))
			return s, err
		}})
		return nil
	}
	for _, c := range []struct {
		name, format string
		args         string // of the program, with @ for the database
	}{
		{"kvsh", "get %s\n", b.bin("kvsh") + " -d @"},
		{"gdbmtool", "fetch %s\n", "gdbmtool -r @"},
		{"sqlite3", "select value from kv where key='%s';\n", "sqlite3 -readonly @"},
		{"redis-cli", "get %s\n", "redis-cli -s @"},
	} {
		var path string
		var err error
		if c.name == "redis-cli" {
			var stop func()
			if path, stop, err = b.redis(b.big); err == nil {
				defer stop()
			}
		} else {
			path, err = b.database(c.name, b.big)
		}
		if err == nil {
			err = add(c.name, c.format, func(path string) []string {
				return strings.Fields(strings.ReplaceAll(c.args, "@", path))
			}, path)
		}
		if err != nil {
			b.notes = append(b.notes, fmt.Sprintf("get lines by %s: %v", c.name, err))
		}
	}
	b.row(fmt.Sprintf("%d get lines down a pipe, %d keys", n, b.big), perSecond, min(b.rounds, 9), all,
		budget{of: "kvsh", factor: 500_000})
	return nil
}
