//go:build crash

package engine

import (
	"io/fs"
	"path/filepath"
	"testing"

	"kvsh/engine/crashfs"
)

// These tests run by `make crash`, with a copy of tidwall/wal that calls
// package crashfs instead of package os.

// A crashSeam is a crashfs.FS as the engine wants it.
type crashSeam struct{ *crashfs.FS }

func (s crashSeam) Open(name string) (File, error) { return s.OpenFile(name, 0, 0) }

func (s crashSeam) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Ensure that the log library runs on the file system in memory, call by call
// as on a real one: else the explorer would explore something else.
func TestCrashSeam(t *testing.T) {
	mem := crashfs.Mount(crashfs.NewDisk())
	defer mem.Unmount()
	dir := filepath.Join(mem.Path(), "log")
	a, err := openAppender(dir, true, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := a.append(Rev(i+1), [][]byte{make([]byte, 40)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []crashfs.Kind
	for _, o := range mem.History().Ops {
		got = append(got, o.Kind)
	}
	want := []crashfs.Kind{
		crashfs.OpMkdir, crashfs.OpCreate, // open
		crashfs.OpWrite, crashfs.OpSync, // append
		crashfs.OpWrite, crashfs.OpSync, crashfs.OpCreate, crashfs.OpSync, // append, which fills the segment
		crashfs.OpWrite, crashfs.OpSync,
	}
	if len(got) != len(want) {
		t.Fatalf("the library made the calls %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the library made the calls %v, want %v", got, want)
		}
	}
}
