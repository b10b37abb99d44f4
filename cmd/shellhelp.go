package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	var flags []string
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if name, _ := pflag.UnquoteUsage(f); !f.Hidden && f.Name != "help" {
			flags = append(flags, strings.TrimSpace("--"+f.Name+" "+name))
		}
	})
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			writeCommandLine(w, child)
		}
	}
	if len(flags) > 0 {
		writeList(w, "flags", flags)
	}
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
