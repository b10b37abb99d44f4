//go:build linux

package main

import (
	"fmt"
	"path/filepath"
)

// growth measures one thing on databases of all sizes. What follows the data it
// touches, and not the database, takes the same with each.
func (b *bench) growth() error {
	for _, row := range []struct {
		name, title string
		unit        unit
		convert     func(ops, seconds float64) float64
		budget      budget
	}{
		{"get", "get in process", perSecond, rate, budget{}},
		{"scan", "scan of 100 keys in process", micros, microsEach, budget{}},
		{"prefix", "prefix scan of 100 keys in process", micros, microsEach, budget{}},
		{"open", "open in process", millis, millisEach, budget{factor: 1}},
	} {
		var all []contender
		var budgets []budget
		for _, n := range b.sizes() {
			path, err := b.database("kvsh", n)
			if err != nil {
				return err
			}
			all = append(all, b.measured(ofSize(n), "engine", path, row.name, n, row.convert))
			if row.budget.factor > 0 {
				row.budget.of = ofSize(n)
				budgets = append(budgets, row.budget)
			}
		}
		b.row("growth: "+row.title, row.unit, b.fewRounds(), all, budgets...)
	}
	if err := b.growingSets(); err != nil {
		return err
	}
	if err := b.growingImports(); err != nil {
		return err
	}
	return b.completion()
}

// growingSets measures the durable set of one key.
func (b *bench) growingSets() error {
	value := string(randoms(1).AppendValue(nil, 1))
	all := []contender{b.bareGo()}
	for _, n := range b.sizes() {
		path, err := b.database("kvsh", n)
		if err != nil {
			return err
		}
		scratch := filepath.Join(b.dir, fmt.Sprintf("grown-%d.kv", n))
		if err := copyOf(path, scratch); err != nil {
			return err
		}
		defer func() { _ = remove(scratch) }()
		all = append(all, contender{ofSize(n), func(round int) (sample, error) {
			key := randoms(n).Key((round + 1) * 104729 % n)
			return command{args: []string{b.bin("kvsh"), "-q", "-d", scratch, "set", key, value}}.run()
		}})
	}
	b.row("growth: one-shot durable set", millis, b.rounds, all)
	return nil
}

// growingImports measures files of all sizes but the hugest, which has a row of
// its own.
func (b *bench) growingImports() error {
	var all []contender
	path := filepath.Join(b.dir, "grow-import")
	defer func() { _ = remove(path) }()
	for _, n := range b.sizes() {
		if n == b.huge {
			continue
		}
		file, err := b.records("csv", randoms(n))
		if err != nil {
			return err
		}
		all = append(all, contender{ofSize(n), func(int) (sample, error) {
			if err := remove(path); err != nil {
				return sample{}, err
			}
			s, err := command{args: []string{b.bin("kvsh"), "-q", "-d", path, "import", file}}.run()
			s.per(float64(n))
			return s, err
		}})
	}
	b.row("growth: import of random records, csv", perSecond, b.fewRounds(), all)
	return nil
}

// completion measures what Tab waits for: the keys that begin as the word does,
// of which there are about as many in each database.
func (b *bench) completion() error {
	all := []contender{b.bareGo()}
	for _, n := range b.sizes() {
		path, err := b.database("kvsh", n)
		if err != nil {
			return err
		}
		all = append(all, contender{ofSize(n), func(round int) (sample, error) {
			digits := 0
			for left := n / 16; left >= 10; left /= 16 {
				digits++
			}
			word := randoms(n).Key((round + 1) * 7919 % n)[:digits]
			return command{args: []string{b.bin("kvsh"), "-d", path, "__complete", "get", word}}.run()
		}})
	}
	b.row("growth: Tab behind get and some digits", millis, min(b.rounds, 41), all)
	return nil
}
