package format

import (
	"errors"
	"time"
)

// timeLayout is how programs read a time: RFC 3339 in UTC with milliseconds.
// It sorts as text.
const timeLayout = "2006-01-02T15:04:05.000Z"

// maxTime is the first moment that RFC 3339 has no four-digit year for.
const maxTimeMilli = 253402300800000

var errTimeRange = errors.New("time is not in the years 0 to 9999")

// minTimeMilli is the start of the year 0 in milliseconds of Unix time.
const minTimeMilli = -62167219200000

// appendTime appends t in timeLayout, which can hold the years 0 to 9999.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	if ms := t.UnixMilli(); ms < minTimeMilli || ms >= maxTimeMilli {
		return dst, errTimeRange
	}
	return t.UTC().AppendFormat(dst, timeLayout), nil
}

// parseTime reads RFC 3339, and the layout that kvsh writes without the cost
// of the general case. Less than a millisecond is dropped.
func parseTime(b []byte) (time.Time, error) {
	if len(b) == len(timeLayout) && b[23] == 'Z' && b[10] == 'T' {
		if t, ok := parseOwnTime(b); ok {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return time.Time{}, errors.New("not a time as in " + timeLayout)
	}
	return time.UnixMilli(t.UnixMilli()).UTC(), nil
}

// parseOwnTime reads timeLayout. It is false for anything it is not sure of.
func parseOwnTime(b []byte) (time.Time, bool) {
	ok := b[4] == '-' && b[7] == '-' && b[13] == ':' && b[16] == ':' && b[19] == '.'
	num := func(i, j int) (n int) {
		for _, c := range b[i:j] {
			d := int(c) - '0'
			ok = ok && 0 <= d && d <= 9
			n = n*10 + d
		}
		return n
	}
	y, m, d := num(0, 4), num(5, 7), num(8, 10)
	h, mi, s, ms := num(11, 13), num(14, 16), num(17, 19), num(20, 23)
	if !ok || m < 1 || m > 12 || d < 1 || d > 28 || h > 23 || mi > 59 || s > 59 {
		return time.Time{}, false // days 29 to 31 are left to package time
	}
	return time.Date(y, time.Month(m), d, h, mi, s, ms*int(time.Millisecond), time.UTC), true
}
