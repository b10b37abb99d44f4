//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
)

// history measures reading the past of a database with many revisions, and
// going back to it.
func (b *bench) history() error {
	revisions := 1_000_000
	if b.quick {
		revisions = 20_000
	}
	path := filepath.Join(b.dir, "history.kv")
	if err := b.fillHistory(path, revisions); err != nil {
		return err
	}
	kvsh := func(args ...string) []string { return append([]string{b.bin("kvsh"), "-q", "-d", path}, args...) }
	back := fmt.Sprint(revisions / 2)
	b.row(fmt.Sprintf("the past, over %d revisions", revisions), millis, min(b.rounds, 21), []contender{
		b.bareGo(),
		once("kvsh get", command{args: kvsh("get", "key:1")}),
		once("kvsh get --at, half way back", command{args: kvsh("get", "key:1", "--at", back)}),
		once("kvsh history of a key with 1000 versions", command{args: kvsh("history", "key:1")}),
		once("kvsh list --at --limit 100, half way back", command{args: kvsh("list", "--at", back, "--limit", "100")}),
	})
	if err := remove(path); err != nil {
		return err
	}
	return b.undoImport()
}

// fillHistory makes a database of so many revisions: each of revisions/1000
// keys is set a thousand times, one key a revision.
func (b *bench) fillHistory(path string, revisions int) error {
	file := filepath.Join(b.dir, "history.lines")
	err := b.once(file, func(w *bufio.Writer) {
		fmt.Fprintln(w, "config sync never\nconfig history.keep 365d")
		for i := range revisions {
			fmt.Fprintf(w, "set key:%d %d\n", i%max(revisions/1000, 1), i)
		}
	})
	if err != nil {
		return err
	}
	defer os.Remove(file)
	for _, c := range []command{
		{args: []string{b.bin("kvsh"), "-q", "-d", path, "init"}},
		{args: []string{b.bin("kvsh"), "-q", "-d", path}, stdin: file},
	} {
		if _, err := c.run(); err != nil {
			return err
		}
	}
	return nil
}

// undoImport measures taking an import back.
func (b *bench) undoImport() error {
	file, err := b.records("csv", randoms(b.big))
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, "undo.kv")
	b.row(fmt.Sprintf("undo of an import of %d records", b.big), millis, b.fewRounds(), []contender{
		{"kvsh undo", func(int) (sample, error) {
			if err := remove(path); err != nil {
				return sample{}, err
			}
			if _, err := (command{args: []string{b.bin("kvsh"), "-q", "-d", path, "import", file}}).run(); err != nil {
				return sample{}, err
			}
			return command{args: []string{b.bin("kvsh"), "-q", "-d", path, "-y", "undo"}, peak: true}.run()
		}},
	}, budget{of: "kvsh undo", peakMiB: 256})
	return remove(path)
}
