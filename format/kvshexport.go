package format

// FormatKvsh is a script of set commands, which kvsh runs too. No data is
// refused. What kvsh writes has a record a line, keys and values as literals
// of Quote, the flags only where they say something:
//
//	set "a" "1"
//	set --cf pictures --expires-at 2026-12-01T00:00:00.000Z "b" "\xff"
//	set -- "-c" ""
//
// The reader takes such commands as a line of the shell has them: words that
// are bare, 'literal' or "quoted", adjacent parts joined; # begins a comment
// where a word could begin; a command ends with the line or a semicolon, and an
// open quote goes on in the next line. Flags come before the key, and a key
// that begins with - comes after --. It takes the flags above, as two words or
// joined by =, and no command but set.
//
// A cut inside a record as kvsh writes it shows as an open quote or a missing
// value. A cut between two records does not show, and an empty file has none.
type kvshExport struct{ *sink }

func (e *kvshExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	b := append(e.buf, "set "...)
	if r.Family != "" {
		b = append(b, "--cf "...)
		b = append(b, r.Family...)
		b = append(b, ' ')
	}
	if !r.Expires.IsZero() {
		b = append(b, "--expires-at "...)
		b = appendTime(b, r.Expires)
		b = append(b, ' ')
	}
	if len(r.Key) > 0 && r.Key[0] == '-' {
		b = append(b, "-- "...)
	}
	b = AppendQuote(b, r.Key)
	b = append(b, ' ')
	b = AppendQuote(b, r.Value)
	e.buf = append(b, '\n')
	return e.flushIfFull()
}

func (e *kvshExport) Close() error { return e.flush() }
