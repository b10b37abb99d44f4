//go:build linux

package blackbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unknown is how the program says that it does not know whether a write is
// there.
var unknown = regexp.MustCompile(`outcome unknown`)

// A faulty is what the tester knows of writes under a fault.
type faulty struct {
	acked map[string]string // must be there
	maybe map[string]string // may be there: the program said so
	never map[string]string // must not be there: the program said it failed
}

func newFaulty() *faulty {
	return &faulty{map[string]string{}, map[string]string{}, map[string]string{}}
}

// note sorts a write by what the program answered.
func (f *faulty) note(t *testing.T, key, value string, r result) {
	t.Helper()
	switch {
	case r.code == 0:
		f.acked[key] = value
	case unknown.MatchString(r.stderr):
		f.maybe[key] = value
	default:
		f.never[key] = value
	}
	if r.code != 0 && r.code != 3 {
		t.Errorf("set %s under a fault: exit %d, want 0 or 3\nstderr: %s", key, r.code, short(r.stderr))
	}
	if r.code == 3 && r.stderr == "" {
		t.Errorf("set %s under a fault: exit 3 without a message", key)
	}
}

// verify fails the test unless the database holds what it must, nothing that
// it must not, is sound, and takes writes.
func (f *faulty) verify(t *testing.T, d db) {
	t.Helper()
	d.must(t, "", "set", "after the fault", "v")
	got := d.list(t, "")
	delete(got, "after the fault")
	for key, value := range f.acked {
		if got[key] != value {
			t.Errorf("acknowledged %s holds %d bytes %.20q, want %d bytes %.20q", key, len(got[key]), got[key], len(value), value)
		}
	}
	for key, value := range got {
		if _, ok := f.acked[key]; ok {
			continue
		}
		if want, ok := f.maybe[key]; !ok || value != want {
			t.Errorf("%s is there with %d bytes %.20q, but its write failed (said so: %v)", key, len(value), value, f.never[key] != "")
		}
	}
	d.must(t, "", "check")
}

func (f *faulty) String() string {
	return fmt.Sprintf("%d writes acknowledged, %d of unknown outcome, %d failed", len(f.acked), len(f.maybe), len(f.never))
}

// TestFileSizeLimit: a write cut short by the limit on the size of files fails
// with exit 3, loses nothing that was acknowledged, and once the limit is gone
// the next write succeeds.
func TestFileSizeLimit(t *testing.T) {
	need(t, "prlimit")
	r := newRand(t)
	d := newDB(t)
	d.must(t, "", "set", "first", "v")
	f := newFaulty()
	f.acked["first"] = "v"
	tries := 60
	if *soak {
		tries = 5000
	}
	limited := func(limit int, args ...string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
		t.Cleanup(cancel)
		words := append([]string{"--fsize=" + strconv.Itoa(limit), program, "-d", string(d)}, args...)
		c := exec.CommandContext(ctx, "prlimit", words...)
		c.Env = environment(filepath.Dir(string(d)))
		return c
	}
	for i := range tries {
		key, value := fmt.Sprint("k", i), text(r, 1+r.IntN(60_000))
		// The limit falls somewhere into the files as they are now.
		f.note(t, key, value, finish(t, limited(r.IntN(400_000), "set", key), value))
	}
	f.verify(t, d)

	// The same in one process, which must not go on as if nothing had been.
	var script strings.Builder
	sent := map[string]string{}
	for i := range 100 {
		key, value := fmt.Sprint("s", i), text(r, 20_000)
		sent[key] = value
		fmt.Fprintf(&script, "set --rev %s %s\n", key, value)
	}
	out := finish(t, limited(200_000), script.String())
	done := strings.Count(out.stdout, "\n")
	for i := range 100 {
		key := fmt.Sprint("s", i)
		switch {
		case i < done:
			f.acked[key] = sent[key]
		case i == done:
			f.note(t, key, sent[key], result{stderr: out.stderr, code: out.code})
		default:
			f.never[key] = sent[key]
		}
	}
	f.verify(t, d)
	if len(f.never)+len(f.maybe) == 0 {
		t.Errorf("no write failed: the limit did nothing")
	}
	t.Logf("%d one-shot writes and a script: %v", tries, f)
}

// fullDisk fills a small file system with a database until writes fail, makes
// room, and writes once more. It prints an exit code for each write.
const fullDisk = `set -u
mount -t tmpfs -o size=$SIZE none "$DIR" || exit 99
head -c 131072 /dev/zero >"$DIR/filler"
i=0
failed=0
while [ $i -lt 200 ] && [ $failed -lt 5 ]; do
	"$KVSH" -d "$DIR/test.kv" set "k$i" <"$VALUES/$i" 2>"$VALUES/stderr"
	code=$?
	[ $code -eq 0 ] || failed=$((failed + 1))
	echo "k$i $code $(tr '\n\t' '  ' <"$VALUES/stderr")"
	i=$((i + 1))
done
"$KVSH" -d "$DIR/test.kv" count >/dev/null || echo "FULL count $?"
"$KVSH" -d "$DIR/test.kv" check >/dev/null || echo "FULL check $?"
rm "$DIR/filler"
cp -r "$DIR/test.kv" "$VALUES/test.kv"
"$KVSH" -d "$DIR/test.kv" set again v || echo "AGAIN $?"
`

// TestFullDisk: a disk that fills up makes writes fail with exit 3, reading goes
// on, nothing acknowledged is lost, and with room the next write succeeds.
func TestFullDisk(t *testing.T) {
	need(t, "unshare", "mount")
	r := newRand(t)
	args := []string{"--mount"}
	if os.Getuid() != 0 {
		args = []string{"--mount", "--map-root-user"}
	}
	if out, err := exec.Command("unshare", append(args, "sh", "-c", "mount -t tmpfs none /mnt")...).CombinedOutput(); err != nil {
		t.Skipf("no file system of a test's own here: %v, %s", err, short(string(out)))
	}
	for _, size := range []int{320 << 10, 512 << 10, 1 << 20, 3 << 20} {
		values := t.TempDir()
		f := newFaulty()
		sent := map[string]string{}
		for i := range 200 {
			sent[fmt.Sprint("k", i)] = text(r, 1+r.IntN(2*size/60))
			if err := os.WriteFile(filepath.Join(values, strconv.Itoa(i)), []byte(sent[fmt.Sprint("k", i)]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), "unshare", append(args, "sh", "-c", fullDisk)...)
		c.Env = append(environment(values), "KVSH="+program, "DIR="+t.TempDir(), "VALUES="+values, fmt.Sprint("SIZE=", size))
		out := finish(t, c, "")
		if out.code != 0 {
			t.Fatalf("%d bytes: exit %d\nstdout: %s\nstderr: %s", size, out.code, short(out.stdout), short(out.stderr))
		}
		for line := range strings.Lines(out.stdout) {
			key, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			word, stderr, _ := strings.Cut(rest, " ")
			code, err := strconv.Atoi(word)
			if err != nil || sent[key] == "" {
				t.Errorf("disk of %d bytes: %s", size, strings.TrimSpace(line))
				continue
			}
			f.note(t, key, sent[key], result{stderr: stderr, code: code})
		}
		if len(f.never)+len(f.maybe) == 0 {
			t.Errorf("disk of %d bytes: no write failed", size)
		}
		f.verify(t, db(filepath.Join(values, "test.kv")))
		t.Logf("disk of %d bytes: %v", size, f)
	}
}

// TestFailingCalls: whichever system call of a write fails, the answer is true
// and the next command needs no help.
func TestFailingCalls(t *testing.T) {
	need(t, "strace")
	if out, err := exec.Command("strace", "-f", "-e", "trace=none", "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot inject faults here: %v, %s", err, short(string(out)))
	}
	r := newRand(t)
	d := newDB(t)
	d.must(t, "", "set", "first", "v")
	f := newFaulty()
	f.acked["first"] = "v"
	last := 3 // every call of a kind from the nth on, or only the nth, of each thread
	if *soak {
		last = 30
	}
	n := 0
	for _, fault := range []string{"fsync,fdatasync:error=EIO", "pwrite64:error=ENOSPC", "pwrite64:error=EIO", "ftruncate:error=EIO", "?rename,renameat,renameat2:error=EIO", "fsync,ftruncate:error=EIO"} {
		for when := 1; when <= last; when++ {
			for _, more := range []string{"", "+"} {
				key, value := fmt.Sprint("k", n), text(r, 1+r.IntN(100_000))
				n++
				trace := fmt.Sprintf("inject=%s:when=%d%s", fault, when, more)
				ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
				c := exec.CommandContext(ctx, "strace", "-f", "-o", os.DevNull, "-e", trace, program, "-d", string(d), "set", key)
				c.Env = environment(filepath.Dir(string(d)))
				f.note(t, key, value, finish(t, c, value))
				cancel()
				// Reading comes between the faults: it must see what was acknowledged.
				if got := d.count(t, "k"); got < len(f.acked)-1 || got > len(f.acked)-1+len(f.maybe) {
					t.Fatalf("after %s: %d keys, want %d acknowledged and at most %d more", trace, got, len(f.acked)-1, len(f.maybe))
				}
			}
		}
		f.verify(t, d)
		// verify's own write is not one of the faulty ones.
		d.must(t, "", "del", "after the fault")
	}
	if len(f.never)+len(f.maybe) == 0 {
		t.Errorf("no write failed: strace injected nothing")
	}
	t.Logf("%d writes with a failing call: %v", n, f)
}
