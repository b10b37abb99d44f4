package format

import "time"

// FormatKvsh is a script of set and del commands, which kvsh runs too. No data is
// refused. What kvsh writes has a record a line, keys and values as literals
// of Quote, the flags only where they say something:
//
//	set "a" "1"
//	set --cf pictures --expires-at 2026-12-01T00:00:00.000Z "b" "\xff"
//	set -- "-c" ""
//	del --cf pictures "d"
//
// Only a difference of two states has deletes, one key in each.
// The reader takes such commands as a line of the shell has them: words that
// are bare, 'literal' or "quoted", adjacent parts joined; # begins a comment
// where a word could begin; a command ends with the line or a semicolon, and an
// open quote goes on in the next line. Flags come before the key, and a key
// that begins with - comes after --. It takes the flags above, as two words or
// joined by =, and no other commands.
//
// A cut inside a record as kvsh writes it shows as an open quote or a missing
// value. A cut between two records does not show, and an empty file has none.
type kvshExport struct{ *sink }

func (e *kvshExport) Write(r Record) error {
	remove := r.Delete
	r.Delete = false // the others have no form for it
	if err := e.check(&r); err != nil {
		return err
	}
	if remove {
		e.buf = appendDel(e.buf, r.Family, r.Key)
		return e.flushIfFull()
	}
	e.buf = appendSet(e.buf, r.Family, r.Expires, r.Key, r.Value)
	return e.flushIfFull()
}

// appendSet appends the command that sets a key, with only the flags it needs
// and the line feed.
func appendSet(dst []byte, family string, expires time.Time, key, value []byte) []byte {
	dst = appendFamilyFlag(append(dst, "set "...), family)
	if !expires.IsZero() {
		dst = append(dst, "--expires-at "...)
		dst = appendTime(dst, expires)
		dst = append(dst, ' ')
	}
	dst = append(appendKeyWord(dst, key), ' ')
	dst = AppendQuote(dst, value)
	return append(dst, '\n')
}

// appendDel appends the command that deletes a key.
func appendDel(dst []byte, family string, key []byte) []byte {
	dst = appendFamilyFlag(append(dst, "del "...), family)
	return append(appendKeyWord(dst, key), '\n')
}

func appendFamilyFlag(dst []byte, family string) []byte {
	if family == "" {
		return dst
	}
	dst = append(dst, "--cf "...)
	dst = append(dst, Word([]byte(family))...)
	return append(dst, ' ')
}

func appendKeyWord(dst, key []byte) []byte {
	if len(key) > 0 && key[0] == '-' {
		dst = append(dst, "-- "...) // quotes do not keep a key from being read as a flag
	}
	return AppendQuote(dst, key)
}

func (e *kvshExport) Close() error { return e.flush() }
