package cmd

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Ensure that signals are watched once by whatever writes, goes on for long or
// runs other commands, and not by what reads a few keys and ends.
func TestWhoWatchesSignals(t *testing.T) {
	db := filepath.Join(t.TempDir(), "t.kv")
	watched := func(stdin string, args ...string) (times int) {
		t.Helper()
		streams := Streams{In: strings.NewReader(stdin), Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }}
		streams.WatchSignals = func() { times++ }
		if code := Run(t.Context(), slices.Concat([]string{"-d", db}, args), streams); code != exitYes {
			t.Fatalf("kvsh %q: exit code %d, want 0", args, code)
		}
		return times
	}
	for _, c := range []struct {
		stdin string
		args  []string
		want  int
	}{
		{"", []string{"set", "a", "1"}, 1},
		{"", []string{"get", "a"}, 0},
		{"", []string{"exists", "a"}, 0},
		{"", []string{"--version"}, 0},
		{"", []string{"list"}, 1},
		{"", []string{"incr", "a"}, 1},
		{"", []string{"-c", "get a; get a"}, 1},
		{"get a\nset a 2\n", nil, 1},
	} {
		if times := watched(c.stdin, c.args...); times != c.want {
			t.Errorf("kvsh %q watched signals %d times, want %d", c.args, times, c.want)
		}
	}
}
