//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A sample is one run of one program.
type sample struct {
	value float64 // in the unit of the row
	cpu   float64 // the same for processor time, of all threads; 0: not measured
	peak  int64   // of resident memory in KiB; 0: not measured
	disk  int64   // bytes that what it wrote takes; 0: not measured
}

// A contender is a program in one row. run does the thing once; round is the
// same for all contenders of a row, and below 0 for those that do not count.
type contender struct {
	name string
	run  func(round int) (sample, error)
}

// row runs contenders in turn, A B A B, and prints their medians. One that
// fails is left out, and said so: a benchmark must not stop an hour in.
func (b *bench) row(title string, unit unit, rounds int, contenders []contender, budgets ...budget) {
	if b.late() {
		b.notes = append(b.notes, title+": no time was left")
		return
	}
	share := b.share()
	fmt.Fprintf(os.Stderr, "bench: %s (%v)\n", title, share.Round(time.Second/10))
	samples := make([][]sample, len(contenders))
	left := make([]bool, len(contenders)) // out of further rounds
	first, least := -1, 3                 // the first one warms up
	if rounds <= b.fewRounds() {
		first, least = 0, 1 // rows that take long by themselves are warm soon enough
	}
	var begin time.Time // of the second round: the first one each has to itself
	for round := first; round < rounds; round++ {
		// Whatever this machine does, a row ends.
		if round >= least && time.Since(begin) > share {
			break
		}
		for i, c := range contenders {
			if left[i] {
				continue
			}
			from := time.Now()
			s, err := c.run(round)
			if err != nil {
				left[i] = true
				b.notes = append(b.notes, fmt.Sprintf("%s, %s: %v", title, c.name, err))
				continue
			}
			if round >= 0 {
				samples[i] = append(samples[i], s)
				// One that takes long once would leave the others no rounds.
				left[i] = time.Since(from) > share/4
			}
		}
		if round == first {
			begin = time.Now()
		}
	}
	r := result{title: title, unit: unit, budgets: budgets}
	for i, c := range contenders {
		if len(samples[i]) > 0 {
			r.programs = append(r.programs, medians(c.name, samples[i]))
		}
	}
	b.results = append(b.results, r)
	r.write(os.Stdout)
}

// share is the time of the next row: what is left, shared evenly among the rows
// that are.
func (b *bench) share() time.Duration {
	rows := max(b.rowsLeft, 1)
	b.rowsLeft--
	return max(time.Until(b.deadline)/time.Duration(rows), 300*time.Millisecond)
}

// late reports whether the time of the whole benchmark is over.
func (b *bench) late() bool { return time.Now().After(b.deadline) }

// commandLimit is how long a program may take for one thing. Those that take
// minutes to load a million records are left out, and said so.
const commandLimit = 75 * time.Second

// A command is a process to run.
type command struct {
	args  []string
	stdin string // file; empty: nothing
	want  string // what it must print; empty: anything
	peak  bool   // measure its memory; below that of this process it does not show
}

// run runs it to its end. value is the milliseconds from fork to exit.
func (c command) run() (sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout *os.File
	var err error
	if c.stdin != "" {
		f, err := os.Open(c.stdin)
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	// To a file, so that no second process reads while the first is timed.
	if stdout, err = os.CreateTemp("", "kvsh-bench-out"); err != nil {
		return sample{}, err
	}
	defer os.Remove(stdout.Name())
	defer stdout.Close()
	var stderr bytes.Buffer
	cmd.Stdout = stdout
	cmd.Stderr = &stderr
	begin := time.Now()
	err = cmd.Run()
	took := time.Since(begin)
	if ctx.Err() != nil {
		return sample{}, fmt.Errorf("%s: took more than %v", strings.Join(c.args[:min(len(c.args), 5)], " "), commandLimit)
	}
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w: %.200s", strings.Join(c.args[:min(len(c.args), 5)], " "), err, stderr.String())
	}
	if c.want != "" {
		got, err := os.ReadFile(stdout.Name())
		if err != nil {
			return sample{}, err
		}
		if strings.TrimRight(string(got), "\n") != c.want {
			return sample{}, fmt.Errorf("%s: printed %.80q, want %.80q", strings.Join(c.args, " "), got, c.want)
		}
	}
	state := cmd.ProcessState
	s := sample{value: took.Seconds() * 1000, cpu: (state.UserTime() + state.SystemTime()).Seconds() * 1000}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok && c.peak {
		s.peak = usage.Maxrss
	}
	return s, nil
}

// per turns milliseconds into what is done in a second when n things take them.
func (s *sample) per(n float64) {
	s.value = n / s.value * 1000
	if s.cpu > 0 {
		s.cpu = n / s.cpu * 1000
	}
}

// output runs a command and returns what it prints.
func output(args ...string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// sizeOf is what a file or directory takes on the disk, in bytes.
func sizeOf(path string) int64 {
	var sum int64
	// What vanishes meanwhile does not count.
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += st.Blocks * 512
			}
		}
		return nil
	})
	return sum
}

// evict makes the system forget the pages of all files of a database, so that
// the next to read it reads the disk. The program that reads stays warm.
func evict(path string) error {
	return eachFile(path, func(f *os.File) error {
		if err := f.Sync(); err != nil { // dirty pages would stay
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// warm makes the system have the pages of all files of a database in memory.
func warm(path string) error {
	return eachFile(path, func(f *os.File) error {
		_, err := io.Copy(io.Discard, f)
		return err
	})
}

// eachFile calls do with each file of a database, opened to be read.
func eachFile(path string, do func(*os.File) error) error {
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return do(f)
	})
}

// remove removes databases, and what stands beside them under their names.
func remove(paths ...string) error {
	for _, path := range paths {
		all, err := filepath.Glob(path + "*")
		if err != nil {
			return err
		}
		for _, name := range all {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// medians puts the runs of one program together, each figure by itself.
func medians(name string, runs []sample) program {
	at := func(f func(sample) float64) (low, middle, high float64) {
		var all []float64
		for _, s := range runs {
			all = append(all, f(s))
		}
		slices.Sort(all)
		return all[len(all)/10], all[(len(all)-1)/2], all[len(all)-1-len(all)/10]
	}
	p := program{name: name, runs: len(runs)}
	p.low, p.median, p.high = at(func(s sample) float64 { return s.value })
	_, p.cpu, _ = at(func(s sample) float64 { return s.cpu })
	_, peak, _ := at(func(s sample) float64 { return float64(s.peak) })
	_, disk, _ := at(func(s sample) float64 { return float64(s.disk) })
	p.peak, p.disk = int64(peak), int64(disk)
	return p
}
