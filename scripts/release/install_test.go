package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// under is every file below a directory, sorted.
func under(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			below, _ := filepath.Rel(dir, name)
			names = append(names, below)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// What `make install` puts below a prefix works where it lies, and `make
// uninstall` takes away all of it and nothing else.
func TestInstall(t *testing.T) {
	need(t, "make")
	need(t, "install")
	source, prefix := copied(t), t.TempDir()
	other := filepath.Join(prefix, "share/man/man1/other.1")
	if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A tilde is the home directory, whichever shell make is called from.
	env := []string{"HOME=" + filepath.Dir(prefix), "GOCACHE=" + goCache(t), "GOPATH=" + goPath(t)}
	run(t, source, env, "make", "-s", "install", "PREFIX=~/"+filepath.Base(prefix))

	want := append(installed(t), "share/man/man1/other.1")
	slices.Sort(want)
	if got := under(t, prefix); !slices.Equal(got, want) {
		t.Errorf("installed are %q, want %q", got, want)
	}
	t.Run("man", func(t *testing.T) { findsPages(t, prefix) })
	t.Run("bash", func(t *testing.T) { completesInBash(t, prefix) })
	t.Run("zsh", func(t *testing.T) { completesInZsh(t, prefix) })
	t.Run("fish", func(t *testing.T) { completesInFish(t, prefix) })

	run(t, source, env, "make", "-s", "uninstall", "PREFIX="+prefix)
	if got := under(t, prefix); !slices.Equal(got, []string{"share/man/man1/other.1"}) {
		t.Errorf("after uninstall there are %q, want only what was there before", got)
	}
}

func goCache(t *testing.T) string { return strings.TrimSpace(run(t, ".", nil, "go", "env", "GOCACHE")) }

func goPath(t *testing.T) string { return strings.TrimSpace(run(t, ".", nil, "go", "env", "GOPATH")) }

func findsPages(t *testing.T, prefix string) {
	need(t, "man")
	env := []string{"MANPATH=" + filepath.Join(prefix, "share/man")}
	for _, page := range []string{"kvsh.1", "kvsh-get.1", "kvsh-format.5"} {
		name, section, _ := strings.Cut(page, ".")
		c := exec.Command("man", "-w", section, name)
		c.Env = append(os.Environ(), env...)
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), page) {
			t.Errorf("man -w %s %s = %q, %v", section, name, out, err)
		}
	}
}

// withProgram is the environment in which the shells find the program.
func withProgram(prefix string) []string {
	return []string{"PATH=" + filepath.Join(prefix, "bin") + ":" + os.Getenv("PATH"), "HOME=" + prefix, "XDG_CONFIG_HOME=" + prefix}
}

func completesInBash(t *testing.T, prefix string) {
	need(t, "bash")
	// bash-completion loads the file of this name when it first needs it.
	got := run(t, prefix, withProgram(prefix), "bash", "--norc", "-c",
		". share/bash-completion/completions/kvsh && complete -p kvsh")
	if !strings.Contains(got, " kvsh") {
		t.Errorf("complete -p kvsh = %q", got)
	}
}

func completesInZsh(t *testing.T, prefix string) {
	need(t, "zsh")
	got := run(t, prefix, withProgram(prefix), "zsh", "-f", "-c",
		`fpath=($PWD/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; print -r -- $_comps[kvsh]`)
	if strings.TrimSpace(got) != "_kvsh" {
		t.Errorf("the completion of kvsh in zsh is %q, want _kvsh", got)
	}
}

func completesInFish(t *testing.T, prefix string) {
	need(t, "fish")
	env := append(withProgram(prefix), "XDG_DATA_DIRS="+filepath.Join(prefix, "share"))
	got := run(t, prefix, env, "fish", "-c", "complete -C 'kvsh histo'")
	if !strings.Contains(got, "history") {
		t.Errorf("fish completes kvsh histo with %q, want history", got)
	}
}
