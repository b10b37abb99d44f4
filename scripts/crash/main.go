// Crash runs the crash explorer of the engine: its tests with the build tag
// crash, on a file system in memory.
//
//	go run ./scripts/crash [FLAGS OF go test]
//
// tidwall/wal calls package os by itself. So that it runs there too, a copy of
// the version in go.mod is made whose two import lines differ, and nothing
// else: the module is first compared with its checksum in go.sum. The copy
// replaces the module for this one run of go test, by a go.mod of its own; the
// one that ships stays as it is.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	library = "github.com/tidwall/wal"
	stand   = "kvsh/engine/crashfs" // what stands in for os and io/ioutil
)

// imports are the lines of wal.go that are exchanged. Each must be there once.
var imports = map[string]string{
	"\t\"io/ioutil\"\n": "\tioutil \"" + stand + "\"\n",
	"\t\"os\"\n":        "\tos \"" + stand + "\"\n",
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			os.Exit(1) // go test has said why
		}
		fmt.Fprintf(os.Stderr, "crash: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	temp, err := os.MkdirTemp("", "kvsh-crash-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	gomod, err := output("go", "env", "GOMOD")
	if err != nil {
		return err
	}
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	module, err := prepare(root, temp)
	if err != nil {
		return err
	}
	fmt.Printf("%s %s: as in go.sum; copied with %d import lines exchanged\n", library, module.Version, len(imports))
	test := append([]string{
		"test", "-modfile=" + filepath.Join(temp, "crash.mod"), "-tags=crash", "-count=1", "-timeout=30m", "-v", "-run=^TestCrash",
	}, args...)
	cmd := exec.Command("go", append(test, "./engine")...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	show(out)
	return cmd.Wait()
}

// show prints what go test -v says, but for which test is under way.
func show(out io.Reader) {
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if !strings.HasPrefix(line, "=== ") {
			fmt.Print(line)
		}
		if err != nil {
			return
		}
	}
}

func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return out, nil
}

// A listed is what go list says of a module.
type listed struct{ Version, Dir, Sum string }

// prepare makes the copy, and the go.mod that uses it, in temp.
func prepare(root, temp string) (listed, error) {
	var m listed
	out, err := output("go", "mod", "download", "-json", library)
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil {
		return m, err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return m, err
	}
	sum, err := hashModule(m)
	if err != nil {
		return m, err
	}
	if line := fmt.Sprintf("%s %s %s\n", library, m.Version, sum); !bytes.Contains(sums, []byte(line)) {
		return m, fmt.Errorf("%s is not the %s %s of go.sum", m.Dir, library, m.Version)
	}
	source := filepath.Join(temp, "wal")
	if err := os.Mkdir(source, 0o700); err != nil {
		return m, err
	}
	if err := copyLibrary(m.Dir, source); err != nil {
		return m, err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return m, err
	}
	gomod = fmt.Appendf(gomod, "\nreplace %s => %s\n", library, source)
	return m, errors.Join(
		os.WriteFile(filepath.Join(temp, "crash.mod"), gomod, 0o600),
		os.WriteFile(filepath.Join(temp, "crash.sum"), sums, 0o600))
}

// copyLibrary copies the library with its imports exchanged.
func copyLibrary(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasSuffix(name, "_test.go") || (name != "go.mod" && filepath.Ext(name) != ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if name == "wal.go" {
			for old, line := range imports {
				if n := bytes.Count(text, []byte(old)); n != 1 {
					return fmt.Errorf("%s has the line %q %d times, want once", name, strings.TrimSpace(old), n)
				}
				text = bytes.Replace(text, []byte(old), []byte(line), 1)
			}
		} else if filepath.Ext(name) == ".go" {
			return fmt.Errorf("%s has a file %s: it may call os too", library, name)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// hashModule is the checksum of a module as go.sum has it: "h1:" and the
// SHA-256 of a list of its files with theirs (golang.org/x/mod/sumdb/dirhash).
func hashModule(m listed) (string, error) {
	var lines []string
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Dir, path)
		lines = append(lines, fmt.Sprintf("%s@%s/%s\n%x", library, m.Version, filepath.ToSlash(rel), sha256.Sum256(text)))
		return err
	})
	if err != nil {
		return "", err
	}
	slices.Sort(lines) // by name
	all := sha256.New()
	for _, l := range lines {
		name, sum, _ := strings.Cut(l, "\n")
		fmt.Fprintf(all, "%s  %s\n", sum, name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(all.Sum(nil)), nil
}
