package format

import (
	"strconv"
	"time"
)

// HumanSize returns a number of bytes for people: "512 B", "1.2 KiB", "3.0 GiB".
func HumanSize(n int64) string {
	if n < 0 {
		return "-" + humanSize(uint64(-n))
	}
	return humanSize(uint64(n))
}

func humanSize(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n)/1024, 0
	for f >= 1023.95 { // which one decimal would round up to 1024.0
		f /= 1024
		unit++
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + units[unit:unit+1] + "iB"
}

// HumanDuration returns a duration for people, in its two greatest units:
// "0s", "250ms", "59s", "2h 5m", "3d", "1y 40d". It cuts, never rounds up, so a
// key that is shown to live "1h" lives at least that long. A year has 365 days.
func HumanDuration(d time.Duration) string {
	if d < 0 {
		return "-" + HumanDuration(max(-d, 0)) // the least duration has no opposite
	}
	if d < time.Second {
		if d < time.Millisecond {
			return "0s"
		}
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	}
	const day = 24 * time.Hour
	units := [...]struct {
		size time.Duration
		name string
	}{{365 * day, "y"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		s := strconv.FormatInt(int64(d/u.size), 10) + u.name
		if i+1 < len(units) {
			if rest := d % u.size / units[i+1].size; rest > 0 {
				s += " " + strconv.FormatInt(int64(rest), 10) + units[i+1].name
			}
		}
		return s
	}
	return "0s"
}

// HumanAge returns how long before now a moment was, in one unit: "now", "3m",
// "2d". A moment in the future, which another clock may have made, is
// "in 3m".
func HumanAge(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d <= -time.Second:
		return "in " + oneUnit(-d)
	case d < time.Second:
		return "now"
	}
	return oneUnit(d)
}

// oneUnit is d, a second or more, in its greatest unit.
func oneUnit(d time.Duration) string {
	s := HumanDuration(d)
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}
