package cmd

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// A selector picks keys. Its conditions hold together.
type selector struct {
	pattern  string // glob for the whole key; empty: all keys
	prefix   string
	suffix   string
	contains string
	regex    string
	from     string // inclusive
	to       string // exclusive; empty: to the last
	after    string // exclusive, in the direction of reading
	limit    int    // 0: no limit
	reverse  bool
}

// selectorFlags are the names of the flags of a selector that choose keys.
func selectorFlags() []string {
	return []string{"prefix", "suffix", "contains", "regex", "from", "to", "after", "limit", "reverse"}
}

func (sel *selector) bind(c *cobra.Command) {
	sel.bindTests(c)
	f := c.Flags()
	f.StringVar(&sel.from, "from", "", "only keys from `A` on, A included")
	f.StringVar(&sel.to, "to", "", "only keys before `B`")
	f.StringVar(&sel.after, "after", "", "go on behind `KEY`, the last one seen")
	f.IntVar(&sel.limit, "limit", 0, "at most `N` keys")
	f.BoolVar(&sel.reverse, "reverse", false, "from the last key to the first")
}

// bindTests declares the flags that look at a key alone, for commands that do
// not read keys in their order.
func (sel *selector) bindTests(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&sel.prefix, "prefix", "", "only keys that begin with `P`")
	f.StringVar(&sel.suffix, "suffix", "", "only keys that end in `S`")
	f.StringVar(&sel.contains, "contains", "", "only keys that hold `T`")
	f.StringVar(&sel.regex, "regex", "", "only keys that the regular expression `RE` finds")
}

// tester is whether a key is selected, for a selector with only the pattern and
// the flags of bindTests.
func (sel *selector) tester() (func(key string) bool, error) {
	r, none, err := sel.resolve()
	if err != nil {
		return nil, err
	}
	return func(key string) bool {
		return !none && strings.HasPrefix(key, r.Prefix) && (r.Match == nil || r.Match([]byte(key)))
	}, nil
}

// isUsed reports whether a flag of the selector was given.
func (sel *selector) isUsed(c *cobra.Command) bool {
	for _, name := range selectorFlags() {
		if c.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// resolve turns the selector into a range of the engine. The conditions that
// are ranges become its ends, so that they cost what they return; the others
// become Match.
func (sel *selector) resolve() (r engine.Range, none bool, err error) {
	if sel.limit < 0 {
		return r, false, usagef("--limit %d: below zero", sel.limit)
	}
	r = engine.Range{From: sel.from, To: sel.to, Prefix: sel.prefix, Reverse: sel.reverse, Limit: sel.limit}
	if sel.after != "" {
		if sel.reverse {
			if r.To == "" || sel.after < r.To {
				r.To = sel.after
			}
		} else if next := sel.after + "\x00"; next > r.From {
			r.From = next
		}
	}
	var tests []func([]byte) bool
	if sel.pattern != "" {
		g, err := parseGlob(sel.pattern)
		if err != nil {
			return r, false, err
		}
		prefix, whole := g.literal()
		switch {
		case strings.HasPrefix(prefix, r.Prefix):
			r.Prefix = prefix
		case !strings.HasPrefix(r.Prefix, prefix):
			return r, true, nil // no key begins with both
		}
		// A literal and a single * need no look at the rest of the key.
		if whole || len(g) == 0 || g[len(g)-1].kind != globAny || hasSpecial(g[:len(g)-1]) {
			tests = append(tests, g.match)
		}
	}
	if sel.suffix != "" {
		suffix := []byte(sel.suffix)
		last := suffix[len(suffix)-1]
		tests = append(tests, func(key []byte) bool {
			// A look at the last byte spares most keys a call.
			return len(key) > 0 && key[len(key)-1] == last && bytes.HasSuffix(key, suffix)
		})
	}
	if sel.contains != "" {
		part := []byte(sel.contains)
		tests = append(tests, func(key []byte) bool { return bytes.Contains(key, part) })
	}
	if sel.regex != "" {
		re, err := regexp.Compile(sel.regex)
		if err != nil {
			return r, false, usagef("--regex: %v", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		tests = append(tests, re.Match)
	}
	r.Match = all(tests)
	return r, r.To != "" && r.From >= r.To, nil
}

func hasSpecial(g glob) bool {
	for _, p := range g {
		if p.kind != globChar {
			return true
		}
	}
	return false
}

// all is the test that passes when each of the tests does, or nil.
func all(tests []func([]byte) bool) func([]byte) bool {
	switch len(tests) {
	case 0:
		return nil
	case 1:
		return tests[0]
	}
	return func(key []byte) bool {
		for _, test := range tests {
			if !test(key) {
				return false
			}
		}
		return true
	}
}
