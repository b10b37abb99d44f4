//go:build linux

package main

import (
	"strings"
	"testing"
)

// Ensure that a budget is met exactly when the figure is on the right side of
// it, in both directions, and that what was not measured never counts as met.
func TestVerdict(t *testing.T) {
	slow := []program{{name: "a", median: 3, peak: 300 << 10}, {name: "b", median: 2}}
	for _, c := range []struct {
		unit unit
		g    budget
		met  bool
	}{
		{millis, budget{of: "a", against: "b", factor: 1.5}, true},
		{millis, budget{of: "a", against: "b", factor: 1.4}, false},
		{millis, budget{of: "a", factor: 3}, true},
		{millis, budget{of: "a", factor: 2.9}, false},
		{perSecond, budget{of: "a", against: "b", factor: 1.5}, true},
		{perSecond, budget{of: "a", against: "b", factor: 1.6}, false},
		{perSecond, budget{of: "a", factor: 3.1}, false},
		{perSecond, budget{of: "a", factor: 2}, true},
		{perSecond, budget{of: "a", peakMiB: 300}, true},
		{perSecond, budget{of: "a", peakMiB: 299}, false},
	} {
		r := result{title: "t", unit: c.unit, programs: slow}
		if got := r.verdict(c.g); strings.HasSuffix(got, ": met") != c.met || strings.Contains(got, "MISSED") == c.met {
			t.Errorf("verdict of %+v in %s = %q, met is %v", c.g, c.unit.name, got, c.met)
		}
	}
	r := result{programs: slow}
	for _, g := range []budget{{of: "c", factor: 9}, {of: "a", against: "c", factor: 9}} {
		if got := r.verdict(g); !strings.Contains(got, "not measured") {
			t.Errorf("verdict of %+v = %q", g, got)
		}
	}
}

// Ensure that a program is judged by its median, whatever one run does.
func TestMedians(t *testing.T) {
	p := medians("p", []sample{{value: 5}, {value: 900}, {value: 4}, {value: 6}, {value: 1}})
	if p.median != 5 || p.low != 1 || p.high != 900 || p.runs != 5 {
		t.Errorf("medians = %+v", p)
	}
}

// Ensure that the table of all rows has each program that is kvsh beside the
// best of the others, which no floor is, and each budget with its verdict.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		unit       unit
		peer, met  string
		ratio, sum string
	}{
		{millis, "fast 1.00", "yes, 2.00", "2.00", "peak ≤ 1 MiB"},
		{perSecond, "slow 4.00", "**no**, 2.00", "0.50", "peak ≤ 1 MiB"},
	} {
		r := result{title: "t", unit: c.unit, programs: []program{
			{name: "bare Go", median: 0.5},
			{name: "slow", median: 4},
			{name: "fast", median: 1},
			{name: "kvsh, a", median: 2, peak: 3 << 10},
			{name: "kvsh, b", median: 3},
		}, budgets: []budget{{of: "kvsh, a", against: "fast", factor: 3}, {of: "kvsh, a", peakMiB: 1}}}
		got := r.lines()
		if len(got) != 3 {
			t.Fatalf("lines = %q, want 3 of them", got)
		}
		if a := got[0]; a[0] != "t: a" || a[2] != c.peer || a[3] != "0.500" || a[4] != c.ratio || a[6] != c.met {
			t.Errorf("first line in %s = %q, want peer %q, ratio %s, met %q", c.unit.name, a, c.peer, c.ratio, c.met)
		}
		if more := got[1]; more[0] != "" || more[5] != c.sum || more[6] != "**no**, 3.00" {
			t.Errorf("second line = %q, want the budget %q, missed", more, c.sum)
		}
		if got[2][0] != "t: b" || got[2][5] != "" {
			t.Errorf("third line = %q, want that of b, without a budget", got[2])
		}
	}
}

// Ensure that private memory is all but the clean pages of files.
func TestPrivate(t *testing.T) {
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 1 /bin/kvsh
Private_Clean:       100 kB
Private_Dirty:         4 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Rss:                  60 kB
Shared_Clean:          7 kB
Private_Clean:         1 kB
Private_Dirty:        20 kB
7f00-7f01 r--s 00000000 fe:00 2 /tmp/a.kv/tables/1.kvt
Private_Clean:         3 kB
`
	if got := privateKiB([]byte(smaps)); got != 25 {
		t.Errorf("privateKiB = %d, want 25", got)
	}
}

// Ensure that paragraphs are those of the text, the last one without an end
// too, and that their fields are found.
func TestParagraphs(t *testing.T) {
	var got []string
	for text, err := range paragraphs(strings.NewReader("Package: a\nVersion: 1\n more\n\n\nPackage: b\n")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if len(got) != 2 || got[1] != "Package: b\n" {
		t.Fatalf("paragraphs = %q", got)
	}
	if p, v, none := field(got[0], "Package"), field(got[0], "Version"), field(got[1], "Version"); p != "a" || v != "1" || none != "" {
		t.Errorf("fields = %q, %q, %q, want a, 1 and none", p, v, none)
	}
}
