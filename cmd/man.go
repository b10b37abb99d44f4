package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/man"
)

func newMan(s *Session) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man [COMMAND]",
		Short: "Write man pages",
		Long: `Writes the man page of a command, or of kvsh itself, in roff: to stdout, for a
look with man -l -, or, with --dir, those of all commands as files.`,
		Example:     "kvsh man\nkvsh man snapshot save\nkvsh man --dir .",
		Args:        operands(0, 2),
		Annotations: exits("0, 2 unknown command"),
		RunE: func(asks *cobra.Command, args []string) error {
			root := newRoot(s, nil, s.set.bindDoor)
			if dir != "" {
				if len(args) > 0 {
					return usagef("man: a command and --dir exclude each other")
				}
				if err := s.writePages(root, dir); err != nil {
					return fmt.Errorf("man: %w", err)
				}
				return nil
			}
			c, err := explained(asks, root, args)
			if err != nil {
				return err
			}
			_, err = manPage(c).WriteTo(s.out)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write the pages of all commands into the directory `DIR`")
	return c
}

// writePages writes the page of each command as a file of a directory.
func (s *Session) writePages(c *cobra.Command, dir string) error {
	if err := s.otherFiles("--dir"); err != nil {
		return err
	}
	p := manPage(c)
	if s.set.DryRun {
		s.remark("dry run: would write " + filepath.Join(dir, p.File()))
	} else if err := writePage(p, filepath.Join(dir, p.File())); err != nil {
		return err
	}
	for _, child := range c.Commands() {
		if !child.IsAvailableCommand() {
			continue
		}
		if err := s.writePages(child, dir); err != nil {
			return err
		}
	}
	return nil
}

func writePage(p man.Page, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := p.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// manPage is what help says of a command, as a man page.
func manPage(c *cobra.Command) man.Page {
	if !c.HasParent() {
		return rootManPage(c)
	}
	p := man.Page{
		Name:     c.CommandPath(),
		Short:    strings.ToLower(c.Short[:1]) + c.Short[1:],
		Synopsis: []string{"kvsh " + usageLine(c)},
		Text:     description(c),
		Examples: c.Example,
		Exits:    exitLines(c),
		SeeAlso:  []string{"kvsh"},
	}
	if len(c.Aliases) > 0 {
		p.Text += "\n\nIt is also called " + strings.Join(c.Aliases, ", ") + "."
	}
	if c.HasAvailableSubCommands() {
		p.Groups = append(p.Groups, man.Group{Title: "Commands", Items: commandItems(c.Commands())})
		for _, child := range c.Commands() {
			p.SeeAlso = append(p.SeeAlso, child.CommandPath())
		}
	}
	if parent := c.Parent(); parent.HasParent() {
		p.SeeAlso = append(p.SeeAlso, parent.CommandPath())
	}
	if flags := flagItems(c.LocalNonPersistentFlags()); len(flags) > 0 {
		p.Groups = append(p.Groups, man.Group{Title: "Options", Items: flags})
	}
	return p
}

// rootManPage is the page of kvsh itself.
func rootManPage(root *cobra.Command) man.Page {
	p := man.Page{
		Name:  "kvsh",
		Short: "durable key-value database, driven from the shell",
		Synopsis: []string{
			"kvsh [flags] [DB] COMMAND …", "kvsh [flags] [DB] -c 'CMD; CMD' | -f FILE", "kvsh [flags] [DB]", "… | kvsh [flags] [DB]",
		},
		Text:     rootText,
		Examples: "kvsh set user:1 Ada\nkvsh get user:1\nkvsh notes.kv list 'user:*'\nkvsh snapshot save backups/\nkvsh -c 'begin; incr visits; set last Ada; commit'",
		Exits:    exitText,
	}
	for _, group := range root.Groups() {
		var members []*cobra.Command
		for _, c := range root.Commands() {
			if c.GroupID == group.ID {
				members = append(members, c)
				p.SeeAlso = append(p.SeeAlso, c.CommandPath())
			}
		}
		p.Groups = append(p.Groups, man.Group{Title: "Commands: " + group.Title, Items: commandItems(members)})
	}
	p.SeeAlso = append(p.SeeAlso, "kvsh-format(5)")
	p.Groups = append(p.Groups,
		man.Group{Title: "Options of every command", Items: flagItems(root.PersistentFlags())},
		man.Group{Title: "Options without a command", Items: flagItems(root.LocalNonPersistentFlags())},
		man.Group{Title: "Environment", Items: []man.Item{
			{Term: "KVSH_DB", Text: "the database, where neither --db nor a first word names one"},
			{Term: "XDG_DATA_HOME", Text: "the default database is kvsh/default.kv below it; ~/.local/share if it is not set"},
			{Term: "XDG_CONFIG_HOME", Text: "the shell first runs the commands of kvsh/rc below it; ~/.config if it is not set"},
			{Term: "XDG_STATE_HOME", Text: "the history of the shell is kvsh/history below it; ~/.local/state if it is not set"},
			{Term: "KVSH_KEYS", Text: "vi for the keys of vi in the shell, as its .keys chooses them"},
			{Term: "NO_COLOR, CLICOLOR_FORCE, TERM", Text: "say whether there is colour"},
		}})
	return p
}

func commandItems(commands []*cobra.Command) []man.Item {
	var items []man.Item
	for _, c := range commands {
		if c.IsAvailableCommand() {
			items = append(items, man.Item{Term: usageLine(c), Text: c.Short + "."})
		}
	}
	return items
}

func flagItems(flags *pflag.FlagSet) []man.Item {
	var items []man.Item
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		value, text := pflag.UnquoteUsage(f)
		if value != "" {
			term += " " + value
		}
		items = append(items, man.Item{Term: term, Text: text})
	})
	return items
}

// rootText is the description of kvsh on its page.
const rootText = `kvsh keeps keys and values in a directory. A write that was acknowledged is
there after a crash and after power loss; a transaction is there whole or not at
all; damaged bytes are reported and never returned. Any number of processes use
one database at once.

The database is --db, else a first word that holds a / or ends in .kv or .kvs,
else KVSH_DB, else the default one. The first write creates it. A snapshot file
is a database that can only be read; mem: is one that ends with the process.

Without a command a terminal on stdin opens the shell; anything else is read as
a script, a command a line. Words are bare, 'literal' or "with \n escapes"; #
begins a comment; ; ends a command. A script stops at its first error, with its
place; an answer "no" is not an error.

Data goes to stdout and everything else to stderr. On a terminal data is
aligned; in a pipe a value is its exact bytes and a table has tabs. --mode
chooses another form.`

// exitText is the exit codes, one a line.
const exitText = `0    done, yes
1    no: key not found, condition false, nothing matched, conflict
2    usage or script error
3    I/O: cannot open, no permission, no space, outcome unknown
4    damaged: corruption found, or the command refused because of it
5    busy: the lock was not had in time
6    refused: read-only, needs -y, target exists
7    bad input data; nothing applied
124  --timeout
130  Ctrl-C
141  closed pipe`
