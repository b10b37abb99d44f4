//go:build linux

package blackbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
)

var update = flag.Bool("update", false, "write the lists of calls anew")

// conformGolden is every call that changes files, in order, of each workload.
const conformGolden = "testdata/calls.txt"

// A conformStep is one run of the program, and the same through the engine.
type conformStep struct {
	name  string
	args  []string
	stdin func() string
	same  func(ctx context.Context, db *engine.DB, dir string) error
}

// largeValue fills a segment, so that the log is rotated.
func largeValue() string { return strings.Repeat("v", 300_000) }

func manyLines() string {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "{\"key\":\"import:%05d\",\"value\":\"%s\"}\n", i, strings.Repeat("i", 60))
	}
	return b.String()
}

func setOne(key, value string) func(context.Context, *engine.DB, string) error {
	return func(ctx context.Context, db *engine.DB, _ string) error {
		_, err := db.Update(ctx, func(tx engine.Tx) error { return tx.Set(ctx, key, []byte(value)) })
		return err
	}
}

// manyItems is what manyLines says.
func manyItems() iter.Seq2[engine.Item, error] {
	return func(yield func(engine.Item, error) bool) {
		for i := range 20_000 {
			if !yield(engine.Item{Key: fmt.Appendf(nil, "import:%05d", i), Value: []byte(strings.Repeat("i", 60))}, nil) {
				return
			}
		}
	}
}

func compact(ctx context.Context, db *engine.DB, _ string) error {
	_, err := db.Compact(ctx, engine.CompactOptions{})
	return err
}

// conformSteps is one life of a database.
var conformSteps = []conformStep{
	{name: "create", args: []string{"set", "a", "1"}, same: setOne("a", "1")},
	{name: "set", args: []string{"set", "a", "2"}, same: setOne("a", "2")},
	{name: "set again in one process", args: []string{"-c", "set a 3; set b 4"}, same: func(ctx context.Context, db *engine.DB, dir string) error {
		return errors.Join(setOne("a", "3")(ctx, db, dir), setOne("b", "4")(ctx, db, dir))
	}},
	{name: "a transaction that rotates the log", args: []string{"set", "large"}, stdin: largeValue, same: setOne("large", largeValue())},
	{name: "set behind it", args: []string{"set", "a", "5"}, same: setOne("a", "5")},
	{name: "fold", args: []string{"compact"}, same: compact},
	{name: "import", args: []string{"import", "--format", "jsonl"}, stdin: manyLines, same: func(ctx context.Context, db *engine.DB, _ string) error {
		_, err := db.Load(ctx, manyItems(), engine.Replace)
		return err
	}},
	{name: "snapshot", args: []string{"snapshot", "save", "DIR/a.kvs"}, same: func(ctx context.Context, db *engine.DB, dir string) error {
		_, err := db.Snapshot(ctx, filepath.Join(filepath.Dir(dir), "a.kvs"))
		return err
	}},
	{name: "compact", args: []string{"compact"}, same: compact},
	{name: "sync never", args: []string{"config", "sync", "never"}, same: func(ctx context.Context, db *engine.DB, _ string) error {
		return db.SetSetting(ctx, "sync", "never")
	}},
	{name: "set without sync", args: []string{"set", "a", "6"}, same: setOne("a", "6")},
	{name: "sync always", args: []string{"config", "sync", "always"}, same: func(ctx context.Context, db *engine.DB, _ string) error {
		return db.SetSetting(ctx, "sync", "always")
	}},
}

// A namer gives names to what differs from run to run.
type namer struct {
	dir    string // above the database
	tables []string
}

var (
	tableID = regexp.MustCompile(`tables/([0-9a-f]{16})`)
	passing = regexp.MustCompile(`\.[0-9a-f]{8}\.tmp$`)
	sorting = regexp.MustCompile(`import-\d+-\d+`)
)

// name is a path as the lists have it; empty: it is none of the database.
func (n *namer) name(path string) string {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, " (deleted)"), n.dir)
	if !ok {
		return ""
	}
	rest = strings.TrimPrefix(rest, "/")
	if rest == "" {
		return "."
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "test.kv"), "/")
	if rest == "" {
		rest = "test.kv"
	}
	rest = sorting.ReplaceAllString(passing.ReplaceAllString(rest, ".TEMP"), "import-N")
	return tableID.ReplaceAllStringFunc(rest, func(id string) string {
		i := slices.Index(n.tables, id)
		if i < 0 {
			i = len(n.tables)
			n.tables = append(n.tables, id)
		}
		return fmt.Sprintf("tables/T%d", i+1)
	})
}

// A callList is calls in order. Writes that follow each other on one file are
// one; files that are removed one after the other, which are found by the order
// of names that are random, are sorted.
type callList []string

func (l *callList) add(call string, names ...string) {
	if slices.Contains(names, "") {
		return
	}
	line := call + " " + strings.Join(names, " ")
	if n := len(*l); n > 0 && call == "write" && (*l)[n-1] == line {
		return
	}
	*l = append(*l, line)
	for i := len(*l) - 1; i > 0 && call == "remove" && strings.HasPrefix((*l)[i-1], "remove ") && (*l)[i-1] > line; i-- {
		(*l)[i-1], (*l)[i] = (*l)[i], (*l)[i-1]
	}
}

var (
	traced  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	onFile  = regexp.MustCompile(`^\d+<([^>]*)>`)
	quoted  = regexp.MustCompile(`"([^"]*)"`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
)

// joined returns the lines of a trace with each interrupted one made whole.
func joined(trace string) (lines []string) {
	open := make(map[string]int) // by thread
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if m := resumed.FindStringSubmatch(line); m != nil {
			if i, ok := open[m[1]]; ok {
				lines[i] += m[2]
			}
			continue
		}
		if begun, ok := strings.CutSuffix(line, "<unfinished ...>"); ok {
			open[strings.Fields(line)[0]] = len(lines)
			line = begun
		}
		lines = append(lines, line)
	}
	return lines
}

// parseTrace is the calls of a trace that change files of the database.
func parseTrace(trace string, n *namer) (list callList) {
	for _, line := range joined(trace) {
		m := traced.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, " = -1 ") {
			continue
		}
		call, args := m[2], m[3]
		file := ""
		if f := onFile.FindStringSubmatch(args); f != nil {
			file = n.name(f[1])
		}
		var paths []string
		for _, q := range quoted.FindAllStringSubmatch(args, -1) {
			paths = append(paths, n.name(q[1]))
		}
		switch call {
		case "openat":
			if strings.Contains(args, "O_CREAT") {
				list.add("create", paths[0])
			}
		case "write", "pwrite64", "pwritev", "writev":
			list.add("write", file)
		case "fsync", "fdatasync":
			list.add("sync", file)
		case "ftruncate", "fallocate":
			list.add("truncate", file)
		case "rename", "renameat", "renameat2":
			list.add("rename", paths[0], paths[1])
		case "unlink", "unlinkat":
			list.add("remove", paths[0])
		case "mkdir", "mkdirat":
			list.add("mkdir", paths[0])
		case "flock":
			what := "lock"
			if strings.Contains(args, "LOCK_UN") {
				what = "unlock"
			}
			list.add(what, file)
		default:
			list.add("UNEXPECTED "+call, file)
		}
	}
	return list
}

// A seam records what the engine asks of its file system.
type seam struct {
	engine.FS
	list callList
	*namer
}

type seamFile struct {
	engine.File
	s    *seam
	path string
}

func (s *seam) add(call string, paths ...string) {
	for i := range paths {
		paths[i] = s.name(paths[i])
	}
	s.list.add(call, paths...)
}

// done notes a call unless it failed.
func (s *seam) done(err error, call string, paths ...string) error {
	if err == nil {
		s.add(call, paths...)
	}
	return err
}

func (s *seam) Open(name string) (engine.File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s *seam) OpenFile(name string, flag int, perm fs.FileMode) (engine.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if flag&os.O_CREATE != 0 {
		s.add("create", name)
	}
	return &seamFile{f, s, name}, nil
}

func (s *seam) Mkdir(name string, perm fs.FileMode) error {
	return s.done(s.FS.Mkdir(name, perm), "mkdir", name)
}

func (s *seam) Rename(from, to string) error {
	return s.done(s.FS.Rename(from, to), "rename", from, to)
}
func (s *seam) Remove(name string) error  { return s.done(s.FS.Remove(name), "remove", name) }
func (s *seam) SyncDir(name string) error { return s.done(s.FS.SyncDir(name), "sync", name) }

func (f *seamFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.s.done(err, "write", f.path)
}

func (f *seamFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, offset)
	return n, f.s.done(err, "write", f.path)
}

func (f *seamFile) Sync() error { return f.s.done(f.File.Sync(), "sync", f.path) }

func (f *seamFile) Truncate(size int64) error {
	return f.s.done(f.File.Truncate(size), "truncate", f.path)
}

func (f *seamFile) Lock() (bool, error) {
	ok, err := f.File.Lock()
	if ok {
		f.s.add("lock", f.path)
	}
	return ok, err
}

func (f *seamFile) Unlock() error { return f.s.done(f.File.Unlock(), "unlock", f.path) }

// ofLibrary is a call that the log library makes beside the seam.
var ofLibrary = regexp.MustCompile(`^(create|write|sync) log/\d+$`)

// withoutLibrary is a list without what the library may have called.
func withoutLibrary(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), ofLibrary.MatchString)
}

// differs says where two lists part, or returns the empty string.
func differs(got, want []string) string {
	for i := range max(len(got), len(want)) {
		a, b := "the end", "the end"
		if i < len(got) {
			a = got[i]
		}
		if i < len(want) {
			b = want[i]
		}
		if a != b {
			return fmt.Sprintf("call %d is %q, want %q\n%s", i+1, a, b, strings.Join(got, "\n"))
		}
	}
	return ""
}

// TestCallsConform: the program makes the system calls that change files in
// the order that is written down, and the file system that the engine's tests
// put in its place sees the same ones, but for those of the log library. So the
// order of data, sync, MARK and names that those tests hold for the seam is
// that of the real program.
func TestCallsConform(t *testing.T) {
	need(t, "strace")
	if out, err := exec.Command("strace", "-f", "-y", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not run here: %v, %s", err, short(string(out)))
	}
	d, other := newDB(t), newDB(t)
	names := &namer{dir: filepath.Dir(string(d))}
	seamed := &seam{FS: engine.OS, namer: &namer{dir: filepath.Dir(string(other))}}
	var all strings.Builder
	calls := 0
	for _, step := range conformSteps {
		list := traceStep(t, d, step, names)
		calls += len(list)
		fmt.Fprintf(&all, "%s\n\t%s\n", step.name, strings.Join(list, "\n\t"))
		seamed.list = nil
		if err := step.through(t.Context(), string(other), seamed); err != nil {
			t.Fatalf("%s through the engine: %v", step.name, err)
		}
		if diff := differs(withoutLibrary(list), withoutLibrary(seamed.list)); diff != "" {
			t.Errorf("%s: the program and the seam part: %s", step.name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(conformGolden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(conformGolden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := differs(strings.Split(all.String(), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("the system calls are not those of %s (written anew by -update): %s", conformGolden, diff)
	}
	t.Logf("%d workloads, %d calls", len(conformSteps), calls)
}

// traceStep runs the program under strace.
func traceStep(t *testing.T, d db, step conformStep, n *namer) callList {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	dir := filepath.Dir(string(d))
	args := []string{
		"-f", "-y", "-s", "0", "-o", trace,
		"-e", "trace=openat,write,writev,pwrite64,pwritev,fsync,fdatasync,?rename,renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,ftruncate,fallocate,flock",
		program, "-d", string(d),
	}
	for _, a := range step.args {
		args = append(args, strings.ReplaceAll(a, "DIR", dir))
	}
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "strace", args...)
	c.Env = environment(dir)
	stdin := ""
	if step.stdin != nil {
		stdin = step.stdin()
	}
	if r := finish(t, c, stdin); r.code != 0 {
		t.Fatalf("%s: exit %d\nstderr: %s", step.name, r.code, short(r.stderr))
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return parseTrace(string(b), n)
}

// through does the same by calls of the engine.
func (s *conformStep) through(ctx context.Context, dir string, fsys engine.FS) error {
	db, err := engine.Open(ctx, dir, engine.Options{Create: true, FS: fsys, Wait: time.Second})
	if err != nil {
		return err
	}
	return errors.Join(s.same(ctx, db, dir), db.Close())
}
