package cmd

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each word of another program leads to a command that there is, and none of
// them is one itself.
func TestSynonymsLeadToCommands(t *testing.T) {
	source, err := os.ReadFile("synonyms.go")
	if err != nil {
		t.Fatal(err)
	}
	s, _, _ := testSession(t)
	root := newRoot(s, nil)
	count := 0
	for _, match := range regexp.MustCompile(`["`+"`"+`]([^"`+"`"+`\s]+)["`+"`"+`][,:]`).FindAllStringSubmatch(string(source), -1) {
		word := match[1]
		for _, meant := range []string{synonym(word), dotSynonym("." + word)} {
			if meant == "" {
				continue
			}
			count++
			words := strings.Fields(meant)
			if isDot(words) {
				if _, err := dotNamed(words[0]); err != nil {
					t.Errorf("%q leads to %q, which is no dot-command", word, meant)
				}
				continue
			}
			if meant == "--wait" {
				continue // of every command
			}
			if meant == "help" {
				continue // which the tree has on its own
			}
			c, rest, err := root.Find(words)
			if err != nil || len(rest) > 0 && (len(rest[0]) < 3 || c.Flags().Lookup(rest[0][2:]) == nil) {
				t.Errorf("%q leads to %q, which is no command: %v", word, meant, err)
			}
		}
		if synonym(word) != "" && isCommand(word) {
			t.Errorf("%q is a synonym and a command", word)
		}
		if dotSynonym("."+word) != "" && slices.Contains(dotNames(nil), "."+word) {
			t.Errorf(".%s is a synonym and a dot-command", word)
		}
	}
	if count < 80 {
		t.Errorf("only %d synonyms were looked at", count)
	}
}
