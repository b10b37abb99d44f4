package cmd

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// signalCalls notes what a session asks of Signals.
type signalCalls []string

func (c *signalCalls) Watch()          { *c = append(*c, "watch") }
func (c *signalCalls) WatchLate()      { *c = append(*c, "late") }
func (c *signalCalls) Hold()           { *c = append(*c, "hold") }
func (c *signalCalls) KeepInterrupts() { *c = append(*c, "keep") }

// Ensure that signals are watched by whatever goes on for long or runs other
// commands, and not by what reads a few keys and ends; and that a command of one
// commit holds them back from that, and only from that.
func TestWhoWatchesSignals(t *testing.T) {
	db := filepath.Join(t.TempDir(), "t.kv")
	watched := func(want int, stdin string, args ...string) string {
		t.Helper()
		var calls signalCalls
		streams := Streams{In: strings.NewReader(stdin), Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }}
		streams.Signals = &calls
		if code := Run(t.Context(), slices.Concat([]string{"-d", db}, args), streams); code != want {
			t.Fatalf("kvsh %q: exit code %d, want %d", args, code, want)
		}
		return strings.Join(calls, " ")
	}
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		want  string
	}{
		{"", []string{"set", "a", "1"}, exitYes, "late hold"},
		{"", []string{"set", "--if-absent", "a", "1"}, exitNo, "late"},
		{"1", []string{"set", "a"}, exitYes, "late watch hold"},
		{"", []string{"get", "a"}, exitYes, ""},
		{"", []string{"exists", "a"}, exitYes, ""},
		{"", []string{"--version"}, exitYes, ""},
		{"", []string{"list"}, exitYes, "watch"},
		{"", []string{"incr", "a"}, exitYes, "late hold"},
		{"", []string{"-c", "get a; get a"}, exitYes, "watch"},
		{"get a\nset a 2\n", nil, exitYes, "watch hold"},
	} {
		if calls := watched(c.code, c.stdin, c.args...); calls != c.want {
			t.Errorf("kvsh %q asked of signals: %q, want %q", c.args, calls, c.want)
		}
	}
}
