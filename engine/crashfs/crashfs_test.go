package crashfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kvsh/engine/crashfs"
)

// newRand returns a source whose seed is in the log of the test.
func newRand(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// A handle is what the two file systems have in common.
type handle interface {
	io.ReaderAt
	io.WriterAt
	io.Writer
	io.Seeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// A system is package os, or an FS below its mount.
type system struct {
	open              func(path string, flag int) (handle, error)
	mkdir, remove     func(path string) error
	rename            func(from, to string) error
	readDir, readFile func(path string) (string, error)
}

func realSystem(root string) system {
	at := func(path string) string { return filepath.Join(root, path) }
	return system{
		open: func(path string, flag int) (handle, error) {
			f, err := os.OpenFile(at(path), flag, 0o600)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		mkdir:  func(path string) error { return os.Mkdir(at(path), 0o700) },
		remove: func(path string) error { return os.Remove(at(path)) },
		rename: func(from, to string) error { return os.Rename(at(from), at(to)) },
		readDir: func(path string) (string, error) {
			entries, err := os.ReadDir(at(path))
			return listing(entries), err
		},
		readFile: func(path string) (string, error) { b, err := os.ReadFile(at(path)); return string(b), err },
	}
}

func memSystem(s *crashfs.FS) system {
	at := func(path string) string { return filepath.Join(s.Path(), path) }
	return system{
		open: func(path string, flag int) (handle, error) {
			f, err := crashfs.OpenFile(at(path), flag, 0o600)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		mkdir:  func(path string) error { return s.Mkdir(at(path), 0o700) },
		remove: func(path string) error { return crashfs.Remove(at(path)) },
		rename: func(from, to string) error { return crashfs.Rename(at(from), at(to)) },
		readDir: func(path string) (string, error) {
			entries, err := s.ReadDir(at(path))
			return listing(entries), err
		},
		readFile: func(path string) (string, error) { b, err := crashfs.ReadFile(at(path)); return string(b), err },
	}
}

func listing(entries []fs.DirEntry) string {
	var b strings.Builder
	for _, e := range entries {
		size := int64(0)
		if info, err := e.Info(); err == nil && !e.IsDir() {
			size = info.Size()
		}
		fmt.Fprintf(&b, "%s %t %d\n", e.Name(), e.IsDir(), size)
	}
	return b.String()
}

// kind is what two errors have to agree on.
func kind(err error) string {
	for _, e := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, io.EOF} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return "another error"
	}
	return ""
}

// Ensure that the file system in memory does what package os does: the same
// calls have the same answers.
func TestLikeOS(t *testing.T) {
	r := newRand(t)
	for range 60 {
		mem := crashfs.Mount(crashfs.NewDisk())
		both := []system{realSystem(t.TempDir()), memSystem(mem)}
		open := [2][]handle{}
		var done []string
		for range 120 {
			what, answers := step(r, both, &open)
			done = append(done, what)
			if answers[0] != answers[1] {
				t.Fatalf("%s: in memory %q, package os says %q\nafter %s", what, answers[1], answers[0], strings.Join(done, ", "))
			}
		}
		for i := range open {
			for _, f := range open[i] {
				f.Close()
			}
		}
		mem.Unmount()
	}
}

func isDir(s system, path string) bool {
	_, err := s.readDir(path)
	return err == nil
}

// step makes one random call on both.
func step(r *rand.Rand, both []system, open *[2][]handle) (what string, answers [2]string) {
	paths := []string{"a", "b", "d/a", "d/b", "e/a", "d", "e", "d/x/y"}
	path, other := paths[r.IntN(len(paths))], paths[r.IntN(5)]
	flags := []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_RDWR | os.O_CREATE | os.O_TRUNC}
	flag, offset, size := flags[r.IntN(len(flags))], int64(r.IntN(40)), r.IntN(30)
	data := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, size+1)
	call := r.IntN(12)
	pick := r.IntN(1 << 30)
	for i, s := range both {
		var f handle
		if n := len(open[i]); n > 0 {
			f = open[i][pick%n]
		}
		answer := ""
		var err error
		switch {
		case call == 0:
			what, err = "mkdir "+path, s.mkdir(path)
		case call == 1:
			what, err = "remove "+path, s.remove(path)
		case call == 2 && !isDir(s, path) && !isDir(s, other):
			what, err = "rename "+path+" "+other, s.rename(path, other)
		case call == 3:
			what = "readdir " + path
			answer, err = s.readDir(path)
		case call == 4:
			what = "readfile " + path
			answer, err = s.readFile(path)
		case call <= 6 || f == nil:
			what = fmt.Sprintf("open %s %#x", path, flag)
			var h handle
			if h, err = s.open(path, flag); err == nil && isDir(s, path) {
				h.Close() // a folder is opened for its lock only
			} else if err == nil {
				open[i] = append(open[i], h)
			}
		case call == 7:
			what = fmt.Sprintf("writeat %d %d", offset, len(data))
			_, err = f.WriteAt(data, offset)
		case call == 8:
			what = fmt.Sprintf("write %d", len(data))
			_, err = f.Write(data)
		case call == 9:
			what, err = fmt.Sprintf("truncate %d", offset), f.Truncate(offset)
		case call == 10:
			what = fmt.Sprintf("seek to the end, and %d back", size)
			_, err = f.Seek(-int64(size), io.SeekEnd)
		default:
			what = fmt.Sprintf("readat %d %d", offset, size)
			b := make([]byte, size)
			var n int
			n, err = f.ReadAt(b, offset)
			answer = string(b[:n])
			if size == 0 {
				err = nil // package os asks nobody
			}
		}
		answers[i] = answer + kind(err)
	}
	return what, answers
}

// Ensure that a lock has one holder, and that closing gives it back.
func TestLock(t *testing.T) {
	mem := crashfs.Mount(crashfs.NewDisk())
	defer mem.Unmount()
	var files [2]*crashfs.File
	for i := range files {
		f, err := mem.OpenFile(mem.Path()+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = f
	}
	for i, want := range []bool{true, false} {
		if ok, err := files[i].Lock(); ok != want || err != nil {
			t.Errorf("Lock of file %d = %t, %v, want %t", i, ok, err, want)
		}
	}
	files[0].Close()
	if ok, err := files[1].Lock(); !ok || err != nil {
		t.Errorf("Lock after the other was closed = %t, %v, want true", ok, err)
	}
}
