package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plainFS is a file system of which no system tells anything.
type plainFS struct{ FS }

// watching collects what a Watch of db yields, as lines "rev key", and then its
// error.
func watching(t *testing.T, db *DB, from Rev) (context.CancelFunc, <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	lines, done := make(chan string), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for c, err := range db.Watch(ctx, from) {
			line := fmt.Sprint(err)
			if err == nil {
				line = fmt.Sprint(c.Rev)
				for e, err := range c.Events {
					line += fmt.Sprint(" ", e.Key)
					if err != nil {
						line += err.Error()
					}
				}
			}
			select {
			case lines <- line:
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return cancel, lines
}

func wantLine(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	if got, ok := <-lines; !ok || !strings.Contains(got, want) {
		t.Fatalf("Watch yields %q, %v, want %q", got, ok, want)
	}
}

// Ensure that a watch sees the commits of another handle, also one that makes
// the database, wherever its files are, and ends with its context.
func TestWatchSeesOtherHandles(t *testing.T) {
	for name, fsys := range map[string]FS{"told": OS, "polling": plainFS{OS}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "t.kv")
			db := openTest(t, dir, Options{Create: true, FS: fsys})
			cancel, lines := watching(t, db, 1)
			other := openTest(t, dir, Options{Create: true})
			for rev := 1; rev <= 20; rev++ {
				key := fmt.Sprint("k", rev)
				updateTest(t, other, setKey(key))
				wantLine(t, lines, fmt.Sprint(rev, " ", key))
				if rev%7 == 0 {
					if _, err := other.Compact(t.Context(), CompactOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			cancel()
			wantLine(t, lines, context.Canceled.Error())
		})
	}
}

// Ensure that a watch does not go on with another database under the name of
// its own, nor wait for ever for one that is gone.
func TestWatchEndsWithItsDatabase(t *testing.T) {
	for name, fsys := range map[string]FS{"told": OS, "polling": plainFS{OS}} {
		for what, put := range map[string]func(t *testing.T, dir string){
			"removed": func(*testing.T, string) {},
			"replaced": func(t *testing.T, dir string) {
				db := openTest(t, dir, Options{Create: true})
				for _, key := range []string{"x", "y", "z"} {
					updateTest(t, db, setKey(key))
				}
			},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "t.kv")
				updateTest(t, openTest(t, dir, Options{Create: true}), setKey("a"))
				_, lines := watching(t, openTest(t, dir, Options{FS: fsys}), 1)
				wantLine(t, lines, "1 a")
				if err := os.Rename(dir, dir+".old"); err != nil {
					t.Fatal(err)
				}
				put(t, dir)
				wantLine(t, lines, ErrUnavailable.Error())
			})
		}
	}
}

// Ensure that a snapshot, to which nothing comes, is no place to wait.
func TestWatchRefusesSnapshot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	db := openTest(t, dir, Options{Create: true})
	updateTest(t, db, setKey("a"))
	if _, err := db.Snapshot(t.Context(), dir+"s"); err != nil {
		t.Fatal(err)
	}
	for _, from := range []Rev{0, 1, 9} {
		for _, err := range openTest(t, dir+"s", Options{}).Watch(t.Context(), from) {
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("Watch(%d) of a snapshot = %v, want %v", from, err, ErrUnsupported)
			}
			break
		}
	}
}
