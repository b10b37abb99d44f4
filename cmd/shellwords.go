package cmd

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/repl"
)

// lineWords says what the words of a line of the shell are while it is typed.
// It has a tree of all commands that is only looked at.
type lineWords struct {
	s        *Session // whose aliases there are
	root     *cobra.Command
	commands map[string]*cobra.Command // by name and alias
}

func newLineWords(s *Session) *lineWords {
	w := &lineWords{s: s, root: newRoot(s, nil), commands: map[string]*cobra.Command{}}
	w.root.InitDefaultHelpCmd() // which a line that runs has by itself
	for _, c := range w.root.Commands() {
		for _, name := range append(c.Aliases, c.Name()) {
			w.commands[name] = c
		}
	}
	return w
}

// shellWords are the commands that have no tree.
func shellWords() []string { return append(dotNames(nil), exitWords...) }

// find is the command that words name, with the places of the first word of its
// name and of the one behind; nil if they name none.
func (w *lineWords) find(words []string) (c *cobra.Command, first, behind int) {
	for first < len(words) && strings.HasPrefix(words[first], "-") {
		if takesNext(w.root, words[first]) {
			first++
		}
		first++
	}
	if first >= len(words) {
		return nil, len(words), len(words)
	}
	c = w.command(words[first], first == 0)
	for behind = first + 1; c != nil && behind < len(words); behind++ {
		child := childCommand(c, words[behind])
		if child == nil {
			break
		}
		c = child
	}
	return c, first, behind
}

// command is the command that a word stands for: by its name, as an alias at
// the beginning of the line, or in short; else nil.
func (w *lineWords) command(word string, atBeginning bool) *cobra.Command {
	if atBeginning {
		word = w.s.expandAlias([]string{word})[0]
	}
	if c := w.commands[word]; c != nil {
		return c
	}
	name, err := w.s.fullName(word)
	if err != nil {
		return nil
	}
	return w.commands[name]
}

// isShellWord reports whether a word stands for a command that has no tree.
func (w *lineWords) isShellWord(word string, atBeginning bool) bool {
	if atBeginning {
		word = w.s.expandAlias([]string{word})[0]
	}
	name, err := w.s.fullName(word)
	return err == nil && slices.Contains(shellWords(), name)
}

// childCommand is the command of a name below another one, or nil.
func childCommand(c *cobra.Command, name string) *cobra.Command {
	for _, child := range c.Commands() {
		if child.Name() == name || child.HasAlias(name) {
			return child
		}
	}
	return nil
}

// classify is the styles of the words of one command.
func (w *lineWords) classify(words []string) []repl.Style {
	styles := make([]repl.Style, len(words))
	c, first, behind := w.find(words)
	if c == nil {
		c = w.root
	}
	operands := false // -- came before
	for i, word := range words {
		_, notNumber := strconv.ParseFloat(word, 64)
		switch {
		case i >= first && i < behind:
			styles[i] = repl.CommandOK
			if c == w.root && !w.isShellWord(word, i == 0) {
				styles[i] = repl.Unknown
			}
		case !operands && findFlag(c, word) != nil:
			styles[i] = repl.Flag
		case notNumber == nil:
			styles[i] = repl.Number
		}
		operands = operands || word == "--"
	}
	return styles
}

// findFlag is the flag of a command that a word is, or nil.
func findFlag(c *cobra.Command, word string) *pflag.Flag {
	name, _, _ := strings.Cut(word, "=")
	inherited := c.InheritedFlags() // which also adds those of the parents to its own
	switch {
	case strings.HasPrefix(name, "--") && len(name) > 2:
		if f := c.Flags().Lookup(name[2:]); f != nil {
			return f
		}
		return inherited.Lookup(name[2:])
	case strings.HasPrefix(name, "-") && len(name) > 1 && name[1] < 0x80 && name[1] != '-':
		if f := c.Flags().ShorthandLookup(name[1:2]); f != nil {
			return f
		}
		return inherited.ShorthandLookup(name[1:2])
	}
	return nil
}

// hint is what may follow a text, in the words of the help: the operands of
// its last command that are not there yet.
func (w *lineWords) hint(text string) string {
	before, word, _, ok := repl.WordAt(text)
	if !ok {
		return ""
	}
	all := before
	if word != "" {
		all = append(all, word)
	}
	c, _, behind := w.find(all)
	if c == nil {
		return w.dotHint(all)
	}
	if behind == len(all) && w.commands[all[behind-1]] == nil && c.Name() != all[behind-1] {
		return "" // in short, or not typed to its end
	}
	if c.HasAvailableSubCommands() {
		if behind < len(all) {
			return ""
		}
		return strings.Join(childNames(c), "|")
	}
	expected := strings.Fields(c.Use)[1:]
	for i := behind; i < len(all) && len(expected) > 0; i++ {
		if f := findFlag(c, all[i]); f != nil && strings.HasPrefix(all[i], "-") {
			if f.NoOptDefVal == "" && !strings.Contains(all[i], "=") {
				if i++; i == len(all) {
					name, _ := pflag.UnquoteUsage(f)
					return name
				}
			}
			continue
		}
		if strings.Contains(expected[0], "…") {
			break // it may come again
		}
		expected = expected[1:]
	}
	return strings.Join(expected, " ")
}

// dotHint is what may follow a dot-command that has no word behind it yet.
func (w *lineWords) dotHint(words []string) string {
	if len(words) != 1 || !isDot(words) {
		return ""
	}
	d, err := dotNamed(words[0])
	if err != nil {
		return ""
	}
	return d.usage
}
