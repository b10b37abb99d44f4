package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is the columns that a help page has at most.
const helpWidth = 80

func newHelp(s *Session, root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND]",
		Short:       "Explain a command",
		Example:     "kvsh help\nkvsh help set",
		Args:        operands(0, 2),
		Annotations: exits("0, 2 unknown command"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && (args[0] == "dot" || isDot(args)):
				if len(args) > 1 {
					return wordTooMany(cmd, args, args[1])
				}
				return dotHelp(cmd.Context(), s, args)
			case s.door == doorShell && len(args) == 0:
				writeShellHelp(s.out, root)
				return nil
			}
			c, err := explained(cmd, root, args)
			if err != nil {
				return err
			}
			if s.door == doorShell {
				writeBriefHelp(s.out, c)
			} else {
				writeHelp(s.out, c)
			}
			return nil
		},
	}
}

// explained is the command that the operands of help or man, which asks, name
// in the tree of root.
func explained(asks, root *cobra.Command, args []string) (*cobra.Command, error) {
	c, rest, err := root.Find(args)
	switch {
	case err != nil:
		return nil, unknownCommand(root, args[0])
	case len(rest) == 0:
		return c, nil
	case c.HasSubCommands():
		return nil, unknownCommand(c, rest[0])
	}
	e := wordTooMany(asks, args, rest[0]).(*usageError)
	e.hint = fmt.Sprintf("%q explains all of %s", asks.Name()+" "+commandName(c), commandName(c))
	return nil, e
}

// writeHelp writes the help page of a command. Errors show when the output is
// flushed.
func writeHelp(w io.Writer, c *cobra.Command) {
	if !c.HasParent() {
		writeRootHelp(w, c)
		return
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n  kvsh %s\n", description(c), usageLine(c))
	if children := c.Commands(); len(children) > 0 {
		fmt.Fprintf(w, "\nCommands:\n")
		for _, child := range children {
			writeCommandLine(w, child)
		}
	}
	if f := c.LocalNonPersistentFlags(); f.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", f.FlagUsagesWrapped(helpWidth))
	}
	if text := exitLines(c); text != "" {
		fmt.Fprintf(w, "\nExit codes:\n  %s\n", strings.ReplaceAll(text, "\n", "\n  "))
		fmt.Fprint(w, "\n\"kvsh help\" lists the flags and exit codes that all commands share.\n")
	}
	if c.HasSubCommands() {
		fmt.Fprintf(w, "\n\"kvsh help %s COMMAND\" explains one of them.\n", commandName(c))
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.ReplaceAll(c.Example, "\n", "\n  "))
	}
}

// exitLines is the exit codes of a command, one a line.
func exitLines(c *cobra.Command) string {
	var b strings.Builder
	for i, part := range strings.Split(c.Annotations["exits"], ", ") {
		switch {
		case i == 0:
		case part[0] >= '0' && part[0] <= '9':
			b.WriteByte('\n')
		default:
			b.WriteString(", ")
		}
		b.WriteString(part)
	}
	return b.String()
}

func description(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

func writeCommandLine(w io.Writer, c *cobra.Command) {
	if c.IsAvailableCommand() {
		fmt.Fprintf(w, "  %-11s %s\n", c.Name(), c.Short)
	}
}

func writeRootHelp(w io.Writer, root *cobra.Command) {
	fmt.Fprint(w, `A durable key-value database that lives in a directory.

Usage:
  kvsh [flags] [DB] COMMAND …    one command; without one: a shell, or a script
                                 from stdin
  kvsh -c 'CMD; CMD' | -f FILE   several commands

First steps:
  kvsh -d notes.kv set user:1 Ada    the first write creates the database
  kvsh -d notes.kv get user:1
  kvsh -d notes.kv                   the shell, with all commands

Each write gets a number, its revision: 1, 2, 3 and so on.
`)
	for _, group := range root.Groups() {
		fmt.Fprintf(w, "\n%s:\n", strings.ToUpper(group.Title[:1])+group.Title[1:])
		for _, c := range root.Commands() {
			if c.GroupID == group.ID {
				writeCommandLine(w, c)
			}
		}
	}
	fmt.Fprintf(w, "\nFlags of every command:\n%s", root.PersistentFlags().FlagUsagesWrapped(helpWidth))
	if f := root.LocalNonPersistentFlags(); f.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags without a command:\n%s", f.FlagUsagesWrapped(helpWidth))
	}
	fmt.Fprint(w, `
Exit codes:
  0 done, yes   1 no: not found, differs   2 usage   3 I/O   4 damaged   5 busy
  6 refused     7 bad input data   124 --timeout   130 Ctrl-C   141 closed pipe

"kvsh help COMMAND" explains a command and shows examples.
`)
}
