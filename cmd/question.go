package cmd

import (
	"strconv"
	"strings"

	"kvsh/format"
)

// counted is plural with the digits of a big number in groups of three, for
// questions: there a number is looked at and not copied.
func counted(n int64, noun string) string {
	text := plural(n, noun)
	digits := strconv.FormatInt(n, 10)
	grouped := ""
	for i, c := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			grouped += ","
		}
		grouped += string(c)
	}
	return grouped + strings.TrimPrefix(text, digits)
}

// deletion says what deleting the n keys of a selection would be, for the
// question before it.
func (s *Session) deletion(n int64, sel *selector) string {
	what := "delete " + counted(n, "key")
	conditions := sel.describe()
	if conditions == "" && sel.limit == 0 && n > 1 {
		what = "delete all " + counted(n, "key")
	}
	if s.set.Family != "" {
		what += " of family " + s.set.Family
	}
	return what + conditions
}

// describe is the conditions of a selector in words, each with a blank before
// it. How many keys there may be is not said.
func (sel *selector) describe() string {
	text := ""
	for _, c := range []struct{ before, value, behind string }{
		{"matching", sel.pattern, ""},
		{"with prefix", sel.prefix, ""},
		{"with suffix", sel.suffix, ""},
		{"containing", sel.contains, ""},
		{"matching the expression", sel.regex, ""},
		{"from", sel.from, " on"},
		{"before", sel.to, ""},
		{"after", sel.after, ""},
	} {
		if c.value == "" {
			continue
		}
		if text != "" {
			text += ","
		}
		text += " " + c.before + " " + format.Word([]byte(c.value)) + c.behind
	}
	return text
}
