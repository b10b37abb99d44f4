package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// unknownCommand is the error about a word that names no command below c, with
// the one that was meant as the hint.
func unknownCommand(c *cobra.Command, word string) error {
	e := &usageError{reason: "unknown command " + quoted(word), word: word}
	if c.HasParent() {
		e.reason = c.Name() + ": " + e.reason
	}
	meant := synonym(word)
	if c.HasParent() {
		meant = childSynonym(c, word)
	}
	if lower := strings.ToLower(word); lower != word && slices.Contains(childNames(c), lower) {
		meant = lower
	}
	if near := likely(c, word); meant != "" {
		e.hint = fmt.Sprintf("did you mean %q?", meant)
	} else if len(near) > 0 {
		// Those of one distance come in the order of help, the everyday ones first.
		e.hint = fmt.Sprintf("did you mean %q?", slices.MinFunc(near, func(a, b string) int {
			return mistyped(strings.ToLower(word), a) - mistyped(strings.ToLower(word), b)
		}))
	} else if c.HasParent() {
		e.hint = fmt.Sprintf("%s has %s", c.Name(), strings.Join(childNames(c), ", "))
	} else {
		e.hint = `"help" lists the commands`
	}
	return e
}

// unknownFirst is unknownCommand of the first word of a line, which for a
// process may have been meant to name the database.
func (s *Session) unknownFirst(root *cobra.Command, word string) error {
	err := unknownCommand(root, word)
	var e *usageError
	if s.door == doorProcess && errors.As(err, &e) {
		if strings.HasPrefix(e.hint, `did you mean ".`) {
			e.hint = `"help" lists the commands` // dot-commands are of the shell and of scripts
		}
		guessed := strings.HasPrefix(e.hint, "did you mean")
		if hint := meantAsDatabase(word, guessed); hint != "" {
			e.hint = hint
		}
	}
	return err
}

// mistyped is how far a word is from a name. One that was not typed to its end
// is near.
func mistyped(word, name string) int {
	if len(word) > 1 && strings.HasPrefix(name, word) {
		return 0
	}
	return editDistance(word, name)
}

// maxMistyped is the bytes of a word that could be a name mistyped. To compare
// a long one with all names takes time in vain.
const maxMistyped = 64

// likely are the commands below c that a word could have meant.
func likely(c *cobra.Command, word string) []string {
	if len(word) > maxMistyped {
		return nil
	}
	names := childNames(c)
	if !c.HasParent() {
		names = append(names, "help") // which the library adds by itself
	}
	// What has no letter of the word in its place is not like it.
	most := min(2, len(word)-1)
	return slices.DeleteFunc(names, func(name string) bool { return mistyped(strings.ToLower(word), name) > most })
}

// nearFlag is the flag of a command whose name is most like a wrong one.
func nearFlag(c *cobra.Command, name string) string {
	best, bestDistance := "", 3
	if len(name) > maxMistyped {
		return best
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		d := editDistance(name, f.Name)
		if strings.HasPrefix(f.Name, name) && len(name) > 2 {
			d = 1
		}
		if d < bestDistance && !f.Hidden {
			best, bestDistance = f.Name, d
		}
	})
	return best
}

// editDistance is the number of bytes to insert, delete or replace, or of
// neighbours to swap, that turn a into b.
func editDistance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost = 1 + min(row[j], next[j], row[j+1])
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cost = min(cost, 1+before[j-1])
			}
			next[j+1] = cost
		}
		before, row = row, next
	}
	return row[len(b)]
}
