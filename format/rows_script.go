package format

import (
	"bytes"
	"fmt"
	"time"
)

// scriptRows writes rows as commands: for kvsh, lines that set the keys again;
// for sh, assignments. It uses the columns named key, value, cf (family) and
// expires (a Time), and leaves out the others.
//
// A line for kvsh is, with only the flags it needs,
//
//	set --cf NAME --expires-at 2026-11-21T08:00:00.000Z "key" "value"
//
// The moment of expiry is absolute, so that a script gives the same keys
// whenever it runs.
type scriptRows struct {
	mode                    Mode
	key, value, cf, expires int // where those columns are; -1: nowhere
}

func newScriptRows(mode Mode, cols []Column) *scriptRows {
	e := &scriptRows{mode, -1, -1, -1, -1}
	for i, c := range cols {
		switch {
		case c.Name == "key" && c.Kind <= Text:
			e.key = i
		case c.Name == "value" && c.Kind <= Text:
			e.value = i
		case c.Name == "cf" && c.Kind <= Text:
			e.cf = i
		case c.Name == "expires" && (c.Kind == Time || c.Kind == Age):
			e.expires = i
		}
	}
	return e
}

func (e *scriptRows) begin(dst []byte, _ [][]cell) []byte { return dst }
func (e *scriptRows) end(dst []byte) []byte               { return dst }

func (e *scriptRows) row(dst []byte, cells []cell) ([]byte, error) {
	if e.key < 0 || e.value < 0 || cells[e.key].absent || cells[e.value].absent {
		return dst, fmt.Errorf("%w: %s needs keys with their values", ErrMode, e.mode)
	}
	key, value := cells[e.key].b, cells[e.value].b
	if e.mode == Env {
		return appendEnv(dst, key, value)
	}
	family, expires := "", time.Time{}
	if e.cf >= 0 {
		family = string(cells[e.cf].b)
	}
	if e.expires >= 0 {
		expires = cells[e.expires].t
	}
	return appendSet(dst, family, expires, key, value), nil
}

// appendEnv appends an assignment that every POSIX shell reads back equal.
func appendEnv(dst, key, value []byte) ([]byte, error) {
	if !isEnvName(key) {
		return dst, fmt.Errorf("key %s: %w", quoteStart(key), ErrEnvName)
	}
	if bytes.IndexByte(value, 0) >= 0 {
		return dst, fmt.Errorf("value of %s %w", quoteStart(key), ErrNUL)
	}
	dst = append(dst, key...)
	dst = append(dst, "='"...)
	for {
		i := bytes.IndexByte(value, '\'')
		if i < 0 {
			return append(append(dst, value...), "'\n"...), nil
		}
		dst = append(append(dst, value[:i]...), `'\''`...)
		value = value[i+1:]
	}
}

func isEnvName(b []byte) bool {
	for i, c := range b {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(b) > 0
}
