package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/format"
)

// In the shell help is brief: all commands on one screen, and of one command
// what fits between two others. The whole page of a command is behind --help.

// writeShellHelp writes all commands, by group.
func writeShellHelp(w io.Writer, root *cobra.Command) {
	for _, group := range root.Groups() {
		var names []string
		for _, c := range root.Commands() {
			if c.GroupID == group.ID && c.IsAvailableCommand() || c.GroupID == group.ID && c.Name() == "help" {
				names = append(names, c.Name())
			}
		}
		writeList(w, group.Title, names)
	}
	writeList(w, "the shell", dotNames(nil))
	fmt.Fprint(w, `
"help COMMAND" explains one, "help dot" those with a dot; COMMAND --help tells
all. Names may be shortened, Tab completes them. Quotes hold values with blanks:
set k 'two words'. A | or > behind a command takes what it prints.
`)
}

// helpIndent is the columns of the names of groups and the blanks behind them.
const helpIndent = 14

// writeList writes words behind a title, in rows that fit a terminal.
func writeList(w io.Writer, title string, words []string) {
	line := fmt.Sprintf("%-*s", helpIndent-1, title)
	for _, word := range words {
		if len(line)+1+len(word) > helpWidth {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", helpIndent-1)
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}

// writeBriefHelp writes what a line of the shell needs to know of a command.
func writeBriefHelp(w io.Writer, c *cobra.Command) {
	fmt.Fprintf(w, "%s\n%s.\n", usageLine(c), c.Short)
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			writeCommandLine(w, child)
		}
	}
	writeBriefFlags(w, c)
	if text := c.Annotations["exits"]; text != "" {
		writeList(w, "exit codes", strings.Fields(text))
	}
	for i, example := range shellExamples(c) {
		title := ""
		if i == 0 {
			title = "examples"
		}
		fmt.Fprintf(w, "%-*s%s\n", helpIndent, title, example)
	}
}

// writeBriefFlags writes the flags of a command with what they mean, a line
// each. Those that choose keys, which many commands have, share some lines.
func writeBriefFlags(w io.Writer, c *cobra.Command) {
	var names, words []string
	keys := make([]string, len(selectorFlags())) // in their own order
	width := 0
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + value)
		if i := slices.Index(selectorFlags(), f.Name); i >= 0 {
			keys[i] = name + " " + selectorWords[f.Name] + ","
			return
		}
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		names, words = append(names, name), append(words, usage)
		width = max(width, len(name))
	})
	for i, name := range names {
		room := helpWidth - len("  ") - width - len("   ")
		fmt.Fprintf(w, "  %-*s   %s\n", width, name, briefly(words[i], room))
	}
	keys = slices.DeleteFunc(keys, func(text string) bool { return text == "" })
	if n := len(keys); n > 0 {
		keys[n-1] = strings.TrimSuffix(keys[n-1], ",")
		writeList(w, "which keys", keys)
	}
}

// selectorWords says of the flags that choose keys which ones these are, in
// fewer words than their own.
var selectorWords = map[string]string{
	"prefix": "begin with P", "suffix": "end in S", "contains": "hold T", "regex": "match RE",
	"from": "from A on", "to": "before B", "after": "behind KEY", "limit": "at most N", "reverse": "backwards",
}

// briefly is the beginning of an explanation that fits some columns: up to a
// semicolon, and if that is still too long, up to a comma.
func briefly(text string, columns int) string {
	text, _, _ = strings.Cut(text, ";")
	for utf8.RuneCountInString(text) > columns {
		at := strings.LastIndex(text, ",")
		if at < 0 {
			return format.Cut(text, columns-1) + "…"
		}
		text = text[:at]
	}
	return text
}

// briefExamples is how many examples brief help shows.
const briefExamples = 2

// shellExamples are the first examples of a command, or of those below it, as
// they are typed in the shell.
func shellExamples(c *cobra.Command) []string {
	var all []string
	for example := range strings.Lines(c.Example) {
		all = append(all, shellExample(strings.TrimSpace(example)))
	}
	if len(all) == 0 {
		for _, child := range c.Commands() {
			all = append(all, shellExamples(child)[:1]...)
		}
	}
	return all[:min(len(all), briefExamples)]
}

// shellExample is an example without the name of the program.
func shellExample(example string) string {
	line := strings.TrimPrefix(example, "kvsh ")
	if inner, ok := strings.CutPrefix(line, "-c '"); ok && strings.HasSuffix(inner, "'") {
		return strings.TrimSuffix(inner, "'")
	}
	return line
}

// writeDotList writes the dot-commands, for scripts those that they have.
func writeDotList(w io.Writer, at door) {
	for _, d := range dotCommands() {
		if !d.unlisted && (at != doorScript || d.scripts) {
			fmt.Fprintf(w, "%-*s %s\n", dotColumns, d.signature(), d.short)
		}
	}
	fmt.Fprint(w, "Without a word behind it a setting is shown. \".help .mode\" explains one.\n")
}

// writeHelp writes all there is to know about a dot-command.
func (d *dotCommand) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "%s\n%s.\n", d.signature(), d.short)
	if d.long != "" {
		fmt.Fprintln(w, d.long)
	}
	if !d.scripts {
		fmt.Fprintln(w, "Only in the shell.")
	}
}
