package cmd

import (
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a time span: what time.ParseDuration reads, and the units
// d and w for days of 24 hours and weeks of 7 days, which come before the
// smaller ones: 90s, 10m, 1h30m, 7d, 2w, 1d12h. It is never negative.
func parseDuration(text string) (time.Duration, error) {
	bad := usagef("not a time span: %q", text)
	bad.(*usageError).hint = "a time span is like 90s, 10m, 1h30m, 7d or 2w"
	rest, total := text, time.Duration(0)
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, ok := strings.Cut(rest, unit.letter)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > (1<<63-1-total)/unit.length {
			return 0, bad
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" && text != "" {
		return total, nil
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, bad
	}
	d, err := time.ParseDuration(rest)
	if err != nil || total+d < total {
		return 0, bad
	}
	return total + d, nil
}

// durationText is a time span as parseDuration reads it, to the millisecond,
// with days and without units of zero.
func durationText(d time.Duration) string {
	d = d.Truncate(time.Millisecond)
	if d < 24*time.Hour {
		return d.String()
	}
	days := strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	if d %= 24 * time.Hour; d == 0 {
		return days
	}
	return days + d.String()
}

// durationFlag is a flag with a time span.
type durationFlag time.Duration

func (d *durationFlag) String() string { return time.Duration(*d).String() }
func (d *durationFlag) Type() string   { return "D" }

func (d *durationFlag) Set(text string) error {
	v, err := parseDuration(text)
	*d = durationFlag(v)
	return err
}
