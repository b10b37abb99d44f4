//go:build linux

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"kvsh/scripts/bench/drive"
)

// writerProcesses write to one database at once.
const writerProcesses = 8

// atOnce calls f so many times at once.
func atOnce(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// manyWriters measures durable writes by processes that share a database.
// Stores that one process keeps for itself cannot be in it.
func (b *bench) manyWriters() error {
	var all []contender
	for _, c := range []struct{ label, name string }{{handAppend, "floor"}, {"kvsh, in process", "engine"}} {
		path := filepath.Join(b.dir, "writers-"+c.name)
		defer func() { _ = remove(path) }()
		load, err := b.loader(c.name, path, randoms(1000))
		if err != nil {
			return err
		}
		if _, err := load.run(); err != nil {
			return err
		}
		all = append(all, contender{c.label, func(int) (sample, error) {
			var ops atomic.Int64
			begin := time.Now()
			err := atOnce(writerProcesses, func(int) error {
				out, err := output(b.bin(c.name), "measure", path, "1000", "100", "set1", max(b.each, time.Second).String())
				if err != nil {
					return err
				}
				var n int64
				if _, err := fmt.Sscan(out, &n); err != nil {
					return err
				}
				ops.Add(n)
				return nil
			})
			return sample{value: float64(ops.Load()) / time.Since(begin).Seconds()}, err
		}})
	}
	lines, err := b.lineWriters()
	if err != nil {
		return err
	}
	b.row(fmt.Sprintf("durable writes by %d processes at once", writerProcesses), perSecond, b.fewRounds(), append(all, lines...))
	return nil
}

// lineWriters are programs that read commands, so many processes of each.
func (b *bench) lineWriters() ([]contender, error) {
	n := 3 * b.rounds // lines for each
	r := drive.Records{N: n, ValueSize: 100}
	var all []contender
	for _, c := range []struct {
		label, shape string
		args         func(path string) []string
	}{
		{"kvsh, lines", "set", func(path string) []string { return []string{b.bin("kvsh"), "-q", "--wait", "60s", "-d", path} }},
		{"sqlite3, lines", "sql", func(path string) []string {
			return []string{"sqlite3", "-cmd", ".timeout 60000", "-cmd", "pragma synchronous=full", path}
		}},
	} {
		path := filepath.Join(b.dir, "writers-of-"+c.shape)
		file, err := b.records(c.shape, r)
		if err != nil {
			return nil, err
		}
		all = append(all, contender{c.label, func(int) (sample, error) {
			if err := remove(path); err != nil {
				return sample{}, err
			}
			if c.shape == "sql" {
				if _, err := output("sqlite3", path, "pragma journal_mode=wal",
					"create table kv(key text primary key, value text) without rowid"); err != nil {
					return sample{}, err
				}
			}
			begin := time.Now()
			err := atOnce(writerProcesses, func(int) error {
				_, err := command{args: c.args(path), stdin: file}.run()
				return err
			})
			return sample{value: float64(n*writerProcesses) / time.Since(begin).Seconds()}, errors.Join(err, remove(path))
		}})
	}
	return all, nil
}
