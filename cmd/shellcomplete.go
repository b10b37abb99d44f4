package cmd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/engine"
	"kvsh/repl"
)

// complete says what finds the words that may stand at the end of a line of the
// shell. Whatever concerns the session is asked for here; the function that it
// returns runs beside it and uses only a store, which any number may use.
func (s *Session) complete(words *lineWords, line string) func(context.Context) repl.Completion {
	before, word, _, ok := repl.WordAt(line)
	if !ok {
		return nil
	}
	if isDot(before) {
		return s.completeDot(before, word)
	}
	c, first, behind := words.find(before)
	switch {
	case c == nil && first < behind:
		return nil // behind an unknown command
	case c == nil:
		c = words.root
	}
	if n := len(before); n > 0 && (n > behind || c == words.root) {
		if f := findFlag(c, before[n-1]); f != nil && f.NoOptDefVal == "" && !strings.Contains(before[n-1], "=") {
			return s.completeFlagValue(f, word)
		}
	}
	if strings.HasPrefix(word, "-") && !slices.Contains(before, "--") {
		return fixed(word, flagCandidates(c))
	}
	if c == words.root || c.Name() == "help" {
		return fixed(word, words.names())
	}
	family := s.set.Family
	for i, w := range before[:len(before)-1] {
		if w == "--cf" {
			family = before[i+1]
		}
	}
	return s.completeOperand(c, family, before[behind:], word)
}

// completeOperand completes an operand of a command behind others.
func (s *Session) completeOperand(c *cobra.Command, family string, before []string, word string) func(context.Context) repl.Completion {
	switch {
	case c.HasAvailableSubCommands():
		if len(before) > 0 {
			return nil
		}
		return fixed(word, children(c))
	case len(c.ValidArgs) > 0:
		return fixed(word, plainCandidates(c.ValidArgs...))
	case c.ValidArgsFunction != nil:
		s.keysWanted = false
		c.SetContext(context.Background())
		s.completing = true
		texts, _ := c.ValidArgsFunction(c, before, word)
		s.completing = false
		if s.keysWanted {
			return s.completeLevels(family, word)
		}
		return fixed(word, plainCandidates(texts...))
	case strings.Contains(c.Use, "FILE"), strings.Contains(c.Use, "PATH"):
		return s.completeFiles(word)
	}
	return nil
}

// completeFlagValue completes what stands behind a flag.
func (s *Session) completeFlagValue(f *pflag.Flag, word string) func(context.Context) repl.Completion {
	name, _ := pflag.UnquoteUsage(f)
	switch {
	case f.Name == "mode":
		_, modes, _ := strings.Cut(f.Usage, ": ")
		return fixed(word, plainCandidates(strings.Fields(modes)...))
	case f.Name == "cf":
		return s.completeFamilies(word)
	case f.Name == "prefix":
		return s.completeLevels(s.set.Family, word)
	case name == "FILE", name == "PATH", name == "DIR", name == "DB":
		return s.completeFiles(word)
	}
	return nil
}

// fixed is the candidates of a list that begin with a word.
func fixed(word string, all []repl.Candidate) func(context.Context) repl.Completion {
	var some []repl.Candidate
	for _, c := range all {
		if strings.HasPrefix(c.Text, word) {
			some = append(some, c)
		}
	}
	return func(context.Context) repl.Completion { return repl.Completion{Candidates: some} }
}

func plainCandidates(texts ...string) []repl.Candidate {
	all := make([]repl.Candidate, 0, len(texts))
	for _, text := range texts {
		// The shells outside take a description behind a tab.
		text, note, _ := strings.Cut(text, "\t")
		all = append(all, repl.Candidate{Text: text, Note: note})
	}
	return all
}

// names is the commands with what they do.
func (w *lineWords) names() []repl.Candidate {
	all := children(w.root)
	for _, name := range shellWords() {
		all = append(all, repl.Candidate{Text: name})
	}
	return all
}

func children(c *cobra.Command) []repl.Candidate {
	var all []repl.Candidate
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() || child.Name() == "help" {
			all = append(all, repl.Candidate{Text: child.Name(), Note: child.Short})
		}
	}
	slices.SortFunc(all, func(a, b repl.Candidate) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// flagCandidates is the flags of a command: its own, then those of all.
func flagCandidates(c *cobra.Command) []repl.Candidate {
	var all []repl.Candidate
	add := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		all = append(all, repl.Candidate{Text: "--" + f.Name, Note: usage})
	}
	c.NonInheritedFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return all
}

// completeFiles completes the name of a file, a directory at a time.
func (s *Session) completeFiles(word string) func(context.Context) repl.Completion {
	if s.set.Safe {
		return nil
	}
	dir, base := filepath.Split(word)
	return func(context.Context) repl.Completion {
		var found repl.Completion
		in := dir
		if in == "" {
			in = "."
		}
		entries, err := os.ReadDir(in)
		if err != nil {
			return found
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), base) || base == "" && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			c := repl.Candidate{Text: dir + e.Name(), Partial: e.IsDir()}
			if e.IsDir() {
				c.Text += "/"
			}
			if len(found.Candidates) == completionLimit {
				found.Greatest = c.Text // entries are sorted; the last of them stays
				continue
			}
			found.Candidates = append(found.Candidates, c)
		}
		return found
	}
}

// completeStore is the store to complete from, or nil. It is the newest state:
// what the open transaction queued is not there, but looking at it would make
// the commit depend on keys that nobody read.
func (s *Session) completeStore() engine.Store {
	store, err := s.open(context.Background(), toRead)
	if err != nil {
		return nil // Tab is no place for messages
	}
	return store
}

// completeFamilies completes the name of a column family.
func (s *Session) completeFamilies(word string) func(context.Context) repl.Completion {
	store := s.completeStore()
	if store == nil {
		return nil
	}
	return func(ctx context.Context) (found repl.Completion) {
		_ = store.View(ctx, engine.Newest, func(tx engine.Tx) error {
			families, err := tx.Families(ctx)
			found = fixed(word, plainCandidates(families...))(ctx)
			return err
		})
		return found
	}
}
