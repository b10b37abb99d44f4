package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/repl"
)

// expand is the words of a line of the shell with aliases and the short forms
// of names replaced. Scripts have neither, so that what they mean does not
// depend on who runs them, nor on the commands that later versions add.
func (s *Session) expand(words []string) ([]string, error) {
	words = s.expandAlias(words)
	at := 0
	if strings.HasPrefix(words[0], "-") {
		at = s.commandAt(words)
	}
	if at == len(words) {
		return words, nil
	}
	words = slices.Clone(words)
	name, err := s.fullName(words[at])
	if err != nil {
		return nil, err
	}
	words[at] = name
	if name == "help" && at+1 < len(words) {
		at++
		if words[at], err = s.fullName(words[at]); err != nil {
			return nil, err
		}
	}
	if at+1 < len(words) {
		words[at+1], err = s.fullChild(words[at], words[at+1])
	}
	return words, err
}

// expandAlias replaces an alias at the beginning of a line. Each stands for its
// words once, so that one may be called as the command which it is for.
func (s *Session) expandAlias(words []string) []string {
	var used []string
	for len(words) > 0 && !slices.Contains(used, words[0]) {
		meant := s.shell.aliases[words[0]]
		if meant == nil {
			break
		}
		used = append(used, words[0])
		words = append(slices.Clone(meant), words[1:]...)
	}
	return words
}

// commandAt is the place of the first word that is no flag and no value of one,
// or the number of words.
func (s *Session) commandAt(words []string) int {
	root := &cobra.Command{}
	set := s.set // the flags are only looked at here
	set.bind(root)
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "--":
			return len(words)
		case !strings.HasPrefix(words[i], "-"):
			return i
		case takesNext(root, words[i]):
			i++
		}
	}
	return len(words)
}

// fullName is the name of the command that a word names or begins. A word that
// begins none is left for others to say so.
func (s *Session) fullName(word string) (string, error) {
	if isDot([]string{word}) {
		return theOne(word, dotNames(nil))
	}
	if isCommand(word) || slices.Contains(exitWords, word) {
		return word, nil
	}
	var names []string
	for _, c := range commands() {
		// Of the names of one command any will do.
		if i := slices.IndexFunc(c.names, func(name string) bool { return strings.HasPrefix(name, word) }); i >= 0 {
			names = append(names, c.names[i])
		}
	}
	name, err := theOne(word, append(append(names, "help"), exitWords...))
	if err == nil && len(word) == 1 && name != word {
		// A single letter is a slip too easily: "a = 5" would append.
		return "", &usageError{reason: "unknown command " + quoted(word), hint: fmt.Sprintf("did you mean %q?", name), word: word}
	}
	return name, err
}

// exitWords leave the shell, as .quit does.
var exitWords = []string{"exit", "quit"}

// isCommand reports whether a word is the name of a command.
func isCommand(word string) bool {
	return word == "help" || slices.ContainsFunc(commands(), func(c constructor) bool { return slices.Contains(c.names, word) })
}

// fullChild is the name of the command below another that a word names or
// begins.
func (s *Session) fullChild(parent, word string) (string, error) {
	all := commands()
	i := slices.IndexFunc(all, func(c constructor) bool { return slices.Contains(c.names, parent) })
	if i < 0 {
		return word, nil
	}
	c := all[i].build(s)
	if !c.HasSubCommands() || childCommand(c, word) != nil {
		return word, nil
	}
	return theOne(word, childNames(c))
}

// theOne is the one of some names that a word is or begins, or the word if
// there is none.
func theOne(word string, names []string) (string, error) {
	if word == "" || slices.Contains(names, word) {
		return word, nil
	}
	var begin []string
	for _, name := range names {
		if strings.HasPrefix(name, word) {
			begin = append(begin, name)
		}
	}
	switch len(begin) {
	case 0:
		return word, nil
	case 1:
		return begin[0], nil
	}
	slices.Sort(begin)
	return "", &usageError{reason: "several commands begin with " + quoted(word), hint: "they are " + strings.Join(begin, ", "), word: word}
}

// completeDot completes a word behind a dot-command.
func (s *Session) completeDot(before []string, word string) func(context.Context) repl.Completion {
	switch name := before[0]; {
	case name == ".once", name == ".output", name == ".open", name == ".read":
		return s.completeFiles(word, "")
	case len(before) > 1:
		return nil
	default:
		return fixed(word, plainCandidates(s.dotWords(name)...))
	}
}
