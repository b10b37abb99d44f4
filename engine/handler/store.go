package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kvsh/engine"
)

// Family is the column family that holds the handlers of a database.
const Family = ".handlers"

// How handlers are stored, encoding 1. Each version of a handler is one key:
//
//	key    NAME@0000000001     the version, 1..2147483647, in ten digits,
//	                           so that the last key of a name is its newest
//	value  "#kvsh handler 1\n" the encoding, which also says what the handler
//	                           finds and returns (see the package comment)
//	       source              to the end, byte for byte as it was added
//
// No key is ever written again, so a version means for ever what it meant when
// it was added. A later encoding has a later number, and this one stays read.
const (
	header        = "#kvsh handler 1\n"
	headerStart   = "#kvsh handler "
	versionDigits = 10
	maxVersion    = 1<<31 - 1
)

// ErrNoHandler is returned for a name or version that is not there.
var ErrNoHandler = errors.New("no such handler")

// A Stored is a version of a handler in a database.
type Stored struct {
	Name    string
	Version int // from 1
	Source  []byte
	Stamp   engine.Stamp // when it was added; 0 before the commit that adds it
}

// About is the first comment of the source, if it begins with one.
func (s *Stored) About() string {
	line, _, _ := strings.Cut(string(s.Source), "\n")
	text, ok := strings.CutPrefix(line, "#")
	if !ok {
		return ""
	}
	return strings.TrimSpace(text)
}

// storedKey is the key of a version.
func storedKey(name string, version int) string {
	return fmt.Sprintf("%s@%0*d", name, versionDigits, version)
}

// decode reads what storedKey and header make.
func decode(e engine.Entry) (s Stored, err error) {
	name, digits, ok := strings.Cut(e.Key, "@")
	version, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || version < 1 || e.Key != storedKey(name, int(version)) || CheckName(name) != nil {
		return s, fmt.Errorf("key %q in family %s is no handler's: %w", e.Key, Family, engine.ErrInvalid)
	}
	source, ok := bytes.CutPrefix(e.Value, []byte(header))
	switch {
	case ok:
		return Stored{Name: name, Version: int(version), Source: source, Stamp: e.Stamp}, nil
	case bytes.HasPrefix(e.Value, []byte(headerStart)):
		return s, fmt.Errorf("handler %s@%d: %w", name, version, engine.ErrNewer)
	}
	return s, fmt.Errorf("value of %q in family %s is no handler: %w", e.Key, Family, engine.ErrInvalid)
}

// Add stores a new version of a handler, unless the newest one has the same
// source already, and returns the newest one and whether it is new. The source
// must be one that Compile takes, and the name one that CheckName takes.
func Add(ctx context.Context, tx engine.Tx, name string, source []byte) (s Stored, added bool, err error) {
	s, err = Get(ctx, tx, name, 0)
	switch {
	case errors.Is(err, ErrNoHandler):
		s = Stored{Name: name}
	case err != nil:
		return s, false, err
	case bytes.Equal(s.Source, source):
		return s, false, nil
	case s.Version == maxVersion:
		return s, false, fmt.Errorf("version %d was the last one: %w", s.Version, engine.ErrTooLarge)
	}
	s = Stored{Name: name, Version: s.Version + 1, Source: source}
	return s, true, tx.In(Family).Set(ctx, storedKey(name, s.Version), append([]byte(header), source...))
}

// Get returns a version of a handler, or, with version 0, the newest one. It is
// ErrNoHandler if it is not there.
func Get(ctx context.Context, tx engine.Tx, name string, version int) (Stored, error) {
	if version > 0 {
		e, err := tx.In(Family).Get(ctx, storedKey(name, version))
		if errors.Is(err, engine.ErrNotFound) {
			return Stored{}, ErrNoHandler
		} else if err != nil {
			return Stored{}, err
		}
		return decode(e)
	}
	for e, err := range tx.In(Family).Scan(ctx, engine.Range{Prefix: name + "@", Reverse: true, Limit: 1}) {
		if err != nil {
			return Stored{}, err
		}
		return decode(e)
	}
	return Stored{}, ErrNoHandler
}

// List returns the newest version of every handler, sorted by name.
func List(ctx context.Context, tx engine.Tx) ([]Stored, error) {
	var all []Stored
	for e, err := range tx.In(Family).Scan(ctx, engine.Range{}) {
		if err != nil {
			return nil, err
		}
		s, err := decode(e)
		if err != nil {
			return nil, err
		}
		if last := len(all) - 1; last >= 0 && all[last].Name == s.Name {
			all[last] = s
		} else {
			all = append(all, s)
		}
	}
	// In the order of the keys "a-b@" comes before "a@".
	slices.SortFunc(all, func(a, b Stored) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove deletes a handler with all its versions and returns how many there
// were.
func Remove(ctx context.Context, tx engine.Tx, name string) (versions int, err error) {
	var keys []string
	for e, err := range tx.In(Family).Scan(ctx, engine.Range{Prefix: name + "@", KeysOnly: true}) {
		if err != nil {
			return 0, err
		}
		keys = append(keys, e.Key)
	}
	for _, key := range keys {
		if err := tx.In(Family).Delete(ctx, key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// ParseRef reads NAME or NAME@VERSION, as a call names a handler. The version
// is 0 where none is named.
func ParseRef(ref string) (name string, version int, err error) {
	name, digits, versioned := strings.Cut(ref, "@")
	if err := CheckName(name); err != nil {
		return "", 0, err
	}
	if !versioned {
		return name, 0, nil
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 1 {
		return "", 0, fmt.Errorf("not the version of a handler: %q", digits)
	}
	return name, int(n), nil
}
