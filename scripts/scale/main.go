//go:build linux

// Command scale is the tools of scripts/scale.sh, which measures kvsh on large
// databases. Times are of whole processes, from fork to exit.
//
//	scale gen N                        N records as CSV, in random order
//	scale get KVSH SMALL BIG RUNS      reading from two databases, in turn
//	scale memory KVSH DB               private memory of a one-shot get
//	scale kill KVSH FILE DB N KILLS    imports killed at random moments
//	scale set KVSH DB N                N processes, each of which sets one key
//
// Record i has a key of 16 hexadecimal digits and a value of 100 letters, both
// functions of i alone, so that whoever knows N knows every record.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "scale: %v\n", err)
		os.Exit(1)
	}
}

// commands are the subcommands with their operands.
var commands = map[string]struct {
	operands int
	run      func([]string) error
}{
	"gen": {1, func(a []string) error { return withInt(a[0], generate) }},
	"get": {4, func(a []string) error {
		return withInt(a[3], func(n int) error { return compareGets(a[0], a[1], a[2], n) })
	}},
	"memory": {2, func(a []string) error { return memory(a[0], a[1]) }},
	"kill":   {5, func(a []string) error { return killImports(a[0], a[1], a[2], a[3], a[4]) }},
	"set":    {3, func(a []string) error { return withInt(a[2], func(n int) error { return setMany(a[0], a[1], n) }) }},
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("a command is missing")
	}
	c, ok := commands[args[0]]
	if !ok || len(args)-1 != c.operands {
		return fmt.Errorf("no command %q with %d operands", args[0], len(args)-1)
	}
	return c.run(args[1:])
}

func withInt(text string, f func(int) error) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number from 1", text)
	}
	return f(n)
}

// mix is SplitMix64, a bijection: no two records have the same key.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// key is the key of record i. Keys of i from 1<<63 on are in no file.
func key(i uint64) string { return fmt.Sprintf("%016x", mix(i)) }

// absentKey is a key among those of the records that none of them has.
func absentKey(i uint64) string { return key(i | 1<<63) }

// appendValue appends the value of record i.
func appendValue(b []byte, i uint64) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	for n := uint64(0); n < 10; n++ {
		x := mix(i<<4 ^ n ^ 0xa5a5a5a5)
		for range 10 {
			b = append(b, letters[x&63])
			x >>= 6
		}
	}
	return b
}

func generate(n int) error {
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	line := []byte("key,value\n")
	for i := range uint64(n) {
		if _, err := w.Write(line); err != nil {
			return err
		}
		line = append(line[:0], key(i)...)
		line = append(appendValue(append(line, ','), i), '\n')
	}
	if _, err := w.Write(line); err != nil {
		return err
	}
	return w.Flush()
}

// timed runs a program and returns how long it took. Any exit code but want
// and any output but out is an error.
func timed(want int, out string, name string, args ...string) (time.Duration, error) {
	c := exec.Command(name, args...)
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	begin := time.Now()
	err := c.Run()
	took := time.Since(begin)
	if c.ProcessState == nil {
		return 0, err
	}
	if code := c.ProcessState.ExitCode(); code != want || stdout.String() != out {
		return 0, fmt.Errorf("%s: exit %d and %q, want %d and %q\n%s", c, code, stdout.String(), want, out, stderr.String())
	}
	return took, nil
}

// compareGets reads keys that are there and keys that are not from two
// databases of which the records of the small one are in the big one, too, by
// one process a key, each kind in turn, with a start of the program that opens
// nothing beside it.
func compareGets(kvsh, small, big string, runs int) error {
	names := []string{"kvsh version", "get, present, small", "get, present, big", "get, missing, small", "get, missing, big"}
	times := make([][]time.Duration, len(names))
	version, err := exec.Command(kvsh, "version").Output()
	if err != nil {
		return err
	}
	for n := range runs {
		i := uint64(rand.N(10_000))
		value := string(appendValue(nil, i))
		for kind := range names {
			var took time.Duration
			db := small
			if kind%2 == 0 {
				db = big
			}
			switch kind {
			case 0:
				took, err = timed(0, string(version), kvsh, "version")
			case 1, 2:
				took, err = timed(0, value, kvsh, "-d", db, "get", key(i))
			default:
				took, err = timed(1, "", kvsh, "-d", db, "get", absentKey(i))
			}
			if err != nil {
				return err
			}
			if n >= runs/20 { // the first ones warm up
				times[kind] = append(times[kind], took)
			}
		}
	}
	medians := make([]float64, len(names))
	for kind, name := range names {
		slices.Sort(times[kind])
		medians[kind] = ms(times[kind][len(times[kind])/2])
		fmt.Printf("%-22s median %.3f ms, lowest tenth %.3f ms, of %d\n", name, medians[kind], ms(times[kind][len(times[kind])/10]), len(times[kind]))
	}
	fmt.Printf("big against small: present %.3f, missing %.3f\n", medians[2]/medians[1], medians[4]/medians[3])
	fmt.Printf("open and get over a start that opens nothing: small %.3f ms, big %.3f ms\n", medians[1]-medians[0], medians[2]-medians[0])
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// memory looks at a one-shot get that has its value and cannot write it: the
// pipe it writes to is full.
func memory(kvsh, db string) error {
	full, err := fullPipe()
	if err != nil {
		return err
	}
	defer full.Close()
	c := exec.Command(kvsh, "-d", db, "get", key(7))
	c.Stdout = full
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	dir := fmt.Sprintf("/proc/%d/", c.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); !writesTo(dir, 1); {
		if time.Now().After(deadline) {
			return errors.New("get does not come to writing its value")
		}
	}
	text, err := os.ReadFile(dir + "smaps")
	if err != nil {
		return err
	}
	return reportMemory(string(text), kvsh, db)
}

// fullPipe returns the end to write to of a pipe that takes nothing more. The
// other end stays open until this process ends.
func fullPipe() (*os.File, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	for {
		if _, err := syscall.Write(ends[1], make([]byte, 4096)); errors.Is(err, syscall.EAGAIN) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if err := syscall.SetNonblock(ends[1], false); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(ends[1]), "full pipe"), nil
}

// writesTo reports whether a thread of a process is in a write to a descriptor.
func writesTo(dir string, fd int) bool {
	calls, _ := filepath.Glob(dir + "task/*/syscall")
	for _, name := range calls {
		text, _ := os.ReadFile(name) // a thread may end meanwhile
		if strings.HasPrefix(string(text), fmt.Sprintf("%d %#x ", syscall.SYS_WRITE, fd)) {
			return true
		}
	}
	return false
}

// reportMemory adds up the private pages of a process, by what they are of. The
// pages of the program count as private only while no other process runs it.
func reportMemory(smaps, kvsh, db string) error {
	mapping := regexp.MustCompile(`^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)`)
	kinds := []string{"of the database's files", "of the program's file", "of its own"}
	private := make([]int, len(kinds)) // KiB
	kind := 0
	for line := range strings.Lines(smaps) {
		if m := mapping.FindStringSubmatch(line); m != nil {
			switch {
			case strings.HasPrefix(m[1], db+"/") || strings.Contains(m[1], "/"+db+"/"):
				kind = 0
			case m[1] == kvsh:
				kind = 1
			default:
				kind = 2
			}
		}
		f := strings.Fields(line)
		if len(f) == 3 && (f[0] == "Private_Clean:" || f[0] == "Private_Dirty:") {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				return err
			}
			private[kind] += n
		}
	}
	sum := 0
	for kind, n := range private {
		sum += n
		fmt.Printf("%6d KiB private %s\n", n, kinds[kind])
	}
	fmt.Printf("%6d KiB in all (budget 8192), %d KiB if another process runs the program\n", sum, sum-private[1])
	return nil
}

// killImports imports a file of n records into an empty database, killed at
// random moments, and counts what is there afterwards: nothing or everything.
func killImports(kvsh, file, db, records, kills string) error {
	seed := uint64(time.Now().UnixNano())
	fmt.Printf("seed %d\n", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	whole, err := os.ReadFile(db + ".took") // of an import without a kill, by scale.sh
	if err != nil {
		return err
	}
	took, err := time.ParseDuration(strings.TrimSpace(string(whole)) + "s")
	if err != nil {
		return err
	}
	return withInt(kills, func(n int) error {
		for range n {
			after := time.Duration(r.Int64N(int64(took)))
			if err := killImport(kvsh, file, db, records, after); err != nil {
				return err
			}
		}
		return nil
	})
}

func killImport(kvsh, file, db, records string, after time.Duration) error {
	c := exec.Command(kvsh, "-q", "-d", db, "import", file)
	if err := c.Start(); err != nil {
		return err
	}
	time.Sleep(after)
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	killed := c.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	out, err := exec.Command(kvsh, "-d", db, "count").Output()
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	found := strings.TrimSpace(string(out))
	if found != "0" && found != records {
		return fmt.Errorf("after a kill at %v: %s keys, want 0 or %s", after, found, records)
	}
	if out, err := exec.Command(kvsh, "-d", db, "check").CombinedOutput(); err != nil {
		return fmt.Errorf("check after a kill at %v: %w\n%s", after, err, out)
	}
	fmt.Printf("after %6.2f s: killed %v, keys %s, check clean\n", after.Seconds(), killed, found)
	if found != "0" {
		return exec.Command(kvsh, "-q", "-y", "-d", db, "del", "--prefix", "").Run()
	}
	return nil
}

// setMany runs n processes one after the other, each of which sets one key.
func setMany(kvsh, db string, n int) error {
	times := make([]time.Duration, n)
	value := string(appendValue(nil, 1))
	begin := time.Now()
	for i := range times {
		took, err := timed(0, "", kvsh, "-q", "-d", db, "set", absentKey(uint64(i)), value)
		if err != nil {
			return err
		}
		times[i] = took
	}
	fmt.Printf("%d processes in %.1f s\n", n, time.Since(begin).Seconds())
	part := max(n/10, 1)
	report("first tenth", times[:part])
	report("last tenth", times[n-part:])
	worst := slices.Index(times, slices.Max(times))
	fmt.Printf("the slowest is number %d\n", worst+1)
	report("all", times)
	return nil
}

// report prints quantiles. It sorts a copy.
func report(what string, times []time.Duration) {
	t := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 { return ms(t[min(int(q*float64(len(t))), len(t)-1)]) }
	sum := time.Duration(0)
	for _, d := range t {
		sum += d
	}
	fmt.Printf("%-12s mean %.3f  median %.3f  p99 %.3f  p99.9 %.3f  worst %.3f ms\n",
		what, ms(sum)/float64(len(t)), at(0.5), at(0.99), at(0.999), ms(t[len(t)-1]))
}
