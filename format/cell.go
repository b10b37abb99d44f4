package format

import (
	"fmt"
	"strconv"
	"time"
)

// A cell is one value of a row.
type cell struct {
	kind   Kind
	absent bool
	b      []byte // of Bytes and Text; perhaps only its beginning
	size   int    // of Bytes and Text: the length of the whole
	n      int64  // of Int, Size; of TTL in nanoseconds; of Bool, 1 for true
	big    bool   // n is a uint64 that was too large for it
	t      time.Time
}

// isBytes reports whether the cell holds bytes rather than a number or time.
func (c *cell) isBytes() bool { return c.kind <= Text }

// newCell makes a cell of what was given to Row. The bytes of a string are kept
// in *arena. A type that the kind does not take is a bug of the caller.
func newCell(kind Kind, v any, arena *[]byte) cell {
	c := cell{kind: kind}
	ok := true
	switch v := v.(type) {
	case nil:
		c.absent = true
	case []byte:
		c.b, c.size, ok = v, len(v), kind <= Text
	case string:
		start := len(*arena)
		*arena = append(*arena, v...)
		c.b, c.size, ok = (*arena)[start:], len(v), kind <= Text
	case int:
		c.n, ok = int64(v), kind == Int || kind == Size
	case int64:
		c.n, ok = v, kind == Int || kind == Size
	case uint64:
		c.n, c.big, ok = int64(v), int64(v) < 0, kind == Int || kind == Size
	case time.Time:
		c.t, c.absent, ok = v, v.IsZero(), kind == Time || kind == Age
	case time.Duration:
		c.n, ok = int64(v), kind == TTL
	case bool:
		ok = kind == Bool
		if v {
			c.n = 1
		}
	default:
		ok = false
	}
	if !ok {
		panic(fmt.Sprintf("format: a cell of kind %d holds a %T", kind, v))
	}
	return c
}

// keep returns the cell with bytes of its own, at most limit of them.
func (c cell) keep(limit int) cell {
	if c.isBytes() && !c.absent {
		c.b = append(make([]byte, 0, min(limit, len(c.b))), c.b[:min(limit, len(c.b))]...)
	}
	return c
}

// appendPlain appends the cell, which is not bytes, as programs read it:
// numbers as decimals, TTL in seconds with at most three decimals, times as
// RFC 3339 in UTC with milliseconds. An absent cell appends nothing.
func (c *cell) appendPlain(dst []byte) []byte {
	if c.absent {
		return dst
	}
	switch c.kind {
	case Time, Age:
		return appendTime(dst, c.t)
	case TTL:
		// Milliseconds, so that the float is short.
		return strconv.AppendFloat(dst, float64(c.n/int64(time.Millisecond))/1000, 'f', -1, 64)
	case Bool:
		return strconv.AppendBool(dst, c.n != 0)
	}
	if c.big {
		return strconv.AppendUint(dst, uint64(c.n), 10)
	}
	return strconv.AppendInt(dst, c.n, 10)
}

// human returns the cell, which is not bytes, as people read it.
func (c *cell) human(now time.Time) string {
	switch {
	case c.absent:
		return "-"
	case c.kind == Size && c.big:
		return humanSize(uint64(c.n))
	case c.kind == Size:
		return HumanSize(c.n)
	case c.kind == Time:
		return c.t.In(now.Location()).Format("2006-01-02 15:04:05")
	case c.kind == Age:
		return HumanAge(now, c.t)
	case c.kind == TTL:
		return HumanDuration(time.Duration(c.n))
	}
	return string(c.appendPlain(nil))
}
