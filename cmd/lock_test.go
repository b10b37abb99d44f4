package cmd

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kvsh/engine"
)

// testDirectory makes a database with a key in a directory and returns its path.
func testDirectory(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.kv")
	if code := Run(t.Context(), []string{"-d", path, "set", "k", "v"}, quietStreams()); code != exitYes {
		t.Fatalf("set = %d, want 0", code)
	}
	return path
}

func quietStreams() Streams {
	return Streams{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer), Getenv: os.Getenv}
}

// kvshProcess is kvsh as a process of its own, on a database.
func kvshProcess(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	p := exec.Command("kvsh", append([]string{"-d", path}, args...)...)
	p.Stderr = os.Stderr
	return p
}

// A lock is free as soon as its holder is killed, and what it ran is gone too.
func TestLockEndsWithItsHolder(t *testing.T) {
	path := testDirectory(t)
	holder := kvshProcess(t, path, "lock", "a", "--", "sh", "-c", "echo $$; exec sleep 1000")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	program, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := kvshProcess(t, path, "--wait", "0", "-q", "lock", "a", "--", "true").Run(); exitStatus(err) != exitBusy {
		t.Errorf("lock beside its holder: %v, want exit status %d", err, exitBusy)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := kvshProcess(t, path, "--wait", "10m", "lock", "a", "--", "true").Run(); err != nil {
		t.Errorf("lock after its holder was killed: %v", err)
	}
	_ = holder.Wait()
	if childrenDie {
		for deadline := time.Now().Add(2 * time.Minute); isRunning(program); {
			if time.Now().After(deadline) {
				t.Fatalf("process %d outlives the kvsh that ran it", program)
			}
		}
	}
}

// isRunning reports whether a process is there and not a zombie.
func isRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}

// Eight loops that take a lock again and again exclude each other, and none of
// them waits in vain.
func TestLockExcludes(t *testing.T) {
	const loops, turns = 8, 5
	path := testDirectory(t)
	// Two at a time would lose an increment, or find the directory made.
	counter := filepath.Join(t.TempDir(), "n")
	if err := os.WriteFile(counter, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `set -e; mkdir "$0.held"; n=$(cat "$0"); echo $((n+1)) >"$0"; rmdir "$0.held"`
	var wg sync.WaitGroup
	for range loops {
		wg.Go(func() {
			for range turns {
				if err := kvshProcess(t, path, "--wait", "10m", "lock", "a", "--", "sh", "-c", script, counter).Run(); err != nil {
					t.Errorf("lock: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(counter)
	if want := fmt.Sprintln(loops * turns); err != nil || string(got) != want {
		t.Errorf("counter = %q, %v, want %q", got, err, want)
	}
}

// A wait that was given up does not keep the lock when its turn comes.
func TestLockGivenUpIsNotKept(t *testing.T) {
	open := func() *os.File {
		f, err := openLockFile(t.TempDir(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	held := open()
	again := func() *os.File {
		f, err := os.OpenFile(held.Name(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if err := takeLock(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	writeLockHolder(held, []string{"sleep", "5"})
	err := takeLock(t.Context(), again(), time.Millisecond)
	if engine.ClassOf(err) != engine.ClassBusy || !strings.Contains(err.Error(), fmt.Sprintf("process %d (sleep 5)", syscall.Getpid())) {
		t.Errorf("takeLock of a held lock = %v, want who holds it", err)
	}
	held.Close()
	last := again()
	defer last.Close()
	if err := takeLock(t.Context(), last, time.Minute); err != nil {
		t.Errorf("takeLock after a wait was given up = %v, want it taken", err)
	}
}
