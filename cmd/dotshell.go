package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kvsh/engine"
	"kvsh/format"
	"kvsh/repl"
)

// dotShell are the dot-commands about the shell and what it is in.
func dotShell() []dotCommand {
	return []dotCommand{
		{
			name: ".prompt", usage: "[TEXT]", short: "What stands before the cursor", most: 1,
			long: `In it %d is the database, %p its path, %c the column family behind a colon, %t
the state of the transaction, %% a percent sign. The first one is '` + defaultPrompt + `'.`,
			run: dotPrompt,
		},
		{
			name: ".alias", usage: "[NAME [WORDS…]]", short: "A name for words that begin a line", most: -1,
			long: `Without WORDS it shows what NAME stands for, without NAME all aliases. An alias
may stand for another one, and for a command of its own name: .alias get get -n`,
			words: aliasNames, run: dotAlias,
		},
		{
			name: ".unalias", usage: "NAME", short: "Forget an alias", least: 1, most: 1,
			words: aliasNames, run: dotUnalias,
		},
		{
			name: ".open", usage: "[PATH]", short: "Go on with another database", most: 1,
			long: "It is refused while a transaction is open, and under --safe.", run: dotOpen,
		},
		{
			name: ".read", usage: "FILE", short: "Run the commands of a file", least: 1, most: 1, scripts: true, terminal: true,
			long: `They are run as those of a script: the first error ends the file. What .mode and
the like set in it stays set.`,
			run: dotRead,
		},
		{
			name: ".history", usage: "[N|PATTERN]", short: "Commands before: all, N, or those that fit", most: 1,
			long: "A PATTERN is found anywhere in a command; * and ? stand for other text.",
			run:  dotHistory,
		},
		{
			name: ".edit", short: "Change the last command in your editor", terminal: true,
			long: "It is $VISUAL, else $EDITOR. Enter runs what comes back.", run: dotEdit,
		},
		{
			name: ".shell", usage: "CMD", short: "Run a command of the system", least: 1, most: -1, terminal: true,
			long: "All to the end of the line is for /bin/sh. It is refused under --safe.", run: dotSystem,
		},
	}
}

// defaultPrompt is notes.kv> with the family and the state of the transaction.
const defaultPrompt = "%d%c%t> "

func dotPrompt(_ context.Context, s *Session, args []string) error {
	if len(args) == 0 {
		return s.say(format.Quote([]byte(s.promptFormat())))
	}
	if _, err := s.expandPrompt(args[0]); err != nil {
		return err
	}
	s.shell.prompt = args[0]
	return nil
}

func (s *Session) promptFormat() string {
	if s.shell.prompt == "" {
		return defaultPrompt
	}
	return s.shell.prompt
}

// expandPrompt is the prompt that a format makes now.
func (s *Session) expandPrompt(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) {
			return "", badWord(".prompt: a % at the end of", text, "%% is a percent sign")
		}
		switch text[i] {
		case 'd':
			b.WriteString(filepath.Base(s.path()))
		case 'p':
			b.WriteString(s.path())
		case 'c':
			if s.set.Family != "" {
				b.WriteString(":" + s.set.Family)
			}
		case 't':
			b.WriteString(s.txState())
		case '%':
			b.WriteByte('%')
		default:
			return "", badWord(".prompt: %"+format.Safe(text[i:i+1])+" is none of %d %p %c %t %%:", text, "")
		}
	}
	return format.Safe(b.String()), nil
}

// txState is what the prompt shows of the transaction.
func (s *Session) txState() string {
	switch {
	case s.tx != nil:
		return fmt.Sprintf("(tx:%d)", s.tx.Writes())
	case s.set.ReadOnly:
		return "[ro]"
	}
	return ""
}

func aliasNames(s *Session) []string { return slices.Sorted(maps.Keys(s.shell.aliases)) }

func dotAlias(_ context.Context, s *Session, args []string) error {
	switch len(args) {
	case 0:
		for _, name := range aliasNames(s) {
			if err := s.say(s.aliasLine(name)); err != nil {
				return err
			}
		}
		return nil
	case 1:
		if s.shell.aliases[args[0]] == nil {
			return badWord(".alias: no such alias", args[0], `".alias" lists them`)
		}
		return s.say(s.aliasLine(args[0]))
	}
	name := args[0]
	if name != format.Word([]byte(name)) || strings.HasPrefix(name, ".") || name == "" {
		return badWord(".alias: not a name for an alias:", name, "a name is a plain word that begins with no - or dot")
	}
	if s.shell.aliases == nil {
		s.shell.aliases = map[string][]string{}
	}
	s.shell.aliases[name] = slices.Clone(args[1:])
	return nil
}

// aliasLine is the line that makes an alias.
func (s *Session) aliasLine(name string) string {
	line := ".alias " + name
	for _, w := range s.shell.aliases[name] {
		if !strings.HasPrefix(w, "-") || format.Word([]byte("x"+w)) != "x"+w {
			w = format.Word([]byte(w))
		}
		line += " " + w
	}
	return line
}

func dotUnalias(_ context.Context, s *Session, args []string) error {
	if s.shell.aliases[args[0]] == nil {
		return badWord(".unalias: no such alias", args[0], `".alias" lists them`)
	}
	delete(s.shell.aliases, args[0])
	return nil
}

// dotOpen goes on with another database, unless that cannot be opened.
func dotOpen(ctx context.Context, s *Session, args []string) error {
	if len(args) == 0 {
		return s.say(format.Safe(s.absolutePath()))
	}
	switch {
	case args[0] == "":
		return badWord(".open: not a path:", args[0], "")
	case s.tx != nil:
		return &refusedError{reason: ".open: a transaction is open", hint: "commit or rollback ends it"}
	}
	if err := s.otherFiles(".open"); err != nil {
		return err
	}
	key := openKey{path: args[0], readOnly: s.set.ReadOnly && !s.damaged, wait: s.set.Wait, writer: s.writer()}
	store, err := openStore(ctx, key, toRead, s.remark)
	missing := errors.Is(err, engine.ErrNoDatabase)
	if err != nil && !missing {
		return fmt.Errorf(".open %s: %w", quoted(args[0]), err)
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			return errors.Join(err, store.Close())
		}
	}
	if missing {
		store = nil
		s.remark("there is no database yet; the first write creates it")
	}
	s.store, s.openedAs = store, key
	s.set.DB, s.set.ReadOnly, s.set.Family, s.damaged = args[0], key.readOnly, "", false
	if !missing {
		s.openDamaged(ctx)
	}
	return nil
}

// maxReading is how many files may read one another: one that reads itself is
// an error and no loop.
const maxReading = 16

// dotRead runs the commands of a file as a script, within what the shell or
// script is in: its transaction stays open.
func dotRead(ctx context.Context, s *Session, args []string) error {
	if s.shell.reading == maxReading {
		return usagef(".read %s: files read one another %d deep", quoted(args[0]), maxReading)
	}
	if err := s.otherFiles(".read"); err != nil {
		return err
	}
	at := s.at
	s.shell.reading++
	defer func() {
		s.shell.reading--
		s.at = at
	}()
	s.at = nil
	var run scriptRun
	if err := s.runScript(ctx, script{name: args[0], file: true}, &run); err != nil {
		return err
	}
	return run.result()
}

// dotHistory prints commands of the history, oldest first.
func dotHistory(_ context.Context, s *Session, args []string) error {
	editor, ok := s.shell.editor.(repl.Recaller)
	if !ok {
		return noEditor(".history")
	}
	all := editor.History()
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		switch {
		case err == nil && n < 1:
			return badWord(".history: not a number of commands:", args[0], "")
		case err == nil:
			all = all[max(len(all)-n, 0):]
		default:
			g, err := parseGlob("*" + args[0] + "*")
			if err != nil {
				return fmt.Errorf(".history: %w", err)
			}
			all = slices.DeleteFunc(all, func(command string) bool { return !g.match([]byte(command)) })
		}
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	if m == format.Auto || m == format.Raw || m == format.Pretty {
		// Commands are to be read and copied: no quotes, and never shortened.
		for _, command := range all {
			if err := s.say(safeLines(command)); err != nil {
				return err
			}
		}
		return nil
	}
	rows, err := s.rows(format.Column{Name: "command", Kind: format.Text})
	if err != nil {
		return err
	}
	for _, command := range all {
		if err := rows.Row(command); err != nil {
			return err
		}
	}
	return rows.Close()
}

// safeLines is a text of several lines for a terminal.
func safeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = format.Safe(lines[i])
	}
	return strings.Join(lines, "\n")
}

// noEditor is the error of what needs an editor of lines where there is none.
func noEditor(name string) error {
	return usagef("%s: not at a terminal that cannot move its cursor", name)
}

// dotEdit lets the user change the command before this one and puts it at the
// prompt.
func dotEdit(_ context.Context, s *Session, _ []string) error {
	editor, ok := s.shell.editor.(repl.Recaller)
	if !ok {
		return noEditor(".edit")
	}
	last := ""
	for _, command := range slices.Backward(editor.History()) {
		if name, _, _ := strings.Cut(strings.TrimSpace(command), " "); name != ".edit" {
			last = command
			break
		}
	}
	text, err := s.editLine(last)
	if err != nil {
		return fmt.Errorf(".edit: %w", err)
	}
	editor.Prefill(text)
	return nil
}

// dotSystem runs a command of the system shell.
func dotSystem(ctx context.Context, s *Session, args []string) error {
	if err := s.otherFiles(".shell"); err != nil {
		return err
	}
	err := s.run(ctx, child{words: []string{"/bin/sh", "-c", strings.Join(args, " ")}, stdin: s.childStdin()})
	var program *childError
	if errors.As(err, &program) && program.err == nil {
		s.remark(".shell: " + program.Error())
	}
	return err
}

// dotShow prints what the dot-commands set.
func dotShow(_ context.Context, s *Session, _ []string) error {
	limit := "off"
	if s.shell.limit > 0 {
		limit = strconv.Itoa(s.shell.limit)
	}
	facts := []fact{
		{"mode", format.Text, s.modeName()},
		{"output", format.Text, s.outputText()},
		{"once", format.Text, s.onceText()},
		{"limit", format.Text, limit},
		{"timer", format.Text, onOffText(s.set.Timer)},
		{"echo", format.Text, onOffText(s.shell.echo)},
	}
	if s.door == doorShell {
		facts = append(facts,
			fact{"pager", format.Text, s.pagerText()},
			fact{"prompt", format.Text, s.promptFormat()},
			fact{"aliases", format.Int, int64(len(s.shell.aliases))})
	}
	facts = append(facts,
		fact{"database", format.Text, s.absolutePath()},
		fact{"family", format.Text, s.set.Family},
		fact{"readonly", format.Text, onOffText(s.set.ReadOnly)},
		fact{"safe", format.Text, onOffText(s.set.Safe)})
	return s.facts(facts)
}

// dotHelp lists the dot-commands, or explains a command of either kind.
func dotHelp(ctx context.Context, s *Session, args []string) error {
	explainsDot := func() bool {
		_, err := dotNamed("." + args[0])
		return isDot(args) || args[0] == "dot" || err == nil && !isCommand(args[0])
	}
	if len(args) > 1 && explainsDot() {
		d, err := dotNamed(".help")
		if err != nil {
			return err
		}
		e := d.usageError("one word too many: %s", quoted(args[1]))
		e.word = args[1]
		return e
	}
	if len(args) == 0 || args[0] == "dot" {
		writeDotList(s.out, s.door)
		return nil
	}
	if !isDot(args) {
		if d, err := dotNamed("." + args[0]); err == nil && len(args) == 1 && !isCommand(args[0]) {
			args[0] = d.name // .help mode
		} else {
			return s.runLine(ctx, append([]string{"help"}, args...))
		}
	}
	d, err := dotNamed(args[0])
	if err != nil {
		return err
	}
	d.writeHelp(s.out)
	return nil
}
