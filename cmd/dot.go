package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kvsh/repl"
)

// A dotCommand is a command about the shell itself. It is a table and no tree:
// dot-commands have no flags.
type dotCommand struct {
	name        string // with its dot
	usage       string // of its words, as help shows it; may be empty
	short       string // what it does, in one line
	long        string // what else there is to know; may be empty
	least, most int    // words behind the name; most < 0: any number
	scripts     bool   // also for scripts
	unlisted    bool   // the lists leave it out: another one names it
	terminal    bool   // it uses the terminal or runs other commands: no pager
	words       func(*Session) []string
	run         func(ctx context.Context, s *Session, args []string) error
}

// dotCommands is the table of all dot-commands, in the order of .help.
func dotCommands() []dotCommand {
	all := slices.Concat(dotOutput(), dotShell(), dotJobs(), dotKeyList())
	return append(all,
		dotCommand{
			name: ".show", short: "All of these settings", scripts: true, run: dotShow,
		},
		dotCommand{
			name: ".help", usage: "[COMMAND]", short: "This list, or more of a command", most: 2, scripts: true,
			words: dotNames, run: dotHelp,
		},
		dotCommand{
			name: ".quit", short: "Leave, as .exit does; in a file, end that", scripts: true,
			run: func(context.Context, *Session, []string) error { return errQuit },
		},
		dotCommand{
			name: ".exit", short: "The same as .quit", scripts: true, unlisted: true,
			run: func(context.Context, *Session, []string) error { return errQuit },
		},
	)
}

// dotColumns is the columns of the widest signature.
const dotColumns = 34

// signature is the name and what may stand behind it.
func (d *dotCommand) signature() string { return strings.TrimSpace(d.name + " " + d.usage) }

// errQuit ends the shell, or the script that it comes from.
var errQuit = errors.New("quit")

// shellSettings is what dot-commands set beyond Settings. It outlives a line.
type shellSettings struct {
	echo    bool                // the commands of scripts are shown
	limit   int                 // rows that a list shows at the terminal; 0: all
	prompt  string              // as .prompt takes it; empty: defaultPrompt
	aliases map[string][]string // words by the name that stands for them
	once    redirection         // of the next command
	sink    *sink               // where data goes since .output; nil: to the output
	reading int                 // files of .read that are being read, one in the other
	pager   pagerSetting
	editor  repl.Editor // of the interactive shell; nil elsewhere
	waited  bool        // the command waited for a person, so its time says nothing
}

// isDot reports whether words are a dot-command.
func isDot(words []string) bool { return len(words) > 0 && strings.HasPrefix(words[0], ".") }

// dotNamed is the dot-command of a name.
func dotNamed(name string) (dotCommand, error) {
	all := dotCommands()
	i := slices.IndexFunc(all, func(d dotCommand) bool { return d.name == name })
	if i >= 0 {
		return all[i], nil
	}
	e := &usageError{reason: "unknown command " + quoted(name), hint: `".help" lists the dot-commands`, word: name}
	if meant := dotSynonym(name); meant != "" {
		e.hint = fmt.Sprintf("did you mean %q?", meant)
	} else if best, ok := nearest(name, dotNames(nil)); ok {
		e.hint = fmt.Sprintf("did you mean %q?", best)
	}
	return dotCommand{}, e
}

// nearest is the name most like a word, if one is much like it.
func nearest(word string, names []string) (best string, ok bool) {
	if len(word) > maxMistyped {
		return "", false
	}
	least := 3
	for _, name := range names {
		if d := editDistance(word, name); d < least {
			best, least = name, d
		}
	}
	return best, best != ""
}

// dotNames are the names of all dot-commands, in the order of .help.
func dotNames(*Session) []string {
	var names []string
	for _, d := range dotCommands() {
		names = append(names, d.name)
	}
	return names
}

// dotWords are what may stand behind a dot-command, for Tab; nothing if its
// words are free.
func (s *Session) dotWords(name string) []string {
	d, err := dotNamed(name)
	if err != nil || d.words == nil {
		return nil
	}
	return d.words(s)
}

// runDot runs a dot-command. What it sets holds from the next line on.
func (s *Session) runDot(ctx context.Context, words []string) error {
	d, err := dotNamed(words[0])
	if err != nil {
		return err
	}
	args := words[1:]
	switch {
	case s.door == doorScript && !d.scripts:
		return &usageError{reason: d.name + ": only in the shell", hint: "scripts have " + strings.Join(scriptDots(), " ")}
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		d.writeHelp(s.out)
		return nil
	case len(args) < d.least:
		return d.usageError("%s is missing", strings.Trim(strings.Fields(d.usage)[len(args)], "[]….|"))
	case d.most >= 0 && len(args) > d.most:
		e := d.usageError("one word too many: %s", quoted(args[d.most]))
		e.word = args[d.most]
		return e
	}
	if d.terminal {
		s.ownsTerminal()
	}
	return d.run(ctx, s, args)
}

// usageError is a wrong use of a dot-command, with its usage as the hint.
func (d *dotCommand) usageError(f string, args ...any) *usageError {
	return &usageError{
		reason: d.name + ": " + fmt.Sprintf(f, args...),
		hint:   "usage: " + d.signature(),
	}
}

// badWord is a word that is not what it should be.
func badWord(reason, word, hint string) error {
	return &usageError{reason: reason + " " + quoted(word), hint: hint, word: word}
}

// scriptDots are the names of the dot-commands that scripts have.
func scriptDots() []string {
	var names []string
	for _, d := range dotCommands() {
		if d.scripts {
			names = append(names, d.name)
		}
	}
	return names
}

// onOff is the words of a switch, for Tab.
func onOff(*Session) []string { return []string{"on", "off"} }

// switched reads or shows a switch.
func (s *Session) switched(name string, args []string, value *bool) error {
	if len(args) == 0 {
		return s.say(onOffText(*value))
	}
	switch args[0] {
	case "on":
		*value = true
	case "off":
		*value = false
	default:
		return badWord(name+": neither on nor off:", args[0], "usage: "+name+" [on|off]")
	}
	return nil
}

func onOffText(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// say prints the value of a setting.
func (s *Session) say(text string) error {
	_, err := s.out.WriteString(text + "\n")
	return err
}
