package cmd

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		bad  bool
	}{
		{text: "90s", want: 90 * time.Second},
		{text: "10m", want: 10 * time.Minute},
		{text: "1h30m", want: 90 * time.Minute},
		{text: "7d", want: 168 * time.Hour},
		{text: "2w", want: 336 * time.Hour},
		{text: "1w1d12h", want: 204 * time.Hour},
		{text: "0s", want: 0},
		{text: "0", want: 0},
		{text: "", bad: true},
		{text: "5", bad: true},
		{text: "-1s", bad: true},
		{text: "1d-1h", bad: true},
		{text: "d", bad: true},
		{text: "1h1d", bad: true},
		{text: "99999999w", bad: true},
	} {
		got, err := parseDuration(c.text)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", c.text, got, err, c.want)
		}
		if err == nil {
			if again, err := parseDuration(durationText(got)); err != nil || again != got {
				t.Errorf("parseDuration(durationText(%v)) = %v, %v", got, again, err)
			}
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"*", "", true},
		{"*", "a/b:c\n", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "a", true},
		{"a*c", "abc", true},
		{"a*c", "acb", false},
		{"*a*a*", "aa", true},
		{"*a*a*", "a", false},
		{"?", "é", true},
		{"?", "\xff", true},
		{"?", "ab", false},
		{"?", "", false},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]", "d", true},
		{"[^a-c]", "a", false},
		{"[]]", "]", true},
		{"[a-]", "-", true},
		{`[\]]`, "]", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"[à-é]", "è", true},
		{"*\xff", "a\xff", true},
		{"\xff", "\xfe", false},
	} {
		g, err := parseGlob(c.pattern)
		if err != nil {
			t.Errorf("parseGlob(%q): %v", c.pattern, err)
			continue
		}
		if got := g.match([]byte(c.key)); got != c.want {
			t.Errorf("glob %q matches %q = %v, want %v", c.pattern, c.key, got, c.want)
		}
	}
	for _, pattern := range []string{"[", "[a", `\`, "[]", `[a\`} {
		if _, err := parseGlob(pattern); err == nil {
			t.Errorf("parseGlob(%q) has no error", pattern)
		}
	}
}

// A range of the engine and the conditions of a selection pick the same keys.
func TestSelectors(t *testing.T) {
	s, out, _ := testSession(t)
	for _, c := range []struct{ flags, want string }{
		{"", "notes:1 session:1 text user:1 user:2 visits"},
		{"user:*", "user:1 user:2"},
		{"*:1", "notes:1 session:1 user:1"},
		{"user:1", "user:1"},
		{"--prefix user: *1", "user:1"},
		{"--prefix us user:*", "user:1 user:2"},
		{"--prefix x user:*", ""},
		{"--suffix :1", "notes:1 session:1 user:1"},
		{"--contains ser --suffix 2", "user:2"},
		{"--regex ^.{4}$", "text"},
		{"--from text --to user:2", "text user:1"},
		{"--from z", ""},
		{"--from b --to a", ""},
		{"--limit 2", "notes:1 session:1"},
		{"--limit 2 --reverse", "visits user:2"},
		{"--after text --limit 1", "user:1"},
		{"--after text --reverse", "session:1 notes:1"},
		{"--limit 1 *:2", "user:2"},
	} {
		out.Reset()
		err := s.runLine(t.Context(), append([]string{"list"}, strings.Fields(c.flags)...))
		s.out.Flush()
		if got := strings.Join(strings.Fields(out.String()), " "); err != nil || got != c.want {
			t.Errorf("list %s = %q, %v, want %q", c.flags, got, err, c.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	local := func(h, m, s int) time.Time { return time.Date(2030, 1, 31, h, m, s, 0, time.Local) }
	for _, c := range []struct {
		text string
		want time.Time
		bad  bool
	}{
		{text: "2030-01-31T08:00:00Z", want: time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)},
		{text: "2030-01-31T08:00:00.1239+02:00", want: time.Date(2030, 1, 31, 6, 0, 0, 123e6, time.UTC)},
		{text: "2030-01-31T08:00:00", want: local(8, 0, 0)},
		{text: "2030-01-31 08:01:02", want: local(8, 1, 2)},
		{text: "2030-01-31 08:01", want: local(8, 1, 0)},
		{text: "2030-01-31", want: local(0, 0, 0)},
		{text: "", bad: true},
		{text: "1h", bad: true},
		{text: "2030-02-31", bad: true},
		{text: "1969-12-30", bad: true},
		{text: "2030-01-31 08:00 x", bad: true},
	} {
		got, err := parseTime(c.text)
		if !got.Equal(c.want) || (err != nil) != c.bad {
			t.Errorf("parseTime(%q) = %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

func TestPlural(t *testing.T) {
	for _, c := range []struct {
		n          int64
		noun, want string
	}{{0, "key", "0 keys"}, {1, "key", "1 key"}, {2, "table entry", "2 table entries"}, {1, "table entry", "1 table entry"}} {
		if got := plural(c.n, c.noun); got != c.want {
			t.Errorf("plural(%d, %q) = %q, want %q", c.n, c.noun, got, c.want)
		}
	}
}
