package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands, in the order of the first help page.
const (
	groupEveryday = "everyday"
	groupTx       = "transactions"
	groupInOut    = "in and out"
	groupPast     = "back in time"
	groupBackup   = "backup"
	groupMend     = "damage"
	groupLook     = "looking"
	groupSettings = "settings"
)

// Commands stand in help in the order of newRoot, the everyday ones first.
func init() { cobra.EnableCommandSorting = false }

// newRoot builds the tree for a line: the command that its words name, or all
// commands if they name none, as for help and to find what was meant. A tree
// serves one line: used twice, it would carry flags, --help and contexts into
// the next one.
func newRoot(s *Session, words []string, more ...func(*cobra.Command)) *cobra.Command {
	root := newBareRoot(s, more...)
	addCommands(s, root, words)
	return root
}

// newBareRoot is the root of a tree, with the flags of all commands and without
// a command.
func newBareRoot(s *Session, more ...func(*cobra.Command)) *cobra.Command {
	root := &cobra.Command{
		Use:           "kvsh [flags] [DB] COMMAND …",
		Short:         "A durable key-value database, driven from the shell",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Flags in front of the command are those of all commands, at every door.
		TraverseChildren: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usagef("a command is missing")
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(s.out)
	root.SetErr(s.errs)
	root.SetIn(s.In)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { writeHelp(s.out, c) })
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	s.set.bind(root)
	for _, f := range more {
		f(root)
	}
	return root
}

// addCommands puts below a root what newRoot is to find there.
func addCommands(s *Session, root *cobra.Command, words []string) {
	word := commandWord(root, words)
	if word == "" && len(words) > 0 && !slices.Contains(words, "--help") && !slices.Contains(words, "-h") {
		return // only flags: a door or the version
	}
	constructors := commands()
	if i := slices.IndexFunc(constructors, func(c constructor) bool {
		return slices.Contains(c.names, word)
	}); i >= 0 {
		root.AddCommand(constructors[i].build(s))
		return
	}
	if word != "" && word != "help" && !strings.HasPrefix(word, cobra.ShellCompRequestCmd) {
		// The flags behind an unknown command are not at fault, and --help there
		// is no help with it.
		root.AddCommand(&cobra.Command{
			Use: word, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return s.unknownFirst(root, word) },
		})
	}
	for _, group := range []string{groupEveryday, groupTx, groupInOut, groupPast, groupBackup, groupLook, groupMend, groupSettings} {
		root.AddGroup(&cobra.Group{ID: group, Title: group})
	}
	for _, constructor := range constructors {
		c := constructor.build(s)
		c.GroupID = constructor.group
		root.AddCommand(c)
	}
	help := newHelp(s, root)
	help.GroupID = groupSettings
	root.SetHelpCommand(help)
}

// A constructor makes one command, which has the names and stands in the group.
type constructor struct {
	group string
	names []string // the first is its own, the others are aliases
	build func(*Session) *cobra.Command
}

// commands is the list of all commands, in the order of the first help page.
func commands() []constructor {
	return []constructor{
		{groupEveryday, []string{"get"}, newGet},
		{groupEveryday, []string{"set"}, newSet},
		{groupEveryday, []string{"del", "rm"}, newDel},
		{groupEveryday, []string{"clear"}, newClear},
		{groupEveryday, []string{"list", "ls"}, newList},
		{groupEveryday, []string{"show"}, newShow},
		{groupEveryday, []string{"tree"}, newTree},
		{groupEveryday, []string{"grep"}, newGrep},
		{groupEveryday, []string{"count"}, newCount},
		{groupEveryday, []string{"exists"}, newExists},
		{groupEveryday, []string{"edit"}, newEdit},
		{groupEveryday, []string{"mset"}, newMset},
		{groupEveryday, []string{"incr"}, newIncr},
		{groupEveryday, []string{"append"}, newAppend},
		{groupEveryday, []string{"ttl"}, newTTL},
		{groupEveryday, []string{"mv"}, newMv},
		{groupEveryday, []string{"cp"}, newCp},
		{groupTx, []string{"begin"}, newBegin},
		{groupTx, []string{"commit"}, newCommit},
		{groupTx, []string{"rollback"}, newRollback},
		{groupTx, []string{"call"}, newCall},
		{groupTx, []string{"handler"}, newHandler},
		{groupInOut, []string{"import"}, newImport},
		{groupInOut, []string{"export"}, newExport},
		{groupInOut, []string{"watch"}, newWatch},
		{groupInOut, []string{"exec"}, newExec},
		{groupInOut, []string{"lock"}, newLock},
		{groupPast, []string{"history"}, newHistory},
		{groupPast, []string{"diff"}, newDiff},
		{groupPast, []string{"undo"}, newUndo},
		{groupPast, []string{"restore"}, newRestore},
		{groupBackup, []string{"snapshot"}, newSnapshot},
		{groupLook, []string{"info"}, newInfo},
		{groupLook, []string{"doctor"}, newDoctor},
		{groupLook, []string{"log"}, newLog},
		{groupLook, []string{"hash"}, newHash},
		{groupLook, []string{"inspect"}, newInspect},
		{groupLook, []string{"bench"}, newBench},
		{groupMend, []string{"check"}, newCheck},
		{groupMend, []string{"repair"}, newRepair},
		{groupMend, []string{"salvage"}, newSalvage},
		{groupMend, []string{"quarantine"}, newQuarantine},
		{groupSettings, []string{"init"}, newInit},
		{groupSettings, []string{"config"}, newConfig},
		{groupSettings, []string{"compact"}, newCompact},
		{groupSettings, []string{"cf"}, newCf},
		{groupSettings, []string{"use"}, newUse},
		{groupSettings, []string{"shell"}, newShell},
		{groupSettings, []string{"completion"}, newCompletion},
		{groupSettings, []string{"man"}, newMan},
		{groupSettings, []string{"version"}, newVersion},
	}
}

// commandWord is the first word that is no flag and no value of one.
func commandWord(root *cobra.Command, words []string) string {
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "--":
			return ""
		case strings.HasPrefix(words[i], "-"):
			if takesNext(root, words[i]) {
				i++
			}
		default:
			return words[i]
		}
	}
	return ""
}

// exits notes the exit codes of a command, which its help shows.
func exits(text string) map[string]string {
	if rest, bare := strings.CutPrefix(text, "0"); bare && !strings.HasPrefix(rest, " ") {
		text = "0 done" + rest
	}
	return map[string]string{"exits": text}
}

// brief notes among the annotations of a command that it reads a few keys and
// ends: a signal ends it as it ends any program, and needs no watching. That
// takes threads of its own, a quarter of a millisecond of a command's two.
func brief(annotations map[string]string) map[string]string {
	annotations["brief"] = "yes"
	return annotations
}

func isBrief(c *cobra.Command) bool { return c.Annotations["brief"] != "" }

// oneCommit notes among the annotations of a command that it writes one small
// transaction and ends: a signal before the commit ends it as any program, and
// none gets between, see Signals.
func oneCommit(annotations map[string]string) map[string]string {
	annotations["one commit"] = "yes"
	return annotations
}

func isOneCommit(c *cobra.Command) bool { return c.Annotations["one commit"] != "" }

// parent makes a command that only holds others, such as log.
func parent(c *cobra.Command, children ...*cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return &usageError{
			reason: commandName(c) + ": a command is missing",
			hint:   "usage: " + commandName(c) + " " + strings.Join(childNames(c), "|") + " …",
		}
	}
	c.AddCommand(children...)
	return c
}

func childNames(c *cobra.Command) []string {
	var names []string
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	return names
}

// usageOf is a usage error of a command, with its usage as the hint.
func usageOf(c *cobra.Command, f string, args ...any) error {
	e := &usageError{reason: fmt.Sprintf(f, args...), hint: "usage: " + usageLine(c)}
	if c.HasParent() {
		e.reason = commandName(c) + ": " + e.reason
	}
	return e
}

// commandName is the name of a command with its parents but without kvsh.
func commandName(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	if !c.HasParent() {
		return "kvsh"
	}
	return name
}

func usageLine(c *cobra.Command) string {
	if !c.HasParent() {
		return c.Use
	}
	_, operands, _ := strings.Cut(c.Use, " ")
	line := commandName(c)
	if c.HasAvailableLocalFlags() {
		line += " [flags]"
	}
	switch {
	case operands != "":
		line += " " + operands
	case c.HasAvailableSubCommands():
		line += " COMMAND …"
	}
	return line
}

// operands checks the number of words behind a command and its flags. max < 0
// is without limit.
func operands(min, max int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < min:
			words := strings.Fields(c.Use)[1:]
			missing := "a word"
			if len(args) < len(words) {
				missing = strings.Trim(words[len(args)], "[]….")
			}
			return usageOf(c, "%s is missing", missing)
		case max >= 0 && len(args) > max:
			return wordTooMany(c, args, args[max])
		}
		return nil
	}
}

// wordTooMany is the usage error of an operand for which there is no place.
func wordTooMany(c *cobra.Command, args []string, word string) error {
	e := operandError(c, args, "one word too many: %s", quoted(word))
	e.word = word
	return e
}

// operandError is a usage error about the operands of a command. A flag among
// them, behind the key of a command whose flags stand before it, is why.
func operandError(c *cobra.Command, args []string, f string, a ...any) *usageError {
	e := usageOf(c, f, a...).(*usageError)
	if c.ArgsLenAtDash() < 0 && len(args) > 0 && slices.ContainsFunc(args[1:], looksLikeFlag) {
		e.hint = "flags stand before KEY: kvsh " + usageLine(c)
	}
	return e
}

// looksLikeFlag reports whether a word would be a flag where flags may stand. A
// negative number would not.
func looksLikeFlag(word string) bool {
	name, ok := strings.CutPrefix(word, "-")
	name = strings.TrimPrefix(name, "-")
	return ok && name != "" && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z')
}

// frontFlagError puts an error about the flags in front of the command, which
// the command library hands on as it is, into the words of kvsh. Other errors
// it leaves alone.
func frontFlagError(root *cobra.Command, words []string, err error) error {
	var (
		missing *pflag.NotExistError
		noValue *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	isMissing := errors.As(err, &missing)
	if !isMissing && !errors.As(err, &noValue) && !errors.As(err, &invalid) && !errors.As(err, &syntax) {
		return err
	}
	c := root
	if word := commandWord(root, words); word != "" {
		if found, _, findErr := root.Find([]string{word}); findErr == nil {
			c = found
		}
	}
	if !isMissing || c.HasSubCommands() {
		return flagError(c, err)
	}
	// What was taken for the command may be the value of the unknown flag.
	e := flagError(root, err).(*usageError)
	if !strings.HasPrefix(e.hint, "did you mean") {
		e.hint = `in front of the command stand the flags of all commands, which "help" lists; behind it also its own`
	}
	return e
}

// flagError puts the words of the flag library into those of kvsh.
func flagError(c *cobra.Command, err error) error {
	var (
		missing *pflag.NotExistError
		noValue *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &missing):
		name := missing.GetSpecifiedName()
		dashes := "--"
		if missing.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		e := usageOf(c, "unknown flag %s%s", dashes, shortened(name)).(*usageError)
		e.word = dashes + name
		if near := nearFlag(c, name); dashes == "--" && near != "" {
			e.hint = "did you mean --" + near + "?"
		} else if freeValues(c) {
			e.hint = "-- ends the flags: " + commandName(c) + " -- " + dashes + shortened(name) + " …"
		}
		return e
	case errors.As(err, &noValue):
		return usageOf(c, "a value for %s is missing", flagName(noValue.GetSpecifiedShortnames(), noValue.GetSpecifiedName()))
	case errors.As(err, &invalid):
		cause := invalid.Unwrap()
		var refused *refusedError
		if errors.As(cause, &refused) {
			return fmt.Errorf("%s: --%s: %w", commandName(c), invalid.GetFlag().Name, cause)
		}
		var usage *usageError
		if errors.As(cause, &usage) {
			return &usageError{reason: fmt.Sprintf("%s: --%s: %s", commandName(c), invalid.GetFlag().Name, usage.reason), hint: usage.hint, word: invalid.GetValue()}
		}
		e := usageOf(c, "--%s: not a number: %s", invalid.GetFlag().Name, quoted(invalid.GetValue())).(*usageError)
		e.word = invalid.GetValue()
		return e
	}
	return usageOf(c, "%v", err)
}

func flagName(short, long string) string {
	if short != "" {
		return "-" + long
	}
	return "--" + long
}

// freeValues reports whether words with a dash are likely in front of it.
func freeValues(c *cobra.Command) bool {
	return c.HasParent() && strings.Contains(c.Use, "KEY")
}
