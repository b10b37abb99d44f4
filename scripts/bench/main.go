//go:build linux

// Command bench measures kvsh beside other stores and prints a table of medians
// with ratios, and beside each row what DESIGN asks of it.
//
//	go run ./scripts/bench [-quick] [-rows LIST] [-n RECORDS] [-huge RECORDS] [-time D] [-o FILE]
//
// All of it takes the time of -time, 18 minutes unless said otherwise, of which
// each row gets an even share: on a slow machine rows have fewer rounds. The
// last one may end two minutes later.
//
// It builds kvsh and the Go stores, uses sqlite3, redis, gdbmtool, mdb_load and
// ldb (Debian: sqlite3 redis gdbmtool lmdb-utils rocksdb-tools) where they are
// installed, and makes all data below TMPDIR: 16-byte keys, 100-byte values.
// -quick ends within two minutes and leaves the slow ones out. With 10 million
// records (-huge, 0 for none) kvsh is measured alone or beside bbolt, which loads
// them in the order of their keys: others take minutes. RESULTS.md holds the
// last full run.
//
// What makes the figures worth something:
//
//   - All programs of a row run in turn, over and over. Load of the machine
//     falls on all of them, and the ratios hold where the milliseconds do not.
//   - Beside each time stands the processor time, of all threads of the program
//     and in the same unit. On a busy machine that is the figure to compare; it
//     leaves out waiting, for the disk as well, and what a server does.
//   - Equal durability: a write counts when it is synced to the disk, with
//     every program. Where one cannot be told to, it is not in the row.
//   - Equal records, the same keys asked for, and answers compared.
//   - The peak of memory is that of a process; less than what this program takes
//     itself, about 30 MiB, does not show.
//   - Files are in memory already ("warm") unless a row says cold.
//   - A program of Go stores is linked with that store alone, and generates its
//     records, while kvsh and the tools parse files.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A bench is one run.
type bench struct {
	dir              string            // for all data; removed at the end
	tools            map[string]string // programs of the system that are there, by name
	small, big, huge int               // records; huge may be 0
	rounds           int               // of rows whose programs take milliseconds
	each             time.Duration     // that one measurement within a process takes
	quick            bool
	deadline         time.Time // after which no row begins
	rowsLeft         int       // about, this one included
	results          []result
	notes            []string // what could not be measured, and why
}

// quickTime is when the last row of -quick begins.
const quickTime = 90 * time.Second

// A section is a part of the benchmark.
type section struct {
	name string
	rows int // that it measures, about
	run  func(*bench) error
}

// sections are in order: those that most hangs on come first, in case the time
// is not enough.
var sections = []section{
	{"start", 1, (*bench).start},
	{"get", 6, (*bench).oneShotGet},
	{"set", 1, (*bench).oneShotSet},
	{"pipe", 3, (*bench).pipe},
	{"write", 3, (*bench).durableWrites},
	{"import", 8, (*bench).imports},
	{"read", 20, (*bench).inProcess},
	{"files", 3, (*bench).files},
	{"crash", 1, (*bench).afterKill},
	{"history", 2, (*bench).history},
	{"growth", 7, (*bench).growth},
	{"memory", 1, (*bench).memory},
	{"packages", 1, (*bench).packages},
}

func main() {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	quick := flag.Bool("quick", false, "less of everything, in two minutes")
	rows := flag.String("rows", strings.Join(names, ","), "which sections to measure")
	big := flag.Int("n", 1_000_000, "records of the large database")
	huge := flag.Int("huge", 10_000_000, "records of the huge database; 0: none")
	total := flag.Duration("time", 18*time.Minute, "when the last row begins")
	to := flag.String("o", "", "also write the tables to this file")
	flag.Parse()
	b := &bench{small: 10_000, big: *big, huge: *huge, rounds: 101, each: 500 * time.Millisecond}
	if *quick {
		b.quick = true
		b.big, b.huge = min(b.big, 50_000), 0
		b.rounds, b.each = 15, 100*time.Millisecond
		*total = min(*total, quickTime)
	}
	b.deadline = time.Now().Add(*total)
	if err := b.all(strings.Split(*rows, ","), *to); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func (b *bench) all(rows []string, to string) (err error) {
	var chosen []section
	for _, row := range rows {
		at := slices.IndexFunc(sections, func(s section) bool { return s.name == row })
		if at < 0 {
			return fmt.Errorf("-rows: there is no %q", row)
		}
		chosen = append(chosen, sections[at])
	}
	if b.dir, err = os.MkdirTemp("", "kvsh-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(); err != nil {
		return err
	}
	b.findTools()
	begin := time.Now()
	head := b.machine()
	fmt.Print(head)
	for i, s := range chosen {
		b.rowsLeft = 0
		for _, s := range chosen[i:] {
			b.rowsLeft += s.rows
		}
		if b.late() {
			b.notes = append(b.notes, s.name+": no time was left")
			continue
		}
		if err := s.run(b); err != nil { // the other sections are worth having
			b.notes = append(b.notes, fmt.Sprintf("the rest of %s: %v", s.name, err))
		}
	}
	if to == "" {
		b.report(os.Stdout, head, begin)
		return nil
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	b.report(f, head, begin)
	return f.Close()
}

// some returns the programs of a row: all that are named or, in a quick run,
// those that the budgets are held against and one of each other kind.
func (b *bench) some(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return b.quick && slices.Contains([]string{"ldb", "goleveldb", "badger", "buntdb", "mdb_load"}, name)
	})
}

// bin is the path of a program that build made.
func (b *bench) bin(name string) string { return filepath.Join(b.dir, "bin", name) }

// build compiles everything as it ships. It runs at the top of the repository.
func (b *bench) build() error {
	fmt.Fprintln(os.Stderr, "bench: building")
	bin := filepath.Join(b.dir, "bin")
	bare := filepath.Join(b.dir, "bare.go")
	if err := os.WriteFile(bare, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	goBuild := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o"}
	for _, c := range []struct {
		dir  string
		args []string
	}{
		{".", append(slices.Clone(goBuild), b.bin("kvsh"), ".")},
		{".", append(slices.Clone(goBuild), b.bin("engine"), "./scripts/bench/engine")},
		{".", append(slices.Clone(goBuild), b.bin("bare"), bare)},
		{"scripts/bench/peers", append(slices.Clone(goBuild), bin+"/", "./...")},
	} {
		cmd := exec.Command("go", c.args...)
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(c.args, " "), err, out)
		}
	}
	// The kernel maps a file written in one piece faster than one written as
	// the linker does: all programs are to be the same in that.
	made, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, f := range made {
		text, err := os.ReadFile(b.bin(f.Name()))
		if err != nil {
			return err
		}
		if err := os.Remove(b.bin(f.Name())); err != nil {
			return err
		}
		if err := os.WriteFile(b.bin(f.Name()), text, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) findTools() {
	b.tools = make(map[string]string)
	for name, files := range map[string][]string{
		"sqlite3": {"sqlite3"}, "redis-cli": {"redis-cli"}, "redis-server": {"redis-server"},
		"gdbmtool": {"gdbmtool"}, "mdb_load": {"mdb_load"}, "ldb": {"ldb", "rocksdb_ldb"},
	} {
		for _, file := range files {
			if path, err := exec.LookPath(file); err == nil {
				b.tools[name] = path
			}
		}
		if b.tools[name] == "" {
			b.notes = append(b.notes, name+" is not installed")
		}
	}
}

// machine says on what and with what is measured.
func (b *bench) machine() string {
	line := func(args ...string) string {
		out, err := output(args...)
		if err != nil {
			return "-"
		}
		first, _, _ := strings.Cut(out, "\n")
		return strings.TrimSpace(first)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "# Results\n\n")
	for _, f := range [][2]string{
		{"date", time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{"processors", line("nproc") + " × " + line("sh", "-c", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1")},
		{"system", line("uname", "-srm") + ", files on " + line("stat", "-f", "-c", "%T", b.dir)},
		{"load at the start", line("cut", "-d", " ", "-f", "1-3", "/proc/loadavg")},
		{"kvsh", line("git", "describe", "--always", "--dirty") + ", " + line("go", "version")},
		{"sqlite3", line("sqlite3", "--version")},
		{"redis", line("redis-cli", "--version")},
		{"gdbm", line("gdbmtool", "--version")},
		{"lmdb", line("mdb_load", "-V")},
		{"Go stores", line("sh", "-c", `cd scripts/bench/peers && go list -m -f '{{if not .Indirect}}{{.Path}} {{.Version}}{{end}}' all | grep -v ^kvsh | grep . | paste -sd,`)},
		{"records", fmt.Sprintf("16-byte keys, 100-byte values; %d, %d and %d of them", b.small, b.big, b.huge)},
	} {
		fmt.Fprintf(&s, "- %s: %s\n", f[0], f[1])
	}
	return s.String()
}
