package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a time span: what time.ParseDuration reads, and the units
// d and w for days of 24 hours and weeks of 7 days, which come before the
// smaller ones: 90s, 10m, 1h30m, 7d, 2w, 1d12h. It is never negative.
func parseDuration(text string) (time.Duration, error) {
	bad := usagef("not a time span: %s", quoted(text))
	bad.(*usageError).hint = "a time span is like 90s, 10m, 1h30m, 7d or 2w"
	if _, err := strconv.ParseUint(text, 10, 31); err == nil {
		bad.(*usageError).hint = fmt.Sprintf("with a unit: %ss are seconds, %sm minutes, %sh hours, %sd days", text, text, text, text)
	}
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

// String is empty for no time, so that help does not show it as a default.
func (d *durationFlag) String() string {
	if *d == 0 {
		return ""
	}
	return durationText(time.Duration(*d))
}

func (d *durationFlag) Type() string { return "D" }

func (d *durationFlag) Set(text string) error {
	v, err := parseDuration(text)
	*d = durationFlag(v)
	return err
}

// parseTime reads a moment: RFC 3339 with any offset, or, in the local time
// zone, a date with or without the time of day. It is kept to the millisecond.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, text, time.Local)
		if err == nil && t.Year() >= 1970 && t.Year() <= 9999 {
			return t.Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, &usageError{
		reason: fmt.Sprintf("not a moment: %s", quoted(text)),
		hint:   "a moment is like 2030-01-31T08:00:00Z, '2030-01-31 08:00' or 2030-01-31",
	}
}

// timeFlag is a flag with a moment.
type timeFlag time.Time

func (f *timeFlag) String() string { return "" }
func (f *timeFlag) Type() string   { return "T" }

func (f *timeFlag) Set(text string) error {
	t, err := parseTime(text)
	*f = timeFlag(t)
	return err
}
