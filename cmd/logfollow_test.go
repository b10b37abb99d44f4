package cmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// log follow shows what other processes commit, each transaction once, at once
// and with what was there before; Ctrl-C ends it.
func TestLogFollowSeesOtherProcesses(t *testing.T) {
	path := testDirectory(t)
	follow := kvshProcess(t, path, "log", "follow", "--from", "1", "--json")
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	follow.Stderr = nil
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect := func(rev int, rest string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, fmt.Sprintf(`{"rev":%d,`, rev)) || !strings.HasSuffix(line, rest+"}\n") {
			t.Fatalf("log follow wrote %q, %v, want revision %d that ends in %q", line, err, rev, rest)
		}
	}
	expect(1, `"before":"none"`)
	old := `"before":"none"`
	for rev := 2; rev < 8; rev++ {
		if err := kvshProcess(t, path, "set", "n", fmt.Sprint(rev)).Run(); err != nil {
			t.Fatal(err)
		}
		expect(rev, old)
		old = fmt.Sprintf(`"before":"value","old":"%d"`, rev)
	}
	if err := follow.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); exitStatus(err) != exitInterrupted {
		t.Errorf("interrupted log follow: %v, want exit status %d", err, exitInterrupted)
	}
}

// Looking ends as everything does when nobody reads it any more, or when the
// process is to end.
func TestLookingEndsFromOutside(t *testing.T) {
	_, db := readable(t)
	lines := []string{"log follow --from 1", "log show -m pretty", "log show --hex", "log grep .", "log stat", "inspect " + db + "/MARK", "doctor", "check"}
	for _, line := range lines {
		var errs strings.Builder
		code := Run(context.Background(), append([]string{"-d", db}, strings.Fields(line)...), Streams{
			In: strings.NewReader(""), Out: closedPipe{}, Err: &errs, Getenv: func(string) string { return "" },
		})
		if code != exitClosedPipe || errs.Len() > 0 {
			t.Errorf("%q into a closed pipe = %d, %q, want %d and nothing", line, code, errs.String(), exitClosedPipe)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(context.Canceled)
		code = Run(ctx, append([]string{"-d", db}, strings.Fields(line)...), Streams{
			In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" },
		})
		if code != exitInterrupted {
			t.Errorf("%q with its context ended = %d, want %d", line, code, exitInterrupted)
		}
	}
}
