package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/format"
	"kvsh/repl"
)

// A lookup finds what may complete a word. It may run beside the session: it
// uses only a store, which any number may use.
type lookup func(context.Context) repl.Completion

// kind is what a word names, and so what completes it.
type kind uint8

const (
	kindNone kind = iota
	kindKeys
	kindFiles
	kindSnapshots // files, too
	kindFamilies
	kindHandlers
	kindRevisions
	kindStates // revisions, or snapshots
	kindSettings
	kindQuarantine
	kindFormats
	kindModes
	kindCommands // what help explains
)

// placeholders are the kinds of the words in the usage of a command or flag.
// Those that are not here take what nobody can know.
var placeholders = map[string]kind{
	"KEY": kindKeys, "PREFIX": kindKeys, "PATTERN": kindKeys, "FROM": kindKeys, "TO": kindKeys,
	"FILE": kindFiles, "PATH": kindFiles, "DIR": kindFiles, "FILE|DIR": kindFiles, "DB": kindFiles,
	"REV": kindRevisions, "REV[..REV": kindRevisions, "R": kindRevisions,
	"A": kindStates, "B": kindStates,
	"COMMAND": kindCommands, "M": kindModes, "MODE": kindModes,
}

// namedKinds are the kinds of the words that are called NAME, or FILE in snapshot:
// it depends on the command.
var namedKinds = map[string]kind{
	"cf rm": kindFamilies, "use": kindFamilies,
	"config":          kindSettings,
	"quarantine show": kindQuarantine, "quarantine restore": kindQuarantine, "quarantine rm": kindQuarantine,
	"handler show": kindHandlers, "handler rm": kindHandlers, "handler add": kindHandlers, "call": kindHandlers,
	"snapshot verify": kindSnapshots, "snapshot rm": kindSnapshots, "snapshot restore": kindSnapshots,
}

// flagKinds are the kinds of flags whose placeholder says too little.
var flagKinds = map[string]kind{
	"prefix": kindKeys, "cf": kindFamilies, "format": kindFormats, "file": kindFiles,
	"to-rev": kindRevisions, "if-rev": kindRevisions,
}

// complete says what finds the words that may stand at the end of a line of the
// shell; nil: nothing does. Whatever concerns the session is asked for here.
func (s *Session) complete(words *lineWords, line string) func(context.Context) repl.Completion {
	before, word, _, ok := repl.WordAt(line)
	if !ok {
		return nil
	}
	if isDot(before) {
		return s.completeDot(before, word)
	}
	find, _ := s.completeWord(words, before, word)
	return find
}

// A typedLine is what the words before the one to complete come to.
type typedLine struct {
	c        *cobra.Command // the root as long as there is no other one
	operands []string
	flag     *pflag.Flag // whose value the word is, or nil
	ended    bool        // -- came before
	family   string      // that --cf names, or that of the session
}

// typed looks at the words before one; ok is false behind an unknown command.
func (s *Session) typed(words *lineWords, before []string) (l typedLine, ok bool) {
	c, first, behind := words.find(before)
	l = typedLine{c: c, family: s.set.Family}
	switch {
	case c == nil && first < behind:
		return l, false
	case c == nil:
		l.c = words.root
	}
	for i := 0; i < len(before); i++ {
		if i >= first && i < behind {
			continue
		}
		word := before[i]
		f := findFlag(l.c, word)
		switch {
		case l.ended || !strings.HasPrefix(word, "-") || word == "-":
			l.operands = append(l.operands, word)
		case word == "--":
			l.ended = true
		case f == nil || f.NoOptDefVal != "":
		case strings.Contains(word, "="):
			s.noteFlag(&l, f, word[strings.Index(word, "=")+1:])
		case i+1 < len(before):
			i++
			s.noteFlag(&l, f, before[i])
		default:
			l.flag = f
		}
	}
	return l, true
}

// noteFlag keeps the value of a flag that matters for what follows. The shell
// stays with its own database: to open another one would close that.
func (s *Session) noteFlag(l *typedLine, f *pflag.Flag, value string) {
	switch {
	case f.Name == "cf":
		l.family = value
	case f.Name == "db" && s.door != doorShell:
		s.set.DB = value
	}
}

// completeWord says what completes a word behind others, and of which kind that
// is, for those who complete some of them by their own means.
func (s *Session) completeWord(words *lineWords, before []string, word string) (lookup, kind) {
	l, ok := s.typed(words, before)
	switch {
	case !ok:
		return nil, kindNone
	case l.flag != nil:
		return s.completeFlag(&l, l.flag, word)
	case strings.HasPrefix(word, "-") && !l.ended:
		if name, value, ok := strings.Cut(word, "="); ok {
			f := findFlag(l.c, name)
			if f == nil {
				return nil, kindNone
			}
			find, k := s.completeFlag(&l, f, value)
			return behind(name+"=", find), k
		}
		return fixed(word, flagCandidates(l.c)), kindNone
	case l.c == words.root:
		return fixed(word, words.names(s.door == doorShell)), kindNone
	}
	return s.completeOperand(words, &l, word)
}

// behind puts the same text before all that is found.
func behind(text string, find lookup) lookup {
	if find == nil {
		return nil
	}
	return func(ctx context.Context) repl.Completion {
		found := find(ctx)
		for i := range found.Candidates {
			found.Candidates[i].Text = text + found.Candidates[i].Text
		}
		if found.Greatest != "" {
			found.Greatest = text + found.Greatest
		}
		return found
	}
}

// completeOperand completes an operand of a command behind others.
func (s *Session) completeOperand(words *lineWords, l *typedLine, word string) (lookup, kind) {
	c, n := l.c, len(l.operands)
	if c.HasAvailableSubCommands() {
		if n > 0 {
			return nil, kindNone
		}
		return fixed(word, children(c)), kindNone
	}
	if len(c.ValidArgs) > 0 {
		return fixed(word, plainCandidates(c.ValidArgs...)), kindNone
	}
	name := placeholder(c, n)
	k := placeholders[name]
	if own, ok := namedKinds[commandName(c)]; ok && (name == "NAME" || k == kindFiles) {
		k = own
	}
	switch {
	case l.ended && strings.Contains(c.Use, "CMD"):
		k = kindFiles
	case commandName(c) == "mset" && n%2 == 0:
		k = kindKeys
	case commandName(c) == "config" && n == 1:
		return fixed(word, plainCandidates(settingValues[l.operands[0]]...)), kindNone
	case k == kindNone && strings.Contains(name, "|"): // in DUR|none only none can be known
		choice := slices.DeleteFunc(strings.Split(name, "|"), func(w string) bool { return w != strings.ToLower(w) })
		return fixed(word, plainCandidates(choice...)), kindNone
	}
	return s.completeKind(words, l, k, word), k
}

// placeholder is the name of operand n in the usage of a command, or empty.
func placeholder(c *cobra.Command, n int) string {
	var names []string
	for _, name := range strings.Fields(c.Use)[1:] {
		if name == "--" || name == "|" || strings.HasPrefix(name, "[--") {
			break
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	if n >= len(names) {
		if !strings.Contains(names[len(names)-1], "…") {
			return ""
		}
		n = len(names) - 1
	}
	// [N|KEY] is a key, or what cannot be completed.
	return strings.TrimPrefix(strings.Trim(names[n], "[]…"), "N|")
}

// completeFlag completes the value of a flag.
func (s *Session) completeFlag(l *typedLine, f *pflag.Flag, word string) (lookup, kind) {
	name, _ := pflag.UnquoteUsage(f)
	k, ok := flagKinds[f.Name]
	switch {
	case f.Name == "on-conflict":
		return fixed(word, plainCandidates("replace", "keep", "fail")), kindNone
	case f.Name == "key" || (name == "A" || name == "B") && l.c.Flags().Lookup("after") != nil:
		k = kindKeys
	case !ok:
		k = placeholders[name]
	}
	return s.completeKind(nil, l, k, word), k
}

// completeKind completes a word of a kind.
func (s *Session) completeKind(words *lineWords, l *typedLine, k kind, word string) lookup {
	switch k {
	case kindKeys:
		return s.completeLevels(l.family, word)
	case kindFiles:
		return s.completeFiles(word, "")
	case kindSnapshots:
		return s.completeFiles(word, snapshotSuffix, incrementSuffix)
	case kindFamilies:
		return s.completeFamilies(word)
	case kindHandlers:
		return s.completeHandlers(word)
	case kindRevisions:
		return s.completeRevisions(word)
	case kindStates:
		return either(s.completeRevisions(word), s.completeFiles(word, snapshotSuffix))
	case kindSettings:
		return s.completeSettings(word)
	case kindQuarantine:
		return s.completeQuarantine(word)
	case kindModes:
		return fixed(word, plainCandidates(modeNames...))
	case kindFormats:
		return fixed(word, plainCandidates(format.FormatNames()...))
	case kindCommands:
		return fixed(word, words.names(false))
	}
	return nil
}

// fixed is the candidates of a list that begin with a word.
func fixed(word string, all []repl.Candidate) lookup {
	some := slices.DeleteFunc(slices.Clone(all), func(c repl.Candidate) bool { return !strings.HasPrefix(c.Text, word) })
	return func(context.Context) repl.Completion { return repl.Completion{Candidates: some} }
}

func plainCandidates(texts ...string) []repl.Candidate {
	all := make([]repl.Candidate, 0, len(texts))
	for _, text := range texts {
		all = append(all, repl.Candidate{Text: text})
	}
	return all
}

// names is the commands with what they do, and perhaps those that only the
// shell has.
func (w *lineWords) names(shell bool) []repl.Candidate {
	all := children(w.root)
	if shell {
		all = append(all, w.s.shellOnly()...)
	}
	return all
}

// shellOnly is the commands that only the shell has, with what they do or stand
// for.
func (s *Session) shellOnly() []repl.Candidate {
	var all []repl.Candidate
	for _, d := range dotCommands() {
		all = append(all, repl.Candidate{Text: d.name, Note: d.short})
	}
	for _, name := range aliasNames(s) {
		all = append(all, repl.Candidate{Text: name, Note: strings.Join(s.shell.aliases[name], " ")})
	}
	return append(all, plainCandidates(exitWords...)...)
}

func children(c *cobra.Command) []repl.Candidate {
	var all []repl.Candidate
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() || child.Name() == "help" {
			all = append(all, repl.Candidate{Text: child.Name(), Note: child.Short})
		}
	}
	slices.SortFunc(all, func(a, b repl.Candidate) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// flagCandidates is the flags of a command: its own, then those of all.
func flagCandidates(c *cobra.Command) []repl.Candidate {
	var all []repl.Candidate
	add := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		all = append(all, repl.Candidate{Text: "--" + f.Name, Note: usage})
	}
	c.NonInheritedFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return all
}
