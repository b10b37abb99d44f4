package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
)

// A scanFile is a file whose reads may fail, with the mapping beside them.
type scanFile struct {
	oneFile
	fails bool
	reads *atomic.Int64 // that did not fail
}

type scanFS struct {
	oneFileFS
	fails bool
	reads *atomic.Int64
}

func (s scanFS) OpenFile(string, int, fs.FileMode) (File, error) {
	return scanFile{oneFile{data: s.data}, s.fails, s.reads}, nil
}

func (f scanFile) ReadAt(p []byte, off int64) (int, error) {
	if f.fails {
		return 0, errors.New("input/output error")
	}
	f.reads.Add(1)
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Ensure that a scan for matches yields the same the first time, when it reads
// keys without mapping them, as later, and where such reads fail.
func TestFirstScan(t *testing.T) {
	r := tableRand(t)
	for _, compress := range []bool{false, true} {
		o := smallTable
		o.compress = compress
		vs := randomVersions(r, 800)
		path, _ := writeTable(t, o, vs)
		for range 30 {
			tab, err := openTable(OS, path, "tables/t.kvt", assigned{})
			if err != nil {
				t.Fatal(err)
			}
			rare := userKey(vs[r.IntN(len(vs))].key)
			for _, suffix := range []string{string(rare), "a", "none has this"} {
				o := iterOptions{reverse: r.IntN(2) == 0, match: func(key []byte) bool { return bytes.HasSuffix(key, []byte(suffix)) }}
				if r.IntN(3) == 0 {
					o.lo = vs[r.IntN(len(vs)/4)].key
				}
				if r.IntN(3) == 0 {
					o.hi = vs[len(vs)-1-r.IntN(len(vs)/4)].key
				}
				for _, scanned := range []bool{false, true} {
					tab.scanned.Store(scanned)
					what := fmt.Sprintf("suffix %.20q, lo %.20q, hi %.20q, reverse %t, scanned %t", suffix, o.lo, o.hi, o.reverse, scanned)
					checkSource(t, what, tab.iter(o), selectVersions(vs, o))
				}
			}
			tab.release()
		}
	}
}

// Ensure that damage of keys does not pass by a scan that only looks at them:
// wherever a bit is flipped, it finds what a scan through the mapping finds.
func TestFirstScanDamaged(t *testing.T) {
	var vs []version
	for i := range 70 {
		vs = append(vs, version{key: fmt.Appendf(nil, "\x00key%03d", i), rev: Rev(i + 1), stamp: Stamp(i * i), value: []byte{byte(i)}, size: 1})
	}
	o := smallTable
	o.blockSize, o.pageSize = 100, 150
	path, info := writeTable(t, o, vs)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int64
	scan := func(fails, scanned bool) error {
		tab, err := openTable(scanFS{oneFileFS{data: data}, fails, &reads}, "", "tables/t.kvt", assigned{})
		if err != nil {
			return err
		}
		defer tab.release()
		tab.scanned.Store(scanned)
		none := tab.iter(iterOptions{keysOnly: true, match: func([]byte) bool { return false }})
		defer none.close()
		if none.next() {
			return fmt.Errorf("yields %v, want nothing", none.cur())
		}
		return none.err()
	}
	if err := scan(false, false); err != nil || reads.Load() != int64(info.blocks) {
		t.Fatalf("a scan reads %d blocks, %v, want all %d and no error", reads.Load(), err, info.blocks)
	}
	for i := range data {
		data[i] ^= 1 << (i % 8)
		want := fmt.Sprint(scan(false, true))
		if got := fmt.Sprint(scan(false, false)); got != want {
			t.Errorf("byte %d flipped: the first scan says %s, a later one %s", i, got, want)
		}
		if got := fmt.Sprint(scan(true, false)); got != want {
			t.Errorf("byte %d flipped, no reads: the first scan says %s, a later one %s", i, got, want)
		}
		data[i] ^= 1 << (i % 8)
	}
}

// A countedFS is the real file system, and counts the files that are open.
type countedFS struct {
	FS
	open *atomic.Int64
}

type countedFile struct {
	File
	open *atomic.Int64
}

func (c countedFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return countedFile{f, c.open}, nil
}

func (f countedFile) Close() error {
	f.open.Add(-1)
	return f.File.Close()
}

// Ensure that a table which is open keeps no descriptor, but for a scan that
// reads keys from the file: a database has more tables than a process may have
// files. A scan through a table whose file is gone goes by the mapping.
func TestTableKeepsNoFile(t *testing.T) {
	r := tableRand(t)
	vs := randomVersions(r, 800)
	for _, gone := range []bool{false, true} {
		path, _ := writeTable(t, smallTable, vs)
		var open atomic.Int64
		tab, err := openTable(countedFS{OS, &open}, path, "tables/t.kvt", assigned{})
		if err != nil {
			t.Fatal(err)
		}
		defer tab.release()
		if gone {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if n := open.Load(); n != 0 {
			t.Errorf("an open table keeps %d files open, want none", n)
		}
		o := iterOptions{match: func(key []byte) bool { return len(key)%7 == 0 }}
		checkSource(t, fmt.Sprintf("first scan, file gone: %t", gone), tab.iter(o), selectVersions(vs, o))
		if n := open.Load(); n != 0 {
			t.Errorf("behind a scan %d files are open, want none", n)
		}
	}
}
