// Command startcost measures what each dependency costs at every start of a
// program that links it, used or not, next to a program that is empty.
//
//	go run ./scripts/startcost [-n runs] [-init] [-run COMMAND]… [IMPORT,IMPORT… …]
//
// Each argument is one variant: the import paths of a program that does
// nothing else. -run adds a program that is built already, with its arguments
// behind blanks: two builds of kvsh are compared so. Without either the
// libraries of kvsh are measured, and kvsh itself if it was built.
//
// All variants are started in turn, over and over, so that what else the
// machine does falls on all of them alike. The figures are medians: of the time
// from fork to exit, of the processor time of all threads, both in
// milliseconds, and of the pages that had to be mapped. On a busy machine the
// processor time says more.
//
// Each program is copied first, by one write: by how a file was written the
// kernel holds it in small or large pages, and that alone changes the start of
// one and the same program by a fifth.
package main

import (
	"cmp"
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
	"syscall"
	"time"
)

// A variant is a program to start.
type variant struct {
	name   string
	args   []string // with the program first
	wall   []time.Duration
	cpu    []time.Duration // user and system, of all threads
	faults []int64         // pages mapped without reading the disk
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
	"encoding/json",
	"encoding/csv",
	"regexp",
	"go.starlark.net/starlark",
	"golang.org/x/sys/unix",
	"golang.org/x/term",
	"github.com/spf13/cobra,github.com/chzyer/readline,github.com/olekukonko/tablewriter",
	"github.com/spf13/cobra,github.com/chzyer/readline,github.com/olekukonko/tablewriter," +
		"github.com/tidwall/wal,github.com/klauspost/compress/zstd,compress/gzip," +
		"encoding/json,go.starlark.net/starlark,golang.org/x/sys/unix",
}

func main() {
	n := flag.Int("n", 300, "how often each program is started")
	trace := flag.Bool("init", false, "also print what the initialisation of each package costs")
	var commands []string
	flag.Func("run", "also start this `command`", func(s string) error {
		commands = append(commands, s)
		return nil
	})
	flag.Parse()
	if err := run(*n, *trace, commands, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "startcost: %v\n", err)
		os.Exit(1)
	}
}

func run(n int, trace bool, commands, imports []string) error {
	dir, err := os.MkdirTemp("", "startcost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	if len(imports) == 0 && len(commands) == 0 {
		imports = usual
		if _, err := os.Stat("kvsh"); err == nil {
			commands = []string{"./kvsh --version"}
		}
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
	for _, c := range commands {
		all = append(all, &variant{name: c, args: strings.Fields(c)})
	}
	for i, v := range all {
		if err := v.settle(filepath.Join(dir, fmt.Sprintf("program%d", i))); err != nil {
			return err
		}
	}
	for i := -3; i < n; i++ { // the first rounds bring the files into memory
		for _, v := range all {
			if err := v.start(i >= 0); err != nil {
				return err
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

// settle makes the variant start a copy of its program.
func (v *variant) settle(to string) error {
	if len(v.args) == 0 {
		return errors.New("-run: a command is missing")
	}
	program, err := os.ReadFile(v.args[0])
	if err != nil {
		return err
	}
	v.args[0] = to
	return os.WriteFile(to, program, 0o700)
}

// start runs a program to its end and, if asked, notes what that took.
func (v *variant) start(note bool) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	begin := time.Now()
	p, err := os.StartProcess(v.args[0], v.args, &os.ProcAttr{Files: []*os.File{null, null, null}})
	if err != nil {
		return err
	}
	state, err := p.Wait()
	took := time.Since(begin)
	if err != nil {
		return err
	}
	if !state.Success() {
		return fmt.Errorf("%s: %s", v.name, state)
	}
	if !note {
		return nil
	}
	v.wall = append(v.wall, took)
	v.cpu = append(v.cpu, state.UserTime()+state.SystemTime())
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		v.faults = append(v.faults, int64(usage.Minflt))
	}
	return nil
}

// report prints medians and what each variant takes against the first.
func report(all []*variant) {
	fmt.Printf("%8s %8s %6s %8s %8s %6s %7s  %s\n", "wall", "over", "ratio", "cpu", "over", "ratio", "faults", "linked")
	wall0, cpu0 := median(all[0].wall), median(all[0].cpu)
	for _, v := range all {
		wall, cpu := median(v.wall), median(v.cpu)
		fmt.Printf("%8.3f %+8.3f %6.2f %8.3f %+8.3f %6.2f %7d  %s\n",
			ms(wall), ms(wall-wall0), float64(wall)/float64(wall0),
			ms(cpu), ms(cpu-cpu0), float64(cpu)/float64(cpu0), median(v.faults), v.name)
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

// median is the lower one of an even number, and 0 of none.
func median[T cmp.Ordered](runs []T) (m T) {
	if len(runs) > 0 {
		m = slices.Sorted(slices.Values(runs))[(len(runs)-1)/2]
	}
	return m
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
