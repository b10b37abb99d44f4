package cmd

import (
	"errors"
	"unicode/utf8"
)

// A glob is a pattern for whole keys: * is any bytes, also none, ? is one
// character, [a-z] one of a set and [!a-z] one of the others, and \ takes the
// next character as it is. A byte that is not UTF-8 is a character of its own.
type glob []globPart

type globPart struct {
	kind globKind
	char rune      // for globChar: the character, or -1-b for the byte b that is not UTF-8
	set  [][2]rune // for globSet: ranges, both ends included
	not  bool      // for globSet: none of the set
}

type globKind uint8

const (
	globChar globKind = iota
	globOne
	globAny
	globSet
)

// nextChar is the first character of s and its size in bytes. Bytes that are
// not UTF-8 have negative numbers, apart from each other and from U+FFFD.
func nextChar[T string | []byte](s T) (rune, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	end := min(len(s), utf8.UTFMax)
	r, n := utf8.DecodeRuneInString(string(s[:end]))
	if r == utf8.RuneError && n == 1 {
		return -1 - rune(s[0]), 1
	}
	return r, n
}

func parseGlob(pattern string) (glob, error) {
	var g glob
	for i := 0; i < len(pattern); {
		c, n := nextChar(pattern[i:])
		i += n
		switch c {
		case '*':
			if len(g) == 0 || g[len(g)-1].kind != globAny {
				g = append(g, globPart{kind: globAny})
			}
		case '?':
			g = append(g, globPart{kind: globOne})
		case '[':
			set, size, err := parseSet(pattern[i:])
			if err != nil {
				return nil, usagef("pattern %s: %v", quoted(pattern), err)
			}
			g = append(g, set)
			i += size
		case '\\':
			if i == len(pattern) {
				return nil, usagef(`pattern %s: nothing after "\"`, quoted(pattern))
			}
			c, n = nextChar(pattern[i:])
			i += n
			fallthrough
		default:
			g = append(g, globPart{kind: globChar, char: c})
		}
	}
	return g, nil
}

// parseSet reads a set behind its opening bracket, and its size in bytes up to
// and with the closing one. A ] that comes first, and a - that comes first or
// last, is itself.
func parseSet(text string) (globPart, int, error) {
	p := globPart{kind: globSet}
	open := errors.New(`"[" is not closed`)
	i := 0
	if i < len(text) && (text[i] == '!' || text[i] == '^') {
		p.not = true
		i++
	}
	for first := true; ; first = false {
		if i == len(text) {
			return p, 0, open
		}
		if text[i] == ']' && !first {
			return p, i + 1, nil
		}
		lo, n, ok := setChar(text[i:])
		if !ok {
			return p, 0, open
		}
		i += n
		hi := lo
		if i+1 < len(text) && text[i] == '-' && text[i+1] != ']' {
			if hi, n, ok = setChar(text[i+1:]); !ok {
				return p, 0, open
			}
			i += 1 + n
		}
		p.set = append(p.set, [2]rune{lo, hi})
	}
}

// setChar is the first character of a set's text, after a \ if there is one.
func setChar(text string) (rune, int, bool) {
	c, n := nextChar(text)
	if c != '\\' {
		return c, n, true
	}
	if len(text) == n {
		return 0, 0, false
	}
	c, m := nextChar(text[n:])
	return c, n + m, true
}

// literal is the bytes that every match begins with, and whether the pattern
// is no more than them.
func (g glob) literal() (prefix string, whole bool) {
	var b []byte
	for _, p := range g {
		if p.kind != globChar {
			return string(b), false
		}
		if p.char < 0 {
			b = append(b, byte(-1-p.char))
		} else {
			b = utf8.AppendRune(b, p.char)
		}
	}
	return string(b), true
}

// match reports whether the pattern fits the whole key. It takes time in
// proportion to the product of both lengths at worst, and allocates nothing.
func (g glob) match(key []byte) bool {
	part, at := 0, 0
	star, starAt := -1, 0 // the last * and where what it covers ends
	for at < len(key) {
		if part < len(g) && g[part].kind == globAny {
			star, starAt = part, at
			part++
			continue
		}
		if part < len(g) {
			if c, n := nextChar(key[at:]); g[part].fits(c) {
				part++
				at += n
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, n := nextChar(key[starAt:])
		starAt += n
		part, at = star+1, starAt
	}
	for part < len(g) && g[part].kind == globAny {
		part++
	}
	return part == len(g)
}

func (p globPart) fits(c rune) bool {
	switch p.kind {
	case globChar:
		return p.char == c
	case globOne:
		return true
	}
	for _, r := range p.set {
		if r[0] <= c && c <= r[1] {
			return !p.not
		}
	}
	return p.not
}
