package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// host is the system the tests run on.
const host = runtime.GOOS + "/" + runtime.GOARCH

// run runs a program in a directory and returns what it printed.
func run(t *testing.T, dir string, env []string, words ...string) string {
	t.Helper()
	c := exec.Command(words[0], words[1:]...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// need skips a test without a program.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("no %s here", program)
	}
}

// Every system compiles and passes vet: for each system where kvsh opens databases
// one architecture with all packages and their tests, for the others the program;
// with -short the program for one architecture of each.
func TestTargets(t *testing.T) {
	what := map[string]string{"windows/amd64": ".", "darwin/arm64": ".", "freebsd/amd64": "."}
	if !testing.Short() {
		what["windows/arm64"] = "."
		for _, system := range targets {
			what[system] = "."
		}
		for _, system := range []string{"darwin/arm64", "freebsd/amd64"} { // linux is tested
			what[system] = "./..."
		}
	}
	for _, system := range slices.Sorted(maps.Keys(what)) {
		t.Run(system, func(t *testing.T) {
			goos, goarch, _ := strings.Cut(system, "/")
			env := []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}
			run(t, root, env, "go", "vet", what[system])
			run(t, root, env, "go", "build", "-o", os.DevNull, ".")
		})
	}
}

// copied is the sources without what was built and without the repository, as
// one who has no git finds them: other times, another place.
func copied(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		below, relErr := filepath.Rel(root, name)
		switch {
		case err != nil || relErr != nil:
			return fmt.Errorf("%w %w", err, relErr)
		case below == ".git" && !d.IsDir(), below == "kvsh":
			return nil
		case below == ".git" || below == "dist":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, below), b, info.Mode()&0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// An archive made from a copy, elsewhere and later, has the same bytes. What is
// in it runs, and is what `make install` installs.
func TestArchive(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var made [2][]byte
	for i, from := range []string{root, copied(t)} {
		r, err := newRelease(from, t.TempDir(), "v9.9.9")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.make([]string{host}); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("kvsh-v9.9.9-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH)
		if made[i], err = os.ReadFile(filepath.Join(r.out, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := exec.LookPath("sha256sum"); err == nil {
			run(t, r.out, nil, "sha256sum", "-c", "SHA256SUMS")
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Errorf("the archives of two copies of the sources differ: %d and %d bytes", len(made[0]), len(made[1]))
	}
	files := unpack(t, made[0])
	if got := run(t, files, nil, filepath.Join(files, "bin", "kvsh"), "version"); got != "kvsh v9.9.9\n" {
		t.Errorf("kvsh version in the archive printed %q", got)
	}
	for _, name := range installed(t) {
		if _, err := os.Stat(filepath.Join(files, name)); err != nil {
			t.Errorf("the archive lacks a file: %v", err)
		}
	}
}

// unpack unpacks an archive without its directory and returns where.
func unpack(t *testing.T, archive []byte) string {
	t.Helper()
	dir := t.TempDir()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		_, below, _ := strings.Cut(head.Name, "/")
		to := filepath.Join(dir, below)
		if head.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, head.FileInfo().Mode())
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, b, head.FileInfo().Mode())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Uid != 0 || head.Uname != "" || head.ModTime.Unix() != 1700000000 {
			t.Errorf("%s: owner %d %q, time %v", head.Name, head.Uid, head.Uname, head.ModTime)
		}
	}
}

// installed is every file of an installation, below its prefix.
func installed(t *testing.T) []string {
	t.Helper()
	names := []string{
		"bin/kvsh",
		"share/bash-completion/completions/kvsh",
		"share/zsh/site-functions/_kvsh",
		"share/fish/vendor_completions.d/kvsh.fish",
		"share/doc/kvsh/README.md", "share/doc/kvsh/CHANGELOG.md", "share/doc/kvsh/LICENSE",
	}
	for _, section := range []string{"1", "5"} {
		pages, err := filepath.Glob(root + "/man/*." + section)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			names = append(names, path.Join("share/man/man"+section, filepath.Base(page)))
		}
	}
	slices.Sort(names)
	return names
}
