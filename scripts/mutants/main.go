// Command mutants shows that the tests of the engine can fail. It switches off
// what guards the data, one guard at a time, and runs the tests: one of them
// has to notice.
//
//	go run ./scripts/mutants [-run REGEXP] [-quick] [-likely] [-j N] [-v]
//
// A mutant is an exact replacement in one file, compiled by go build -overlay:
// the tree itself stays as it is. A text that is not there exactly once, or no
// longer compiles, fails the run, so that no mutant goes stale in silence. The
// tests that are likely to notice come first, and if they do not, all others,
// unless -likely says that they have to. The exit status is 0 if every mutant was noticed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The promises that a mutant breaks:
//
//	P1  what was answered stays, through kill and loss of power
//	P2  a transaction, and a database, is there whole or not at all
//	P3  damaged or foreign bytes are never data, and never skipped in silence
//	P4  an answer is true: committed, not committed, or outcome unknown
//	P5  who reads is not disturbed by who writes
//	P6  what several processes do is what one could have done
//	P9  repair, recovery and backups destroy nothing

// A mutant is one guard switched off.
type mutant struct {
	name    string // what is switched off
	promise string // what then no longer holds: a number of the list above, and in words
	file    string // below the repository
	old     string // stands in the file exactly once
	new     string
	tests   string // likely to notice; a regular expression as of go test -run
	quick   bool   // is part of a quick run
}

// A verdict is what became of a mutant.
type verdict struct {
	by   string // the test that noticed; empty: it survived
	why  string // the first line that the test printed
	took time.Duration
	err  error // the mutant could not be tried
}

func main() {
	only := flag.String("run", "", "try only mutants whose name matches")
	quick := flag.Bool("quick", false, "try only one mutant of each kind, in well under a minute")
	likely := flag.Bool("likely", false, "run only the tests that are likely to notice")
	jobs := flag.Int("j", 2, "mutants tried at once")
	limit := flag.Duration("timeout", 4*time.Minute, "limit of one mutant")
	verbose := flag.Bool("v", false, "print what the noticing test printed")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err == nil {
		err = run(pattern, *quick, options{*likely, *jobs, *limit, *verbose})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

// options say how the mutants are tried.
type options struct {
	likely  bool // run only the tests that are likely to notice
	jobs    int
	limit   time.Duration // of one mutant
	verbose bool
}

func run(only *regexp.Regexp, quick bool, o options) error {
	root, err := repository()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "kvsh-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	var chosen []mutant
	for _, m := range mutants() {
		if only.MatchString(m.name) && (!quick || m.quick) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return errors.New("no mutant is chosen")
	}
	start := time.Now()
	verdicts := make([]verdict, len(chosen))
	next := make(chan int)
	var group sync.WaitGroup
	for range max(o.jobs, 1) {
		group.Go(func() {
			for i := range next {
				began := time.Now()
				verdicts[i] = chosen[i].try(root, filepath.Join(temp, fmt.Sprint(i)), &o)
				verdicts[i].took = time.Since(began)
				fmt.Fprintf(os.Stderr, "%3d/%d %s: %s\n", i+1, len(chosen), chosen[i].name, verdicts[i].word())
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	group.Wait()
	return report(chosen, verdicts, o.verbose, time.Since(start))
}

// repository is the folder that holds go.mod.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	name := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(name) != "go.mod" {
		return "", fmt.Errorf("this is no checkout of kvsh: %q, %w", name, err)
	}
	return filepath.Dir(name), nil
}

func (v *verdict) word() string {
	switch {
	case v.err != nil:
		return "NOT TRIED: " + v.err.Error()
	case v.by == "":
		return "SURVIVED"
	}
	return v.by
}

// report prints the table, and returns an error unless all were noticed.
func report(chosen []mutant, verdicts []verdict, verbose bool, took time.Duration) error {
	bad, width := 0, 0
	for i := range chosen {
		width = max(width, len(chosen[i].name))
	}
	for i := range chosen {
		m, v := &chosen[i], &verdicts[i]
		if v.err != nil || v.by == "" {
			bad++
		}
		fmt.Printf("%-*s  %-32s  %5.1fs  %s\n", width, m.name, v.word(), v.took.Seconds(), m.promise)
		if verbose && v.why != "" {
			fmt.Printf("%-*s    %s\n", width, "", v.why)
		}
	}
	fmt.Printf("%d mutants, %d noticed, %d not, in %v\n", len(chosen), len(chosen)-bad, bad, took.Round(time.Second))
	if bad > 0 {
		return fmt.Errorf("%d of %d mutants were not noticed", bad, len(chosen))
	}
	return nil
}

// try builds the tests with the mutant and runs them until one fails.
func (m *mutant) try(root, temp string, o *options) (v verdict) {
	if v.err = os.Mkdir(temp, 0o700); v.err != nil {
		return v
	}
	defer os.RemoveAll(temp)
	overlay, err := m.overlay(root, temp)
	if err != nil {
		v.err = err
		return v
	}
	binary := filepath.Join(temp, "test")
	build := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+filepath.Dir(m.file))
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		v.err = fmt.Errorf("does not compile: %s", strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " / "))
		return v
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.limit)
	defer cancel()
	for _, tests := range []string{m.tests, "."} {
		if tests == "." && o.likely {
			break
		}
		c := exec.CommandContext(ctx, binary, "-test.short", "-test.failfast", "-test.timeout", (2 * o.limit).String(), "-test.run", tests)
		c.Dir = filepath.Join(root, filepath.Dir(m.file))
		out, err := c.CombinedOutput()
		if ctx.Err() != nil {
			// Slow is not noticed: no mutant makes a test run for ever.
			v.err = fmt.Errorf("the tests took longer than %v", o.limit)
			return v
		}
		if err != nil {
			v.by, v.why = blame(string(out))
			return v
		}
	}
	return v
}

// overlay writes the file with the mutant and the list that go build takes.
func (m *mutant) overlay(root, temp string) (string, error) {
	path := filepath.Join(root, filepath.FromSlash(m.file))
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(b), m.old); n != 1 {
		return "", fmt.Errorf("%s has the text %d times, want once: %q", m.file, n, m.old)
	}
	changed := filepath.Join(temp, filepath.Base(path))
	if err := os.WriteFile(changed, []byte(strings.Replace(string(b), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temp, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// failed is the line of a test that failed, or of an example.
var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// blame says which test failed, and the first thing it said.
func blame(out string) (by, why string) {
	by = "a panic"
	at := failed.FindStringSubmatchIndex(out)
	if at != nil {
		by = out[at[2]:at[3]]
		out = out[at[1]:]
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "(") || strings.Contains(line, "KVSH_SEED") || strings.HasPrefix(line, "---") {
			continue
		}
		return by, line
	}
	return by, ""
}
