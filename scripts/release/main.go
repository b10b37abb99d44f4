// Command release makes the archives of a release: for each system the program,
// its man pages and completions, the README, the changelog and the licence, and
// beside them SHA256SUMS.
//
//	go run ./scripts/release [-o dist] [-version V] [OS/ARCH…]
//
// An archive holds one directory, laid out as `make install` does it, so
//
//	tar -xzf kvsh-V-linux-amd64.tar.gz --strip-components 1 -C ~/.local
//
// installs it. The same sources and the same Go give the same bytes, whoever
// makes them, when and where: times are that of SOURCE_DATE_EPOCH, else of the
// commit; owners, the umask and the order of files do not show. It needs Go and
// a shell.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// targets are the systems there are archives for. All are built and vetted by a
// test; the tests themselves run on Linux. Windows is not among them: kvsh opens
// no database there. Nor is OpenBSD, where a file that was written need not read
// the same through mmap.
var targets = []string{
	"linux/amd64", "linux/arm64",
	"darwin/amd64", "darwin/arm64",
	"freebsd/amd64", "freebsd/arm64",
}

func main() {
	out := flag.String("o", "dist", "directory for the archives")
	version := flag.String("version", "", "version; default: the tag, or the commit")
	flag.Parse()
	r, err := newRelease(".", *out, *version)
	if err == nil {
		err = r.make(flag.Args())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// A release is what all its archives have in common.
type release struct {
	root    string    // of the repository
	out     string    // directory of the archives
	version string    // as `kvsh version` prints it
	time    time.Time // of every file in them
}

func newRelease(root, out, version string) (*release, error) {
	if version == "" {
		version = "unknown"
		if v, err := git(root, "describe", "--tags", "--always", "--dirty"); err == nil {
			version = v
		}
	}
	if strings.ContainsAny(version, "/ ") {
		return nil, fmt.Errorf("version %q: it is part of a file name", version)
	}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		seconds = "0"
		if s, err := git(root, "log", "-1", "--format=%ct"); err == nil {
			seconds = s
		}
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return &release{root: root, out: out, version: version, time: time.Unix(n, 0).UTC()}, nil
}

// git is what git prints; an error where there is no git or no repository.
func git(root string, args ...string) (string, error) {
	c := exec.Command("git", args...)
	c.Dir = root
	b, err := c.Output()
	return strings.TrimSpace(string(b)), err
}

// make makes the archives of some systems, or of all, and SHA256SUMS over them.
func (r *release) make(systems []string) error {
	if len(systems) == 0 {
		systems = targets
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var archives []string
	for _, system := range systems {
		archive, err := r.archive(system)
		if err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
		fmt.Println(filepath.Join(r.out, archive))
		archives = append(archives, archive)
	}
	return writeSums(r.out, archives)
}

// archive makes one archive and returns its name.
func (r *release) archive(system string) (name string, err error) {
	goos, goarch, ok := strings.Cut(system, "/")
	if !ok {
		return "", errors.New("not of the form OS/ARCH")
	}
	stage, err := os.MkdirTemp("", "kvsh-release-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	if err := r.stage(stage, goos, goarch); err != nil {
		return "", err
	}
	top := fmt.Sprintf("kvsh-%s-%s-%s", r.version, goos, goarch)
	name = top + ".tar.gz"
	return name, writeArchive(filepath.Join(r.out, name), stage, top, r.time)
}

// stage puts the files of an archive below a directory, as `make install` does
// below its prefix.
func (r *release) stage(dir, goos, goarch string) error {
	program, err := filepath.Abs(filepath.Join(dir, "bin", "kvsh"))
	if err != nil {
		return err
	}
	// What the repository is (git or a copy) must not show in the program, so
	// Go does not look; the version says what it was built from.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X kvsh/cmd.Version="+r.version, "-o", program, ".")
	build.Dir = r.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	docs := exec.Command("sh", "scripts/install-docs.sh", "install", filepath.Dir(filepath.Dir(program)))
	docs.Dir = r.root
	if out, err := docs.CombinedOutput(); err != nil {
		return fmt.Errorf("install-docs.sh: %w\n%s", err, out)
	}
	return nil
}
