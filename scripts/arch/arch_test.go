package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "kvsh"

// arrows names, for each directory at the top, the directories it may import.
// A directory may always import itself and what is below it. scripts is above
// everything: it may import all, and nothing may import it.
var arrows = map[string][]string{
	"":            {"cmd"}, // main.go
	"cmd":         {"repl", "format", "engine", "man", "completions"},
	"repl":        {},
	"format":      {},
	"engine":      {},
	"man":         {}, // knows roff alone
	"completions": {}, // knows other shells alone
}

// libraries names the one directory that may use each library, or the few
// where a library is a piece of plumbing. One that is not named here belongs
// to nobody yet: whoever adds it decides, here, whose it is.
var libraries = map[string][]string{
	"github.com/anishathalye/porcupine":    {"scripts"}, // tests: the order of histories
	"github.com/chzyer/readline":           {"repl"},
	"github.com/clipperhouse/displaywidth": {"repl", "format"},
	"github.com/creack/pty":                {"repl", "cmd"}, // tests
	"github.com/klauspost/compress":        {"engine", "format", "cmd"},
	"github.com/olekukonko/tablewriter":    {"format"},
	"github.com/rogpeppe/go-internal":      {"cmd"}, // tests
	"github.com/spf13/cobra":               {"cmd"},
	"github.com/spf13/pflag":               {"cmd"},
	"github.com/tidwall/wal":               {"engine"},
	"github.com/valyala/fastjson":          {"format"},
	"go.starlark.net":                      {"engine"}, // engine/handler, see oneDir
	"golang.org/x/sys":                     {"engine", "repl", "cmd"},
	"golang.org/x/term":                    {"repl", "cmd", "format"},
}

// oneFile names libraries that a single file of the repository may import,
// apart from tests.
var oneFile = map[string]string{
	"github.com/tidwall/wal": "engine/log.go",
}

// oneDir names libraries that a single package may import.
var oneDir = map[string]string{
	"go.starlark.net": "kvsh/engine/handler",
}

// top is everything that may stand at the top of the repository.
var top = []string{
	".ci", ".gitattributes", ".gitignore", ".golangci.yml",
	"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
	"cmd", "completions", "engine", "format", "go.mod", "go.sum", "main.go",
	"man", "repl", "scripts",
}

// A listed is what `go list -json` says of a package.
type listed struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// violation says why a package of the module may not import another one, or
// returns "". Both are import paths; standard is whether imported is of the
// standard library.
func violation(importer, imported string, standard bool) string {
	from := topDir(importer)
	if from == "scripts" || standard {
		return ""
	}
	if imported == module || strings.HasPrefix(imported, module+"/") {
		to := topDir(imported)
		if to == from || slices.Contains(arrows[from], to) {
			return ""
		}
		return fmt.Sprintf("%s imports %s: no arrow leads from %q to %q", importer, imported, from, to)
	}
	for library, dirs := range libraries {
		if imported != library && !strings.HasPrefix(imported, library+"/") {
			continue
		}
		if only := oneDir[library]; only != "" && importer != only {
			return fmt.Sprintf("%s imports %s: only %s may", importer, imported, only)
		}
		if slices.Contains(dirs, from) {
			return ""
		}
		return fmt.Sprintf("%s imports %s: that library is used by %v only", importer, imported, dirs)
	}
	return fmt.Sprintf("%s imports %s: scripts/arch does not say whose library that is", importer, imported)
}

// topDir is the directory at the top of the module that holds a package; ""
// for the main package.
func topDir(importPath string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	dir, _, _ := strings.Cut(rest, "/")
	return dir
}

// root is the top of the repository.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("go env GOMOD: %v", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// list returns every package of the module.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

// standard reports whether an import path is of the standard library: the first
// element of those has no dot, and of all others only that of kvsh has none.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return first != module && !strings.Contains(first, ".")
}

func TestImportsFollowTheArrows(t *testing.T) {
	all := list(t)
	if len(all) < 2 {
		t.Fatalf("go list found %d packages, want at least main and engine", len(all))
	}
	for _, p := range all {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if v := violation(p.ImportPath, imported, standard(imported)); v != "" {
				t.Error(v)
			}
		}
	}
}

// A rule that refuses nothing holds for everything: here is what it must refuse.
func TestArrowsRefuse(t *testing.T) {
	for _, c := range []struct {
		importer, imported string
		allowed            bool
	}{
		{"kvsh", "kvsh/cmd", true},
		{"kvsh", "kvsh/engine", false},
		{"kvsh/cmd", "kvsh/engine", true},
		{"kvsh/cmd", "kvsh/format", true},
		{"kvsh/cmd", "kvsh/repl", true},
		{"kvsh/cmd", "kvsh/scripts/blackbox", false},
		{"kvsh/engine", "kvsh/cmd", false},
		{"kvsh/engine", "kvsh/format", false},
		{"kvsh/engine/enginetest", "kvsh/engine", true},
		{"kvsh/engine/enginetest", "kvsh/format", false},
		{"kvsh/format", "kvsh/engine", false},
		{"kvsh/repl", "kvsh/format", false},
		{"kvsh/cmd", "github.com/spf13/cobra", true},
		{"kvsh/cmd", "github.com/spf13/cobra/doc", true},
		{"kvsh/repl", "github.com/spf13/cobra", false},
		{"kvsh/format", "github.com/tidwall/wal", false},
		{"kvsh/cmd", "github.com/chzyer/readline", false},
		{"kvsh/engine", "example.com/unknown", false},
		{"kvsh/engine", "io/fs", true},
		{"kvsh/engine", "go.starlark.net/starlark", false},
		{"kvsh/engine/handler", "go.starlark.net/starlark", true},
		{"kvsh/scripts/blackbox", "kvsh/engine", true},
	} {
		got := violation(c.importer, c.imported, standard(c.imported)) == ""
		if got != c.allowed {
			t.Errorf("violation(%q, %q): allowed = %v, want %v", c.importer, c.imported, got, c.allowed)
		}
	}
}

func TestLibraryInOneFile(t *testing.T) {
	dir := root(t)
	for library, want := range oneFile {
		for _, p := range list(t) {
			if !slices.Contains(p.Imports, library) {
				continue
			}
			for _, name := range p.GoFiles {
				file := filepath.Join(p.Dir, name)
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				rel, err := filepath.Rel(dir, file)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text, []byte(`"`+library+`"`)) && filepath.ToSlash(rel) != want {
					t.Errorf("%s imports %s: only %s may", rel, library, want)
				}
			}
		}
	}
}

// The top of the repository holds what CONTRIBUTING.md lists and nothing else,
// as far as git knows of it.
func TestTopOfTheRepository(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("no git repository here: %v", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "/")
		seen[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if !slices.Contains(top, name) {
			t.Errorf("%s stands at the top of the repository: it belongs into one of the directories there", name)
		}
	}
}
