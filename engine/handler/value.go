package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"kvsh/engine"
)

// An expiring is a value with an end, which only a handler makes and only as
// part of what it returns.
type expiring struct {
	value starlark.Value
	after time.Duration // more than 0
}

var _ starlark.Value = (*expiring)(nil)

func (e *expiring) String() string {
	return fmt.Sprintf("expiring(%v, %v)", e.value, e.after.Seconds())
}
func (e *expiring) Type() string          { return "expiring" }
func (e *expiring) Freeze()               { e.value.Freeze() }
func (e *expiring) Truth() starlark.Bool  { return true }
func (e *expiring) Hash() (uint32, error) { return 0, errors.New("unhashable: expiring") }

// newExpiring is the function expiring(value, seconds).
func newExpiring(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	const most = 100 * 365 * 24 * 60 * 60 // seconds: a hundred years
	var value, seconds starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "value", &value, "seconds", &seconds); err != nil {
		return nil, err
	}
	n, ok := starlark.AsFloat(seconds)
	if !ok {
		return nil, fmt.Errorf("%s: seconds is a %s, want a number", b.Name(), seconds.Type())
	}
	if math.IsNaN(n) || n <= 0 || n > most {
		return nil, fmt.Errorf("%s: %v seconds, want more than 0 and at most %d", b.Name(), seconds, int64(most))
	}
	if _, err := valueBytes(value); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	// What is kept has milliseconds, and none of them would be no time at all.
	return &expiring{value, max(time.Duration(n*1000)*time.Millisecond, time.Millisecond)}, nil
}

// dict is the values of a call as the handler sees them.
func (c *Call) dict() *starlark.Dict {
	d := starlark.NewDict(len(c.Keys))
	for i, key := range c.Keys {
		var v starlark.Value = starlark.None
		switch value := c.Values[i]; {
		case value == nil:
		case utf8.Valid(value):
			v = starlark.String(value)
		default:
			v = starlark.Bytes(value)
		}
		// Strings have hashes and the dict is not frozen: there is no error.
		_ = d.SetKey(starlark.String(key), v)
	}
	return d
}

// split is the two parts of what a handler returned: the new values, nil for
// none, and the result, None for none.
func split(returned starlark.Value) (*starlark.Dict, starlark.Value, error) {
	var result starlark.Value = starlark.None
	if pair, ok := returned.(starlark.Tuple); ok && len(pair) == 2 {
		returned, result = pair[0], pair[1]
	}
	switch v := returned.(type) {
	case starlark.NoneType:
		return nil, result, nil
	case *starlark.Dict:
		return v, result, nil
	}
	return nil, nil, fmt.Errorf("handle returned a %s, want a dict of new values, None, or a pair of that and a result", returned.Type())
}

// writes is what a dict of new values changes.
func (c *Call) writes(values *starlark.Dict) ([]Write, error) {
	if values == nil {
		return nil, nil
	}
	var (
		writes []Write
		known  int // keys of values that the call names
		size   int // bytes of keys and values
	)
	for i, key := range c.Keys {
		v, found, err := values.Get(starlark.String(key))
		if err != nil || !found {
			continue
		}
		known++
		w, changed, err := c.write(i, v)
		if err != nil {
			return nil, fmt.Errorf("value of %q: %w", key, err)
		}
		if !changed {
			continue
		}
		if size += len(w.Key) + len(w.Value); size > engine.MaxTxSize {
			return nil, fmt.Errorf("new values of more than %d bytes together", engine.MaxTxSize)
		}
		writes = append(writes, w)
	}
	if known == values.Len() {
		return writes, nil
	}
	return nil, c.foreign(values)
}

// foreign is the error of a dict with a key that the call does not name.
func (c *Call) foreign(values *starlark.Dict) error {
	named := make(map[starlark.String]bool, len(c.Keys))
	for _, key := range c.Keys {
		named[starlark.String(key)] = true
	}
	for _, key := range values.Keys() {
		text, ok := key.(starlark.String)
		if !ok {
			return fmt.Errorf("handle returned a value for a key of type %s, want a string", key.Type())
		}
		if !named[text] {
			return fmt.Errorf("handle returned a value for %q, which the call does not name", clip(string(text), 64))
		}
	}
	return errors.New("handle returned more keys than the call names") // cannot be: one of them is not named
}

// write is the new value of the key at i, and whether it differs from the old
// one. What expires differs always.
func (c *Call) write(i int, v starlark.Value) (w Write, changed bool, err error) {
	w.Key = c.Keys[i]
	old := c.Values[i]
	if v == starlark.None {
		w.Delete = true
		return w, old != nil, nil
	}
	if e, ok := v.(*expiring); ok {
		w.Expires = c.Now.Add(e.after)
		v = e.value
	}
	if w.Value, err = valueBytes(v); err != nil {
		return w, false, err
	}
	return w, old == nil || !w.Expires.IsZero() || !bytes.Equal(old, w.Value), nil
}

// valueBytes is a Starlark value as it is stored.
func valueBytes(v starlark.Value) (value []byte, err error) {
	switch v := v.(type) {
	case starlark.String:
		value = []byte(v)
	case starlark.Bytes:
		value = []byte(v)
	case starlark.Int:
		value = []byte(v.String())
	default:
		return nil, fmt.Errorf("a %s, want a string, bytes, an int or None", v.Type())
	}
	if len(value) > engine.MaxValueSize {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(value), engine.MaxValueSize)
	}
	return value, nil
}

// CheckArg refuses, with ErrArg, an argument that is not JSON or passes a
// limit. The empty string is no argument, and fine.
func CheckArg(arg string) error {
	switch {
	case arg == "":
		return nil
	case len(arg) > MaxArgSize:
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrArg, len(arg), MaxArgSize)
	case depth(arg) > MaxDepth:
		return fmt.Errorf("%w: nested deeper than %d", ErrArg, MaxDepth)
	case !utf8.ValidString(arg):
		return fmt.Errorf("%w: not UTF-8", ErrArg)
	}
	var syntax *json.SyntaxError
	var any json.RawMessage
	if err := json.Unmarshal([]byte(arg), &any); errors.As(err, &syntax) {
		return fmt.Errorf("%w: byte %d: %w", ErrArg, syntax.Offset, err)
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrArg, err)
	}
	return nil
}

// depth is how many lists and objects of a JSON text are open at once at most.
func depth(text string) int {
	open, most, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++ // whatever it is, it does not end the string
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			open++
			most = max(most, open)
		case c == ']', c == '}':
			open--
		}
	}
	return most
}
