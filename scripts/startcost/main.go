// Command startcost measures what each dependency costs at every start of a
// program that links it, used or not, next to a program that is empty.
//
//	go run ./scripts/startcost [-n runs] [-init] [IMPORT,IMPORT… …]
//
// Each argument is one variant: the import paths of a program that does
// nothing else. Without arguments the libraries of kvsh are measured, and kvsh
// itself if it was built. All variants are started in turn, over and over, so
// that what else the machine does falls on all of them alike. The figures are
// medians, in milliseconds from fork to exit.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A variant is a program to start.
type variant struct {
	name string
	args []string // with the program first
	runs []time.Duration
}

// usual is what kvsh links or might link.
var usual = []string{
	"os", "fmt", "context,errors,iter,slices",
	"github.com/spf13/cobra",
	"github.com/chzyer/readline",
	"github.com/olekukonko/tablewriter",
	"github.com/tidwall/wal",
	"github.com/klauspost/compress/zstd",
	"compress/gzip",
	"github.com/valyala/fastjson",
	"encoding/json",
	"encoding/csv",
	"regexp",
	"go.starlark.net/starlark",
	"golang.org/x/sys/unix",
	"golang.org/x/term",
	"github.com/spf13/cobra,github.com/chzyer/readline,github.com/olekukonko/tablewriter",
	"github.com/spf13/cobra,github.com/chzyer/readline,github.com/olekukonko/tablewriter," +
		"github.com/tidwall/wal,github.com/klauspost/compress/zstd,compress/gzip," +
		"github.com/valyala/fastjson,encoding/json,golang.org/x/sys/unix",
}

func main() {
	n := flag.Int("n", 300, "how often each program is started")
	trace := flag.Bool("init", false, "also print what the initialisation of each package costs")
	flag.Parse()
	if err := run(*n, *trace, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "startcost: %v\n", err)
		os.Exit(1)
	}
}

func run(n int, trace bool, imports []string) error {
	dir, err := os.MkdirTemp("", "startcost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	withProgram := len(imports) == 0
	if withProgram {
		imports = usual
	}
	var all []*variant
	for i, list := range append([]string{""}, imports...) {
		program, err := build(dir, i, list)
		if err != nil {
			return err
		}
		name := list
		if list == "" {
			name = "bare Go"
		}
		all = append(all, &variant{name: name, args: []string{program}})
	}
	if program, err := filepath.Abs("kvsh"); err == nil && withProgram {
		if _, err := os.Stat(program); err == nil {
			all = append(all, &variant{name: "kvsh --version", args: []string{program, "--version"}})
		}
	}
	for i := -3; i < n; i++ { // the first rounds bring the files into memory
		for _, v := range all {
			took, err := start(v.args, nil)
			if err != nil {
				return err
			}
			if i >= 0 {
				v.runs = append(v.runs, took)
			}
		}
	}
	report(all)
	if !trace {
		return nil
	}
	for _, v := range all {
		if err := printInits(v); err != nil {
			return err
		}
	}
	return nil
}

// build compiles a program with the imports of a list, separated by commas, in
// place of the main.go of kvsh, so that it is compiled with its go.mod.
func build(dir string, i int, list string) (string, error) {
	source := "package main\n\nimport (\n"
	for _, path := range strings.Split(list, ",") {
		if path != "" {
			source += fmt.Sprintf("\t_ %q\n", path)
		}
	}
	source += ")\n\nfunc main() {}\n"
	file := filepath.Join(dir, fmt.Sprintf("main%d.go", i))
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		return "", err
	}
	top, err := os.Getwd()
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(top, "main.go"): file},
	})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(dir, fmt.Sprintf("variant%d", i))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlayFile, "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with %s: %w\n%s", list, err, out)
	}
	return program, nil
}

// start runs a program to its end and says how long that took.
func start(args, env []string) (time.Duration, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	begin := time.Now()
	p, err := os.StartProcess(args[0], args, &os.ProcAttr{
		Env:   append(os.Environ(), env...),
		Files: []*os.File{null, null, null},
	})
	if err != nil {
		return 0, err
	}
	state, err := p.Wait()
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	if !state.Success() {
		return 0, fmt.Errorf("%s: %s", strings.Join(args, " "), state)
	}
	return took, nil
}

// report prints medians and what each variant takes over the first.
func report(all []*variant) {
	bare := median(all[0].runs)
	fmt.Printf("%8s %8s %8s %6s  %s\n", "median", "p10", "over", "ratio", "linked")
	for _, v := range all {
		m := median(v.runs)
		fmt.Printf("%8.3f %8.3f %+8.3f %6.2f  %s\n", ms(m), ms(quantile(v.runs, 0.1)), ms(m-bare), float64(m)/float64(bare), v.name)
	}
}

// printInits prints the packages whose initialisation takes 5 µs or more.
func printInits(v *variant) error {
	cmd := exec.Command(v.args[0], v.args[1:]...)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", v.name, errors.Join(err, errors.New(stderr.String())))
	}
	fmt.Printf("\n%s\n", v.name)
	var total float64
	for line := range strings.Lines(stderr.String()) {
		// init NAME @T ms, D ms clock, B bytes, N allocs
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != "init" {
			continue
		}
		took, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			continue
		}
		total += took
		if took >= 0.005 {
			fmt.Printf("  %6.3f ms  %s\n", took, f[1])
		}
	}
	fmt.Printf("  %6.3f ms  in all\n", total)
	return nil
}

func median(runs []time.Duration) time.Duration { return quantile(runs, 0.5) }

// quantile returns the run at the place q, 0 to 1, of all runs in order.
func quantile(runs []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(runs))
	return s[int(q*float64(len(s)-1))]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
