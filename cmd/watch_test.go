package cmd

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A watch sees what other processes commit, each change once and at once, and
// Ctrl-C ends it.
func TestWatchSeesOtherProcesses(t *testing.T) {
	path := testDirectory(t)
	watch := kvshProcess(t, path, "-q", "watch", "--from", "1", "-m", "tsv")
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	watch.Stderr = nil
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect := func(rev int, op, key, value string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		want := []string{fmt.Sprint(rev), op, key, value}
		if err != nil || len(cells) != 5 || fmt.Sprint(append(cells[:1:1], cells[2:]...)) != fmt.Sprint(want) {
			t.Fatalf("watch wrote %q, %v, want %q", line, err, want)
		}
	}
	expect(1, "set", "k", "v")
	for rev := 2; rev < 12; rev += 2 {
		if err := kvshProcess(t, path, "set", "n", fmt.Sprint(rev)).Run(); err != nil {
			t.Fatal(err)
		}
		expect(rev, "set", "n", fmt.Sprint(rev))
		if err := kvshProcess(t, path, "-q", "clear", "-y", "n").Run(); err != nil {
			t.Fatal(err)
		}
		expect(rev+1, "del", "n", "")
	}
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); exitStatus(err) != exitInterrupted {
		t.Errorf("interrupted watch: %v, want exit status %d", err, exitInterrupted)
	}
}
