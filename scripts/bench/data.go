//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kvsh/scripts/bench/drive"
)

// shapes are how one record is written in each file that a program reads, and
// what stands before and after all of them.
var shapes = map[string]struct{ head, record, tail string }{
	"csv":   {head: "key,value\n", record: "%s,%s\n"},
	"jsonl": {record: `{"key":"%s","value":"%s"}` + "\n"},
	"ldb":   {record: "%s ==> %s\n"},
	"gdbm":  {record: "store %s %s\n"},
	"lmdb": {
		head:   "VERSION=3\nformat=print\ntype=btree\nmapsize=17179869184\nHEADER=END\n",
		record: " %s\n %s\n", tail: "DATA=END\n",
	},
	"set":  {record: "set %s %s\n"},
	"sql":  {record: "insert or replace into kv values('%s','%s');\n"},
	"tx":   {head: "begin;\n", record: "insert or replace into kv values('%s','%s');\n", tail: "commit;\n"},
	"resp": {record: "*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$SIZE\r\n%s\r\n"},
}

// records writes a file with records, once, and returns its name.
func (b *bench) records(shape string, r drive.Records) (string, error) {
	order := "random"
	if r.Sorted {
		order = "sorted"
	}
	name := filepath.Join(b.dir, fmt.Sprintf("%d-%d-%s.%s", r.N, r.ValueSize, order, shape))
	return name, b.once(name, func(w *bufio.Writer) {
		s := shapes[shape]
		fmt.Fprint(w, s.head)
		parts := strings.Split(strings.Replace(s.record, "SIZE", fmt.Sprint(r.ValueSize), 1), "%s")
		var b []byte
		for key, value := range r.All() {
			b = append(append(b[:0], parts[0]...), key...)
			b = append(append(append(b, parts[1]...), value...), parts[2]...)
			if _, err := w.Write(b); err != nil {
				return // once will say it
			}
		}
		fmt.Fprint(w, s.tail)
	})
}

// lines writes a file of n lines, each about a record among those of r.
func (b *bench) lines(what, format string, n int, r drive.Records) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("%s-%d-of-%d.lines", what, n, r.N))
	return name, b.once(name, func(w *bufio.Writer) {
		for i := range n {
			fmt.Fprintf(w, format, r.Key(i*7919%r.N))
		}
	})
}

// once writes a file unless it is there.
func (b *bench) once(name string, fill func(w *bufio.Writer)) (err error) {
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fill(w)
	return errors.Join(w.Flush(), f.Close())
}

// randoms are n records in random order, with values of 100 bytes.
func randoms(n int) drive.Records { return drive.Records{N: n, ValueSize: 100} }

// loader returns the command that loads records into a new database of a
// program from files.
func (b *bench) loader(name, path string, r drive.Records) (command, error) {
	shape := map[string]string{"kvsh": "csv", "sqlite3": "csv", "ldb": "ldb", "gdbmtool": "gdbm"}[name]
	file := ""
	if shape != "" {
		var err error
		if file, err = b.records(shape, r); err != nil {
			return command{}, err
		}
	}
	switch name {
	case "kvsh":
		return command{args: []string{b.bin("kvsh"), "-q", "-d", path, "import", file}}, nil
	case "sqlite3":
		return command{args: []string{
			"sqlite3", path, "pragma journal_mode=wal",
			"create table kv(key text primary key, value text) without rowid", "pragma synchronous=full",
			".mode csv", ".import --skip 1 " + file + " kv",
		}}, nil
	case "ldb":
		return command{args: []string{b.tools["ldb"], "--db=" + path, "load", "--create_if_missing", "--bulk_load", "--compact"}, stdin: file}, nil
	case "gdbmtool":
		return command{args: []string{"gdbmtool", "--newdb", path}, stdin: file}, nil
	}
	order := "random"
	if r.Sorted {
		order = "sorted"
	} else if name == "bbolt" && r.N == b.huge {
		order = "ordered" // minutes, else
	}
	return command{args: []string{b.bin(name), "load", path, fmt.Sprint(r.N), fmt.Sprint(r.ValueSize), order}}, nil
}

// database returns a database of a program with n records, and makes it if it
// is not there.
func (b *bench) database(name string, n int) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("%s-%d.db", name, n))
	if name == "kvsh" || name == "engine" {
		path = filepath.Join(b.dir, fmt.Sprintf("kvsh-%d.kv", n))
		name = "kvsh"
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "bench: loading %s with %d records\n", name, n)
	load, err := b.loader(name, path, randoms(n))
	if err != nil {
		return "", err
	}
	if _, err := load.run(); err != nil {
		return "", errors.Join(err, remove(path))
	}
	return path, nil
}

// copyOf returns a copy of a database, for a row that changes it.
func copyOf(path, as string) error {
	if err := remove(as); err != nil {
		return err
	}
	_, err := output("cp", "-a", path, as)
	return err
}

// redis starts a server that syncs every write, and loads it. It ends with the
// context of the benchmark.
func (b *bench) redis(n int) (socket string, stop func(), err error) {
	if b.tools["redis-server"] == "" {
		return "", nil, errors.New("redis-server is not installed")
	}
	dir, err := os.MkdirTemp(b.dir, "redis")
	if err != nil {
		return "", nil, err
	}
	socket = filepath.Join(dir, "s")
	server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no")
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 200 {
		if _, err = os.Stat(socket); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n > 0 && err == nil {
		var file string
		if file, err = b.records("resp", randoms(n)); err == nil {
			_, err = command{args: []string{"redis-cli", "-s", socket, "--pipe"}, stdin: file}.run()
		}
	}
	if err != nil {
		stop()
		return "", nil, err
	}
	return socket, stop, nil
}
