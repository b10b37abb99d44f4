//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"kvsh/scripts/bench/drive"
)

// files measures what reads or copies the whole database.
func (b *bench) files() error {
	path, err := b.database("kvsh", b.big)
	if err != nil {
		return err
	}
	out := filepath.Join(b.dir, "out")
	kvsh := func(label, ending string, args ...string) contender {
		return contender{label, func(int) (sample, error) {
			if err := remove(out); err != nil {
				return sample{}, err
			}
			s, err := command{args: append([]string{b.bin("kvsh"), "-q", "-d", path}, append(args, out+ending)...)}.run()
			s.disk = sizeOf(out + ending)
			return s, err
		}}
	}
	all := []contender{
		kvsh("kvsh export, jsonl", ".jsonl", "export", "-o"),
		kvsh("kvsh export, csv", ".csv", "export", "-o"),
		kvsh("kvsh export, jsonl.zst", ".jsonl.zst", "export", "-o"),
	}
	if lite, err := b.database("sqlite3", b.big); err == nil {
		all = append(all, contender{"sqlite3 to csv, not synced", func(int) (sample, error) {
			return command{args: []string{"sqlite3", "-readonly", lite, ".mode csv", ".once " + out, "select key, value from kv"}}.run()
		}})
	}
	b.row(fmt.Sprintf("export, %d records", b.big), millis, b.fewRounds(), all)

	all = []contender{kvsh("kvsh snapshot save", ".kvs", "snapshot", "save")}
	if lite, err := b.database("sqlite3", b.big); err == nil {
		all = append(all, contender{"sqlite3 .backup", func(int) (sample, error) {
			if err := remove(out); err != nil {
				return sample{}, err
			}
			s, err := command{args: []string{"sqlite3", lite, ".backup " + out}}.run()
			s.disk = sizeOf(out)
			return s, err
		}})
	}
	b.row(fmt.Sprintf("snapshot, %d records", b.big), millis, b.fewRounds(), all)
	if err := remove(out); err != nil {
		return err
	}

	bytes := float64(sizeOf(path))
	checker := func(name string, size float64, args ...string) contender {
		return contender{name, func(int) (sample, error) {
			s, err := command{args: args}.run()
			s.per(size / 1e6)
			return s, err
		}}
	}
	all = []contender{checker("kvsh check", bytes, b.bin("kvsh"), "-q", "-d", path, "check")}
	if lite, err := b.database("sqlite3", b.big); err == nil {
		all = append(all, checker("sqlite3 integrity_check", float64(sizeOf(lite)), "sqlite3", "-readonly", lite, "pragma integrity_check"))
	}
	b.row(fmt.Sprintf("check, %d records", b.big), megabytes, b.fewRounds(), all, budget{of: "kvsh check", factor: 500})
	return nil
}

// afterKill measures the first commands after a writer was killed.
func (b *bench) afterKill() error {
	path, err := b.database("kvsh", b.big)
	if err != nil {
		return err
	}
	sets, err := b.records("set", drive.Records{N: 100_000, ValueSize: 100})
	if err != nil {
		return err
	}
	killed := filepath.Join(b.dir, "killed.kv")
	first := func(label string, args ...string) contender {
		return contender{label, func(int) (sample, error) {
			if err := copyOf(path, killed); err != nil {
				return sample{}, err
			}
			if err := b.killWriter(killed, sets); err != nil {
				return sample{}, err
			}
			return command{args: append([]string{b.bin("kvsh"), "-q", "-d", killed}, args...)}.run()
		}}
	}
	key := randoms(b.big).Key(7)
	b.row(fmt.Sprintf("the first command after kill -9 of a writer, %d keys", b.big), millis, b.fewRounds(), []contender{
		b.bareGo(),
		first("kvsh get", "get", key),
		first("kvsh set, which recovers", "set", "after", "all"),
	})
	return remove(killed)
}

// killWriter kills a process that sets key after key, each durable, when it is
// in the middle.
func (b *bench) killWriter(path, sets string) error {
	in, err := os.Open(sets)
	if err != nil {
		return err
	}
	defer in.Close()
	c := exec.Command(b.bin("kvsh"), "-q", "-d", path)
	c.Stdin = in
	if err := c.Start(); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	if err := c.Process.Kill(); err != nil {
		return err
	}
	_ = c.Wait() // it says that it was killed
	return nil
}
