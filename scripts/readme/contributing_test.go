package readme

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared is the functions of a file, and its methods as Type.method.
func declared(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Errorf("CONTRIBUTING.md: %v", err)
		return nil
	}
	var names []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			of := fn.Recv.List[0].Type
			if pointer, ok := of.(*ast.StarExpr); ok {
				of = pointer.X
			}
			if id, ok := of.(*ast.Ident); ok {
				name = id.Name + "." + name
			}
		}
		names = append(names, name)
	}
	return names
}

// The functions on the way from main to the disk are where they are said to be.
func TestOneCall(t *testing.T) {
	b, err := os.ReadFile(root + "/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_/]+\\.go)` \\| (`[^|]*`) \\|")
	code := regexp.MustCompile("`([^`]+)`")
	named := 0
	for _, m := range row.FindAllStringSubmatch(string(b), -1) {
		names := declared(t, m[1])
		for _, function := range code.FindAllStringSubmatch(m[2], -1) {
			named++
			if !slices.Contains(names, function[1]) {
				t.Errorf("CONTRIBUTING.md: %s has no function %s", m[1], function[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("%d functions are named, want 50 and more: were they found?", named)
	}
}

// What a step says to add to is there: `name` in `file`.
func TestSteps(t *testing.T) {
	b, err := os.ReadFile(root + "/CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(b)), " ")
	place := regexp.MustCompile("`([A-Za-z]+)` in `([a-z_/]+\\.go)`")
	found := place.FindAllStringSubmatch(text, -1)
	if len(found) < 6 {
		t.Errorf("%d places are named, want 6 and more: were they found?", len(found))
	}
	for _, m := range found {
		source, err := os.ReadFile(filepath.Join(root, m[2]))
		if err != nil || !regexp.MustCompile(`\b`+m[1]+`\b`).Match(source) {
			t.Errorf("CONTRIBUTING.md: %s is not in %s (error %v)", m[1], m[2], err)
		}
	}
	file := regexp.MustCompile("`((?:cmd|engine|format|repl|scripts|man)/[a-zA-Z_/.-]+\\.[a-z0-9]+)`")
	for _, m := range file.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "NAME") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("CONTRIBUTING.md names %s: %v", m[1], err)
		}
	}
}
