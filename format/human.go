package format

import (
	"fmt"
	"strconv"
	"time"
)

// SizeText is a number of bytes for people: "17 B", "1.2 KiB", "32 MiB".
func SizeText(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n), 0
	for f >= 1023.95 && unit < 6 {
		f, unit = f/1024, unit+1
	}
	s := strconv.FormatFloat(f, 'f', 1, 64)
	if f >= 99.95 || s[len(s)-2:] == ".0" {
		s = strconv.FormatFloat(f, 'f', 0, 64)
	}
	return s + " " + "KMGTPE"[unit-1:unit] + "iB"
}

// AgeText is a span of time for people, in its largest unit: "3m", "2d". A
// span below a second, and one in the future, is "0s".
func AgeText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 365*day:
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%dy", d/(365*day))
}

// AgoText is a span of time back from now in words: "3 minutes ago".
func AgoText(d time.Duration) string {
	s := AgeText(d)
	if s == "0s" {
		return "just now"
	}
	n, unit := s[:len(s)-1], ""
	switch s[len(s)-1] {
	case 's':
		unit = "second"
	case 'm':
		unit = "minute"
	case 'h':
		unit = "hour"
	case 'd':
		unit = "day"
	case 'y':
		unit = "year"
	}
	if n != "1" {
		unit += "s"
	}
	return n + " " + unit + " ago"
}

// appendSeconds appends a span as seconds with up to three decimals.
func appendSeconds(dst []byte, d time.Duration) []byte {
	ms := d.Milliseconds()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if f := ms % 1000; f != 0 {
		dst = append(dst, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return dst
}
