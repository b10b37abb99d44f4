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
