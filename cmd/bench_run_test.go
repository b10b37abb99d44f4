package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Ctrl-C ends a bench, and nothing is left of what it made.
func TestBenchInterrupted(t *testing.T) {
	path := testDirectory(t)
	dir := filepath.Dir(path)
	scratch := func() string {
		names, err := filepath.Glob(filepath.Join(dir, ".kvsh-bench-*", "bench.kv"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	bench := kvshProcess(t, path, "-q", "bench", "--time", "300ms")
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); scratch() == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("bench made no database in a minute")
		}
	}
	if err := bench.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := bench.Wait(); exitStatus(err) != exitInterrupted {
		t.Errorf("interrupted bench: %v, want exit status %d", err, exitInterrupted)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".kvsh-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("an interrupted bench left %q, %v", left, err)
	}
}
