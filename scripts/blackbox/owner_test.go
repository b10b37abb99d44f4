//go:build linux

package blackbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// somebody is a user that no file here belongs to by itself.
const somebody = 65534

// Ensure that what root does to a database of somebody else leaves all of it
// theirs: they go on writing.
func TestRootKeepsTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can write to a database of somebody else")
	}
	db := newDB(t)
	db.must(t, "", "set", "mine", "1")
	dir := string(db)
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	give := func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, somebody, somebody)
	}
	if err := filepath.WalkDir(dir, give); err != nil {
		t.Fatal(err)
	}
	// A file with a second name may belong to anybody.
	secret := filepath.Join(filepath.Dir(dir), "secret")
	if err := os.WriteFile(secret, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(secret, filepath.Join(dir, "tables", "link")); err != nil {
		t.Fatal(err)
	}

	// A file that root made and its folder's owner put here.
	planted := filepath.Join(dir, "tables", "planted")
	if err := os.WriteFile(planted, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The same database by a name that belongs to somebody else.
	roots, link := newDB(t), newDB(t)
	roots.must(t, "", "set", "a", "1")
	if err := errors.Join(os.Symlink(string(roots), string(link)), os.Lchown(string(link), somebody, somebody)); err != nil {
		t.Fatal(err)
	}

	big := strings.Repeat("v", 100<<10)
	for i := range 6 { // past the end of a segment
		db.must(t, big, "set", fmt.Sprint("big", i))
		link.must(t, big, "set", fmt.Sprint("big", i))
	}
	db.must(t, "", "config", "history.keep", "1h")
	db.must(t, "", "compact")
	var lines strings.Builder
	for i := range 200_000 { // tables of their own
		fmt.Fprintf(&lines, "k%d\tv\n", i)
	}
	db.must(t, lines.String(), "import", "--format", "tsv")
	tear(t, dir)
	db.must(t, "", "set", "cut", "1")
	if err := os.Remove(filepath.Join(dir, "MARK")); err != nil {
		t.Fatal(err)
	}
	db.must(t, "", "set", "after", "1")

	kinds := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == planted || filepath.Base(path) == "link" {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != somebody {
			t.Errorf("%s belongs to %d, want %d", strings.TrimPrefix(path, dir), uid, somebody)
		}
		kinds[filepath.Base(filepath.Dir(path))]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"log", "history", "tables", "quarantine"} {
		if kinds[folder] == 0 {
			t.Errorf("nothing was made in %s: %v", folder, kinds)
		}
	}
	for _, path := range append(below(t, string(roots)), secret, planted) {
		info, err := os.Stat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s is root's own and was given away: %v", path, err)
		}
	}
}

// below is a folder and all that is in it.
func below(t *testing.T, top string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// tear puts half a record behind the last segment of the log.
func tear(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "log", "0*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("segments: %v, %v", names, err)
	}
	f, err := os.OpenFile(names[len(names)-1], os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString("\x7fhalf a record")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
