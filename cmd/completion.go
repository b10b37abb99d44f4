package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kvsh/completions"
	"kvsh/format"
	"kvsh/repl"
)

func newCompletion(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print what makes Tab work in your shell",
		Long: `Prints a script for your shell, which completes commands, flags, files, column
families, revisions and keys, a level of their namespace at a time. To try it:

  source <(kvsh completion bash)
  source <(kvsh completion zsh)        behind compinit
  kvsh completion fish | source

To keep it, put that line into ~/.bashrc, ~/.zshrc or, for fish, into
~/.config/fish/config.fish. "make install" puts the scripts where the shells
find them by themselves. Tab waits 100 ms for the database; KVSH_TAB_TIME=1s
gives a slow disk more.`,
		Example:     "kvsh completion bash\nkvsh completion fish",
		Args:        operands(1, 1),
		ValidArgs:   []string{"bash", "zsh", "fish", "powershell"},
		Annotations: exits("0, 2 unknown shell"),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "powershell" {
				return c.Root().GenPowerShellCompletionWithDesc(s.out)
			}
			script, ok := completions.Script(args[0])
			if !ok {
				return usageOf(c, "unknown shell %s", quoted(args[0]))
			}
			_, err := io.WriteString(s.out, script)
			return err
		},
	}
}

// tabWord is the first argument with which the scripts in completions ask what
// completes a line:
//
//	__tab bash LINE WORD TYPE COLUMNS
//	__tab zsh LINE
//	__tab fish LINE
//
// LINE is what was typed up to the cursor. Of bash, WORD is the end of it that
// is replaced, TYPE its COMP_TYPE and COLUMNS the width of the terminal.
// The first line of the answer, for zsh what stands before the first NUL, is
// files if the shell is to complete a file by itself.
const tabWord = "__tab"

// tabPatience is how long Tab in another shell waits for an answer, unless
// KVSH_TAB_TIME says otherwise.
const tabPatience = 100 * time.Millisecond

// answerTab answers what completes a line, if that is what the arguments of the
// process ask. It creates, writes and locks nothing, says nothing of what is
// wrong with the database, and takes no longer than tabPatience.
func (s *Session) answerTab(ctx context.Context, args []string) (asked bool, err error) {
	switch {
	case len(args) == 0:
		return false, nil
	case args[0] == tabWord && len(args) > 2:
		line := completions.Split(args[1], args[2], s.Getenv)
		return true, s.writeTab(ctx, &line, args[1], args[3:])
	case args[0] == cobra.ShellCompRequestCmd && len(args) > 1:
		last := len(args) - 1
		found, k := s.candidatesOf(ctx, args[1:last], args[last])
		return true, s.writeCobra(found, k)
	}
	return false, nil
}

// candidatesOf is what may stand in place of a word behind others, which begin
// behind the name of the program. Nothing at all does, if it takes too long.
func (s *Session) candidatesOf(ctx context.Context, before []string, word string) ([]repl.Candidate, kind) {
	patience := tabPatience
	if d, err := parseDuration(s.Getenv("KVSH_TAB_TIME")); err == nil {
		patience = d
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	type answer struct {
		all  []repl.Candidate
		kind kind
	}
	answers := make(chan answer, 1)
	// A session that nobody waits for: what it opens may take for ever.
	own := NewSession(Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: s.Getenv})
	own.set.ReadOnly, own.tabTime = true, patience*2/5
	go func() {
		var a answer
		a.all, a.kind = own.findCandidates(ctx, before, word)
		answers <- a
		_ = own.Close() // it has only read
	}()
	select {
	case a := <-answers:
		return a.all, a.kind
	case <-ctx.Done():
		return nil, kindNone
	}
}

// findCandidates is candidatesOf without a limit of time.
func (s *Session) findCandidates(ctx context.Context, before []string, word string) ([]repl.Candidate, kind) {
	first := len(before) == 0
	before = s.takeDatabase(newBareRoot(s, s.set.bindDoor), before)
	find, k := s.completeWord(newLineWords(s), before, word)
	if first && !strings.HasPrefix(word, "-") {
		// A database may stand in front of the command.
		if strings.Contains(word, "/") {
			return nil, kindFiles
		}
		find = either(find, s.completeDatabases(word))
	}
	if find == nil || k == kindFiles {
		return nil, k
	}
	// No argument of a process can hold a NUL.
	return slices.DeleteFunc(tabCandidates(find(ctx), word), func(c repl.Candidate) bool {
		return strings.Contains(c.Text, "\x00")
	}), k
}

// completeDatabases completes the name of a database in the working directory.
func (s *Session) completeDatabases(word string) lookup {
	find := s.completeFiles(word, ".kv", snapshotSuffix)
	return func(ctx context.Context) (found repl.Completion) {
		for _, c := range find(ctx).Candidates {
			if text := strings.TrimSuffix(c.Text, "/"); namesDatabase(text) {
				found.Candidates = append(found.Candidates, repl.Candidate{Text: text, Note: "database"})
			}
		}
		return found
	}
}

// tabCandidates is what was found, and something in place of what was left
// out: what all have in common must not seem to be more than it is.
func tabCandidates(found repl.Completion, word string) []repl.Candidate {
	all := found.Candidates
	if rest, ok := strings.CutPrefix(found.Greatest, word); ok && found.Greatest != "" {
		last := repl.Candidate{Text: found.Greatest}
		if i := strings.IndexAny(rest, levelSeparators); i >= 0 {
			last = repl.Candidate{Text: word + rest[:i+1], Partial: true}
		}
		if n := len(all); n == 0 || all[n-1].Text != last.Text {
			all = append(all[:min(n, completionLimit-1)], last)
		}
	}
	return all
}

// writeCobra answers as the command library does, which its script for
// PowerShell expects: texts with notes behind a tab, then a directive.
func (s *Session) writeCobra(all []repl.Candidate, k kind) error {
	directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	if k == kindFiles {
		directive = cobra.ShellCompDirectiveDefault
	}
	if len(all) == 1 && all[0].Partial {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	for _, c := range all {
		if err := s.writeLine(c.Text, c.Note); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.out, ":%d\n", directive)
	return err
}

// writeLine writes a text with a note behind a tab, unless it is one that would
// be cut there.
func (s *Session) writeLine(text, note string) error {
	if strings.ContainsAny(text, "\t\n\r") {
		return nil
	}
	if note != "" {
		text += "\t" + note
	}
	_, err := fmt.Fprintln(s.out, text)
	return err
}

// writeTab answers the script for a shell.
func (s *Session) writeTab(ctx context.Context, line *completions.Line, shell string, rest []string) error {
	var all []repl.Candidate
	header := "words"
	switch {
	case line.File:
		header = "files"
	case line.Known && len(line.Words) > 0:
		var k kind
		if all, k = s.candidatesOf(ctx, line.Words[1:], line.Word); k == kindFiles {
			header = "files"
		}
	}
	switch shell {
	case "bash":
		if len(rest) != 3 {
			return errors.New("__tab bash wants LINE, WORD, TYPE and COLUMNS")
		}
		// bash closes the quotes behind the only answer. Of a level it gets
		// what is in it, so that more can be typed. If that takes too long, the
		// level is better than nothing.
		for line.Open() && len(all) == 1 && all[0].Partial {
			inside, _ := s.candidatesOf(ctx, line.Words[1:], all[0].Text)
			if len(inside) == 0 {
				break
			}
			all = inside
		}
		return s.writeBash(line, header, all, rest)
	case "zsh":
		if line.Open() {
			// zsh quotes bytes that are not UTF-8 wrongly within quotes.
			all = slices.DeleteFunc(all, func(c repl.Candidate) bool { return !utf8.ValidString(c.Text) })
		}
		return s.writeZsh(header, all)
	case "fish":
		if _, err := fmt.Fprintln(s.out, header); err != nil {
			return err
		}
		for _, c := range all {
			if err := s.writeLine(c.Text, c.Note); err != nil {
				return err
			}
		}
		return nil
	}
	return usagef("unknown shell %s", quoted(shell))
}

// writeZsh answers with a text, what is shown of it, and its note in turn, each
// before a NUL. A note that begins with / is that of a level.
func (s *Session) writeZsh(header string, all []repl.Candidate) error {
	for _, c := range all {
		if c.Note != "" {
			header = "notes"
		}
	}
	b := append([]byte(header), 0)
	for _, c := range all {
		if c.Partial {
			c.Note = "/" + c.Note
		}
		for _, item := range []string{c.Text, format.Safe(c.Text), c.Note} {
			b = append(append(b, item...), 0)
		}
	}
	_, err := s.out.Write(b)
	return err
}

// The values of COMP_TYPE with which bash puts in one text after the other, or
// all of them.
const (
	bashMenu   = "37"
	bashInsert = "42"
)

// writeBash answers with a line for each text: what replaces the end of the
// line, with its note if it is only to be shown.
func (s *Session) writeBash(line *completions.Line, header string, all []repl.Candidate, rest []string) error {
	word, comp := rest[0], rest[1]
	columns, err := strconv.Atoi(rest[2])
	if err != nil || columns <= 0 {
		columns = 80
	}
	if len(all) == 1 && all[0].Partial {
		header = "level"
	}
	if _, err := fmt.Fprintln(s.out, header); err != nil {
		return err
	}
	// bash replaces the end of the word alone, from one of COMP_WORDBREAKS on.
	kept := len(line.Raw) - len(word)
	if !strings.HasSuffix(line.Raw, word) {
		kept = 0
	}
	texts, width := make([]string, 0, len(all)), 0
	for _, c := range all {
		texts = append(texts, c.Text)
	}
	texts = line.Inserts(texts, func(i int) bool { return !all[i].Partial })
	for i, text := range texts {
		texts[i] = text[min(kept, len(text)):]
		width = max(width, format.Width(texts[i]))
	}
	bare := len(all) == 1 || comp == bashMenu || comp == bashInsert
	for i, text := range texts {
		if note := all[i].Note; !bare && note != "" {
			text = withNote(text, note, min(width, columns/2), columns)
		}
		if _, err := fmt.Fprintln(s.out, text); err != nil {
			return err
		}
	}
	return nil
}

// withNote puts a note behind a text, as far as it fits a line.
func withNote(text, note string, width, columns int) string {
	w := format.Width(text)
	text += strings.Repeat(" ", max(width-w, 0)) + "  ("
	room := columns - max(width, w) - len("  ()") - 1
	if format.Width(note) > room {
		note = format.Cut(note, max(room-1, 0)) + "…"
	}
	return text + note + ")"
}
