package format

import (
	"bytes"
	"errors"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// A syntaxError is a fault in JSON, at a byte of what was scanned.
type syntaxError struct {
	at     int
	reason string
}

func (e *syntaxError) Error() string { return e.reason }

// A jsonScanner reads JSON text exactly: it takes no invalid UTF-8, no lone
// surrogates and no second spelling that RFC 8259 does not have. It returns
// errMore where the text ends too early. Whitespace is skipped before a token.
type jsonScanner struct {
	b []byte
	i int
}

// maxDepth is how deep arrays and objects may lie in each other.
const maxDepth = 1000

func (s *jsonScanner) fail(reason string) error { return &syntaxError{s.i, reason} }

// peek skips whitespace and returns the next byte without taking it, 0 at the
// end of the text.
func (s *jsonScanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take skips whitespace and takes the byte c.
func (s *jsonScanner) take(c byte, reason string) error {
	if got := s.peek(); got == c {
		s.i++
		return nil
	}
	if s.i >= len(s.b) {
		return errMore
	}
	return s.fail(reason)
}

// str reads a string. The result is part of the text, or of *buf where the
// string holds escapes.
func (s *jsonScanner) str(buf *[]byte) ([]byte, error) {
	if err := s.take('"', `want "`); err != nil {
		return nil, err
	}
	start, ascii := s.i, true
	for {
		s.i += jsonSpecial(s.b[s.i:])
		if s.i >= len(s.b) {
			return nil, errMore
		}
		switch c := s.b[s.i]; {
		case c == '"':
			out := s.b[start:s.i]
			s.i++
			if !ascii && !utf8.Valid(out) {
				s.i = start + invalidAt(out)
				return nil, s.fail("invalid UTF-8")
			}
			return out, nil
		case c == '\\':
			return s.escaped(start, buf)
		case c < 0x20:
			return nil, s.fail("control character in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.i++
		}
	}
}

// invalidAt is the index of the first byte of b that is no UTF-8.
func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// escaped reads on in a string that began at start and holds an escape at the
// place reached.
func (s *jsonScanner) escaped(start int, buf *[]byte) ([]byte, error) {
	out := append((*buf)[:0], s.b[start:s.i]...)
	defer func() { *buf = out }()
	for {
		n := jsonSpecial(s.b[s.i:])
		out = append(out, s.b[s.i:s.i+n]...)
		if s.i += n; s.i >= len(s.b) {
			return nil, errMore
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			if !utf8.Valid(out) {
				return nil, s.fail("invalid UTF-8")
			}
			return out, nil
		case c == '\\':
			var err error
			if out, err = s.escape(out); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, s.fail("control character in a string")
		default:
			out = append(out, c)
			s.i++
		}
	}
}

// escape reads the escape that begins at the place reached.
func (s *jsonScanner) escape(out []byte) ([]byte, error) {
	if s.i+1 >= len(s.b) {
		return out, errMore
	}
	c := s.b[s.i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.escapedRune(out)
	default:
		return out, s.fail("unknown escape in a string")
	}
	s.i += 2
	return append(out, c), nil
}

// escapedRune reads \uXXXX, or two of them that are a surrogate pair.
func (s *jsonScanner) escapedRune(out []byte) ([]byte, error) {
	r, err := s.hex4(s.i)
	if err != nil {
		return out, err
	}
	n := 6
	if utf16.IsSurrogate(r) {
		if len(s.b) < s.i+8 {
			return out, errMore
		}
		if s.b[s.i+6] != '\\' || s.b[s.i+7] != 'u' {
			return out, s.fail("half a surrogate pair")
		}
		low, err := s.hex4(s.i + 6)
		if err != nil {
			return out, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return out, s.fail("half a surrogate pair")
		}
		n = 12
	}
	s.i += n
	return utf8.AppendRune(out, r), nil
}

// hex4 is the value of the \uXXXX at i.
func (s *jsonScanner) hex4(i int) (rune, error) {
	if len(s.b) < i+6 {
		return 0, errMore
	}
	var r rune
	for _, c := range s.b[i+2 : i+6] {
		d := unhex(c)
		if d < 0 {
			return 0, s.fail(`\u needs four hex digits`)
		}
		r = r<<4 | rune(d)
	}
	return r, nil
}

// skip takes one value of any kind and returns its text, whitespace and all.
func (s *jsonScanner) skip(buf *[]byte, depth int) ([]byte, error) {
	c := s.peek()
	start := s.i
	var err error
	switch {
	case s.i >= len(s.b):
		return nil, errMore
	case depth > maxDepth:
		return nil, s.fail("nested too deep")
	case c == '"':
		_, err = s.str(buf)
	case c == '{', c == '[':
		err = s.skipMembers(buf, c, depth)
	case c == 't':
		err = s.word("true")
	case c == 'f':
		err = s.word("false")
	case c == 'n':
		err = s.word("null")
	default:
		err = s.number()
	}
	if err != nil {
		return nil, err
	}
	return s.b[start:s.i], nil
}

// skipMembers takes an array or an object.
func (s *jsonScanner) skipMembers(buf *[]byte, open byte, depth int) error {
	end := byte(']')
	if open == '{' {
		end = '}'
	}
	s.i++
	if s.peek() == end {
		s.i++
		return nil
	}
	for {
		if open == '{' {
			if _, err := s.str(buf); err != nil {
				return err
			}
			if err := s.take(':', "want :"); err != nil {
				return err
			}
		}
		if _, err := s.skip(buf, depth+1); err != nil {
			return err
		}
		switch c := s.peek(); {
		case s.i >= len(s.b):
			return errMore
		case c == ',':
			s.i++
		case c == end:
			s.i++
			return nil
		default:
			return s.fail("want , or " + string(end))
		}
	}
}

func (s *jsonScanner) word(w string) error {
	rest := s.b[s.i:]
	if len(rest) < len(w) && w[:len(rest)] == string(rest) {
		return errMore
	}
	if !bytes.HasPrefix(rest, []byte(w)) {
		return s.fail("bad value")
	}
	s.i += len(w)
	return nil
}

// number takes a number as RFC 8259 spells it. One that reaches the end of the
// text may go on behind it.
func (s *jsonScanner) number() error {
	at := func() byte {
		if s.i < len(s.b) {
			return s.b[s.i]
		}
		return 0
	}
	digits := func() bool {
		start := s.i
		for c := at(); '0' <= c && c <= '9'; c = at() {
			s.i++
		}
		return s.i > start
	}
	start := s.i
	if at() == '-' {
		s.i++
	}
	ok := true
	if at() == '0' {
		s.i++
	} else {
		ok = digits()
	}
	if ok && at() == '.' {
		s.i++
		ok = digits()
	}
	if c := at(); ok && (c == 'e' || c == 'E') {
		s.i++
		if c := at(); c == '+' || c == '-' {
			s.i++
		}
		ok = digits()
	}
	if s.i >= len(s.b) {
		return errMore
	}
	if !ok {
		s.i = start
		return s.fail("bad value")
	}
	return nil
}

// appendCompact appends valid JSON text without the whitespace between tokens.
func appendCompact(dst, b []byte) []byte {
	inString := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString && c == '\\':
			dst = append(dst, c)
			i++
			c = b[i]
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// A jsonObject is what one object of a JSON file says.
type jsonObject struct {
	key, value       []byte
	hasKey, hasValue bool
	family           []byte
	rev              uint64
	time, expires    time.Time

	kvsh     []byte // "export" in the header, "end" in the last record
	version  uint64
	count    uint64
	checksum []byte

	keyBuf, valueBuf, nameBuf, buf, famBuf []byte // memory for what does not stand in the text as it is
}

func (o *jsonObject) reset() {
	o.key, o.value, o.hasKey, o.hasValue, o.family = nil, nil, false, false, nil
	o.rev, o.time, o.expires = 0, time.Time{}, time.Time{}
	o.kvsh, o.version, o.count, o.checksum = nil, 0, 0, nil
}

// read reads one object.
func (o *jsonObject) read(s *jsonScanner) error {
	o.reset()
	if err := s.take('{', "want an object"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		name, err := s.str(&o.nameBuf)
		if err != nil {
			return err
		}
		if err := s.take(':', "want :"); err != nil {
			return err
		}
		at := s.i
		if err := o.member(s, name); err != nil {
			if se := (*syntaxError)(nil); err != errMore && !errors.As(err, &se) {
				return &syntaxError{at, err.Error()}
			}
			return err
		}
		switch c := s.peek(); {
		case s.i >= len(s.b):
			return errMore
		case c == ',':
			s.i++
		case c == '}':
			s.i++
			return nil
		default:
			return s.fail("want , or }")
		}
	}
}

// member reads the value of the member called name.
func (o *jsonObject) member(s *jsonScanner, name []byte) (err error) {
	switch string(name) {
	case "key", "key_b64":
		if o.hasKey {
			return errors.New("two keys in one object")
		}
		o.hasKey = true
		if s.peek() != '"' && s.i < len(s.b) {
			return errors.New("a key is a string")
		}
		o.key, err = o.text(s, &o.keyBuf, len(name) > 3)
		return err
	case "value", "value_b64":
		if o.hasValue {
			return errors.New("two values in one object")
		}
		o.hasValue = true
		if len(name) > 5 || s.peek() == '"' {
			o.value, err = o.text(s, &o.valueBuf, len(name) > 5)
			return err
		}
		raw, err := s.skip(&o.buf, 0)
		if err != nil {
			return err
		}
		if raw[0] == 'n' {
			return errors.New("value is null")
		}
		o.valueBuf = appendCompact(o.valueBuf[:0], raw)
		o.value = o.valueBuf
		return nil
	case "cf":
		o.family, err = s.str(&o.famBuf)
		return err
	case "expires":
		if s.peek() == 'n' {
			return s.word("null")
		}
		t, err := s.str(&o.buf)
		if err != nil {
			return err
		}
		if o.expires, err = parseTime(t); err != nil {
			return errors.New("expires: " + err.Error())
		}
		return nil
	}
	return o.lenient(s, name)
}

// text reads a string, in base64 if b64.
func (o *jsonObject) text(s *jsonScanner, buf *[]byte, b64 bool) ([]byte, error) {
	t, err := s.str(buf)
	if err != nil || !b64 {
		return t, err
	}
	if *buf, err = appendBase64(o.buf[:0], t); err != nil {
		return nil, err
	}
	o.buf = nil // *buf has its memory now
	return *buf, nil
}

// lenient reads the members that a file of another program may use for
// something else.
func (o *jsonObject) lenient(s *jsonScanner, name []byte) error {
	raw, err := s.skip(&o.buf, 0)
	if err != nil {
		return err
	}
	number := func() uint64 {
		n, _ := strconv.ParseUint(string(raw), 10, 64)
		return n
	}
	unquoted := func() []byte {
		if len(raw) < 2 || raw[0] != '"' {
			return nil
		}
		return raw[1 : len(raw)-1]
	}
	switch string(name) {
	case "rev":
		o.rev = number()
	case "time":
		if t, err := parseTime(unquoted()); err == nil {
			o.time = t
		}
	case "kvsh":
		o.kvsh = unquoted()
	case "version":
		o.version = number()
	case "count":
		o.count = number()
	case "checksum":
		o.checksum = unquoted()
	}
	return nil
}
