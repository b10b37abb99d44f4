package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A mutant whose text is not in its file, or more than once, or whose tests are
// gone, is stale: it is mended with the code it was made for, in the same commit.
func TestMutantsAreNotStale(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	seen := make(map[string]bool)
	for _, m := range mutants() {
		if seen[m.name] || m.name == "" || m.promise == "" || m.old == m.new {
			t.Errorf("%q: a name twice, or nothing said or changed", m.name)
		}
		seen[m.name] = true
		if _, err := m.overlay(root, temp); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		for _, name := range strings.Split(strings.Trim(m.tests, "^()$"), "|") {
			if !regexp.MustCompile(`^Test\w+$`).MatchString(name) || !defined(t, root, name) {
				t.Errorf("%s: %q is no test of the engine", m.name, name)
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("%d mutants, want 25 or more", len(seen))
	}
}

// sources is the tests of the engine.
var sources string

func defined(t *testing.T, root, name string) bool {
	t.Helper()
	if sources == "" {
		entries, err := os.ReadDir(root + "/engine")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), "_test.go") {
				b, err := os.ReadFile(root + "/engine/" + e.Name())
				if err != nil {
					t.Fatal(err)
				}
				sources += string(b)
			}
		}
	}
	return strings.Contains(sources, "\nfunc "+name+"(t *testing.T)")
}

// What a test printed is attributed to it.
func TestBlame(t *testing.T) {
	out := "=== RUN\n--- FAIL: TestLaw (0.12s)\n    law_test.go:5: KVSH_SEED=7\n    law_test.go:9: lost k\nFAIL\n"
	if by, why := blame(out); by != "TestLaw" || why != "law_test.go:9: lost k" {
		t.Errorf("blame = %q, %q, want TestLaw and what it said", by, why)
	}
	if by, _ := blame("panic: boom\n"); by != "a panic" {
		t.Errorf("blame of a panic = %q", by)
	}
}
