package cmd

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kvsh/repl"
)

// promptSession is a session as at the prompt of the shell, with an editor that
// remembers some commands.
func promptSession(t *testing.T) (s *Session, out, errs *bytes.Buffer) {
	t.Helper()
	s, out, errs = testSession(t)
	s.door = doorShell
	s.shell.editor = &fakeEditor{history: []string{"set user:1 Ada", "list", "get 'two\nlines'", ".history"}}
	return s, out, errs
}

// A fakeEditor remembers commands and what it is to begin with.
type fakeEditor struct {
	repl.Recaller
	history []string
	prefill string
}

func (e *fakeEditor) History() []string   { return slices.Clone(e.history) }
func (e *fakeEditor) Prefill(text string) { e.prefill = text }

// prompted runs a line as the shell does and returns what it wrote.
func prompted(t *testing.T, s *Session, out, errs *bytes.Buffer, line string) (data, remarks string) {
	t.Helper()
	out.Reset()
	errs.Reset()
	loop := repl.Shell{
		Editor:   repl.NewPlainEditor(strings.NewReader(line+"\n"), io.Discard),
		Prompt:   s.prompt,
		Verbatim: s.verbatim,
		Syntax:   s.reportSyntax,
		Do:       func(source string, c repl.Command) bool { return s.runShellCommand(t.Context(), source, c) },
	}
	if err := loop.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.out.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

func TestDotCommandsAtThePrompt(t *testing.T) {
	s, out, errs := promptSession(t)
	dir := t.TempDir()
	t.Chdir(dir)
	for _, c := range []struct{ line, out, errs string }{
		{".mode", "auto\n", ""},
		{".prompt", `"%d%c%t> "` + "\n", ""},
		{".prompt '%p [%c]%% '; .prompt", `"%p [%c]%% "` + "\n", ""},
		{".prompt %x", "", "kvsh: .prompt: %x is none of %d %p %c %t %%: \"%x\"\n  .prompt %x\n          ^\n"},
		{".alias names list --limit 2; names", "notes:1\nsession:1\n", ""},
		{"names --reverse", "visits\nuser:2\n", ""},
		{".alias get get -m quoted; get text", "\"abc\"\n", ""},
		{".alias y z; .alias z y; y", "", "kvsh: unknown command \"y\"\n  .alias y z; .alias z y; y\n                          ^\nhint: \"help\" lists the commands\n"},
		{".alias n 'two words' -x; .alias n", ".alias n \"two words\" -x\n", ""},
		{".alias", ".alias get get -m quoted\n.alias n \"two words\" -x\n.alias names list --limit 2\n.alias y z\n.alias z y\n", ""},
		{".unalias n; .unalias y; .unalias z; .unalias get; .alias", ".alias names list --limit 2\n", ""},
		{".unalias n", "", "kvsh: .unalias: no such alias \"n\"\nhint: \".alias\" lists them\n  .unalias n\n           ^\n"},
		{".alias -x get", "", "kvsh: .alias: not a name for an alias: \"-x\"\n  .alias -x get\n         ^\nhint: a name is a plain word that begins with no - or dot\n"},
		{".history 2", "get 'two\nlines'\n.history\n", ""},
		{".history user:?", "set user:1 Ada\n", ""},
		{".history 0", "", "kvsh: .history: not a number of commands: \"0\"\n  .history 0\n           ^\n"},
		{".shell echo a; echo \"b | c\" | tr a-c A-C", "a\nB | C\n", ""},
		{".shell exit 3", "", ".shell: exit status 3\n"},
		{"hist none", "", "kvsh: history \"none\": key not found\n"},
		{".pag off; .pager", "off\n", ""},
		{".once | tr a-c A-C\nget text; get text", "ABCabc\n", ""},
		{"list --limit 1 | tr a-z A-Z", "NOTES:1\n", ""},
		{".output | cat\nget text; .output stdout", "abc\n", ""},
		{".once > f; get text\n.shell cat f", "abc", ""},
		{".open", memoryName + "\n", ""},
		{".help alias", "", ""},
		{".show > shown\n.shell grep -c . shown", "13\n", ""},
	} {
		got, remarks := prompted(t, s, out, errs, c.line)
		if c.line == ".help alias" {
			if !strings.HasPrefix(got, ".alias [NAME") {
				t.Errorf("%s printed %q, want the help of .alias", c.line, got)
			}
			continue
		}
		if strings.HasPrefix(c.line, ".unalias n") && c.errs != "" { // the hint stands behind the mark
			c.errs = "kvsh: .unalias: no such alias \"n\"\n  .unalias n\n           ^\nhint: \".alias\" lists them\n"
		}
		if got != c.out || remarks != c.errs {
			t.Errorf("%s printed %q and said %q, want %q and %q", c.line, got, remarks, c.out, c.errs)
		}
	}
}

// What .alias prints makes the same alias again.
func TestAliasesAreLines(t *testing.T) {
	s, out, errs := promptSession(t)
	for _, words := range [][]string{{"get"}, {"set", "a b", "", "-1", "--", "it's", "\"", "世", "#", ";", "|", ">", "-x y", "--a=b c", "\xff\n", "-"}} {
		s.shell.aliases = map[string][]string{"x": words}
		line, _ := prompted(t, s, out, errs, ".alias x")
		s.shell.aliases = nil
		if _, errs := prompted(t, s, out, errs, strings.TrimSuffix(line, "\n")); errs != "" || !slices.Equal(s.shell.aliases["x"], words) {
			t.Errorf("after %s the alias is %q, %s, want %q", line, s.shell.aliases["x"], errs, words)
		}
	}
}

func TestOpen(t *testing.T) {
	s, out, errs := promptSession(t)
	dir := t.TempDir()
	one, file := filepath.Join(dir, "one.kv"), filepath.Join(dir, "file.kv")
	if err := os.WriteFile(file, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	prompted(t, s, out, errs, "use drafts")
	if _, said := prompted(t, s, out, errs, ".open "+one); !strings.Contains(said, "the first write creates it") {
		t.Errorf(".open of a new database says %q", said)
	}
	if _, err := os.Stat(one); err == nil {
		t.Error(".open made a database, want none before the first write")
	}
	if got, said := prompted(t, s, out, errs, "set a 1; get a; .open"); got != "1\n"+one+"\n" {
		t.Errorf("after .open: %q, %q", got, said)
	}
	for line, want := range map[string]string{
		".open " + file: "file.kv",
		"begin; .open " + dir + "/x.kv; rollback": "a transaction is open",
		".open ''": "not a path",
	} {
		if _, said := prompted(t, s, out, errs, line); !strings.Contains(said, want) {
			t.Errorf("%s says %q, want %q", line, said, want)
		}
		if got, _ := prompted(t, s, out, errs, "get a"); got != "1\n" {
			t.Errorf("get behind %s = %q, want the database before", line, got)
		}
	}
	damaged := filepath.Join(dir, "damaged.kv")
	invoke(t, "set a 1; set b 2; set c 3", "-d", damaged)
	segment := filepath.Join(damaged, "log", "00000000000000000001")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[80] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, said := prompted(t, s, out, errs, ".open "+damaged); !strings.Contains(said, "opened read-only") || !s.set.ReadOnly {
		t.Errorf(".open of a damaged database says %q, want that it is read-only", said)
	}
	if got, said := prompted(t, s, out, errs, ".open "+one+"; set a 2; get a"); got != "2\n" {
		t.Errorf("behind a damaged database: %q, %q, want that it writes again", got, said)
	}
	s.set.Safe = true
	if _, said := prompted(t, s, out, errs, ".open mem:"); !strings.Contains(said, "refused by --safe") {
		t.Errorf("under --safe .open says %q", said)
	}
	if _, said := prompted(t, s, out, errs, ".shell echo a"); !strings.Contains(said, "refused by --safe") {
		t.Errorf("under --safe .shell says %q", said)
	}
}

// Under --limit a list ends and says how to go on, at the terminal alone.
func TestLimit(t *testing.T) {
	s, out, errs := promptSession(t)
	s.OutTerminal, s.Width = true, func() int { return 80 }
	t.Chdir(t.TempDir())
	for line, want := range map[string][2]string{
		".limit 2; list":                      {"notes:1\nsession:1\n", `the first 2 keys; --after session:1 goes on, ".limit off" shows all` + "\n"},
		".limit 6; list --prefix user":        {"user:1\nuser:2\n", ""},
		".limit 2; list --prefix user":        {"user:1\nuser:2\n", ""},
		".limit 2; list --limit 1":            {"notes:1\n", ""},
		".limit 1; list > f\n.shell wc -l <f": {"6\n", ""},
	} {
		got, said := prompted(t, s, out, errs, line)
		if lines := strings.TrimPrefix(got, "key\n"); lines != want[0] || said != want[1] {
			t.Errorf("%s printed %q and said %q, want %q", line, got, said, want)
		}
	}
}

func TestExpand(t *testing.T) {
	s, _, _ := promptSession(t)
	s.shell.aliases = map[string][]string{"sn": {"snapshot", "save", "x"}}
	for line, want := range map[string]string{
		"hist k":      "history k",
		"sna sa f":    "snapshot save f",
		"sn y":        "snapshot save x y",
		"--cf d coun": "--cf d count",
		"help hist":   "help history",
		"help log sh": "help log show",
		"ls":          "ls",
		"rm k":        "rm k",
		"log sh":      "log show",
		".mod csv":    ".mode csv",
		"bogus a":     "bogus a",
		"s":           "several commands begin with \"s\"",
		"a = 5":       "unknown command \"a\"", // and not append
		"log f s":     "log follow s",
		"snapshot r":  "several commands begin with \"r\"",
		".e":          "several commands begin with \".e\"",
		"--":          "--",
		"get hist":    "get hist",
		"qui":         "quit",
	} {
		words, err := s.expand(strings.Fields(line))
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("expand(%q) = %q, want %q", line, got, want)
		}
	}
}

// No command begins as another one is called, or nobody could shorten either:
// what is a name today stays one.
func TestNamesAreTheirOwn(t *testing.T) {
	s, _, _ := promptSession(t)
	walk(newRoot(s, nil), func(c *cobra.Command) {
		if !c.HasParent() {
			return
		}
		words := strings.Fields(commandName(c))
		if got, err := s.expand(words); err != nil || !slices.Equal(got, words) {
			t.Errorf("expand(%q) = %q, %v, want the same", words, got, err)
		}
	})
}

// Brief help of a command says how it is used and shows two examples, in 15
// lines that fit a terminal; that of all commands fits one screen.
func TestBriefHelp(t *testing.T) {
	s, out, errs := promptSession(t)
	check := func(what, page string, lines int) {
		t.Helper()
		if n := strings.Count(page, "\n"); n > lines {
			t.Errorf("help of %q has %d lines, want at most %d:\n%s", what, n, lines, page)
		}
		for line := range strings.Lines(page) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("help of %q: %d columns: %q", what, n, line)
			}
		}
	}
	walk(newRoot(s, nil), func(c *cobra.Command) {
		if !c.HasParent() {
			return
		}
		page, said := prompted(t, s, out, errs, "help "+commandName(c))
		check(commandName(c), page, 15)
		if said != "" || !strings.HasPrefix(page, usageLine(c)+"\n") {
			t.Errorf("help of %q begins %.60q and says %q", commandName(c), page, said)
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			// Each is there, and behind it, and behind what it takes, words.
			value, usage := pflag.UnquoteUsage(f)
			words := selectorWords[f.Name]
			if words == "" || !slices.Contains(selectorFlags(), f.Name) {
				words = briefly(usage, 10)[:1]
			}
			if f.Name != "help" && !regexp.MustCompile(regexp.QuoteMeta(strings.TrimSpace("--"+f.Name+" "+value))+` +`+regexp.QuoteMeta(words)).MatchString(page) {
				t.Errorf("help of %q does not explain --%s:\n%s", commandName(c), f.Name, page)
			}
		})
		if _, examples, ok := strings.Cut(page, "\nexamples "); !ok || strings.Count(examples, "\n") != briefExamples {
			t.Errorf("help of %q has not %d examples:\n%s", commandName(c), briefExamples, page)
		}
	})
	for _, d := range dotCommands() {
		page, _ := prompted(t, s, out, errs, ".help "+d.name)
		check(d.name, page, 15)
	}
	for _, line := range []string{".help .mode x", ".help dot x", ".help mode x", ".help get x", "help .mode x"} {
		if page, said := prompted(t, s, out, errs, line); page != "" || !strings.Contains(said, `one word too many: "x"`) {
			t.Errorf("%s prints %q and says %q, want that x is too many", line, page, said)
		}
	}
	for _, line := range []string{"help", "help dot", ".help"} {
		page, _ := prompted(t, s, out, errs, line)
		check(line, page, 23)
		for _, d := range dotCommands() {
			if !d.unlisted && !strings.Contains(page, "\n"+d.name) && !strings.Contains(page, " "+d.name) && !strings.HasPrefix(page, d.name) {
				t.Errorf("%s does not name %s", line, d.name)
			}
		}
	}
}

// The mark of an error stands below a word of its line, or there is none.
func TestMarkIsBelowAWord(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s, out, errs := promptSession(t)
	words := []string{
		"get", "set", "list", "bogus", "--bad", "-Z", "--limit", "x", "--limit=x", "''", "'two words'", "世界", "\"\\xff\"", "--ttl", "soon", "-1",
		"log", "show", "snapshot", "s", ".mode", "loud", ".limit", "incr", "text", "--mode", "-m", "--json", "help", "ttl", "use", ".bogus", "--",
	}
	marks := 0
	for range 3000 {
		line := strings.Repeat(" ", random.IntN(3)) + "  "
		for range 1 + random.IntN(4) {
			line += words[random.IntN(len(words))] + strings.Repeat(" ", 1+random.IntN(2))
		}
		line = strings.TrimRight(line, " ")
		_, said := prompted(t, s, out, errs, line)
		lines := strings.Split(said, "\n")
		for i, mark := range lines {
			if i == 0 || strings.TrimLeft(mark, " ") != "^" {
				continue
			}
			marks++
			above := []rune(lines[i-1])
			column, at := len(mark)-1, 0
			for at < len(above) && column > 0 {
				column--
				if above[at] >= 0x1100 {
					column--
				}
				at++
			}
			if column != 0 || at >= len(above) || above[at] == ' ' || strings.TrimSpace(lines[i-1]) != strings.TrimSpace(line) {
				t.Errorf("the mark of %q is not below a word:\n%s", line, said)
			}
		}
		prompted(t, s, out, errs, ".mode auto; .limit off; use")
	}
	if marks < 300 {
		t.Errorf("%d marks, want more", marks)
	}
	for line, want := range map[string]string{
		"bogus a":                     "  bogus a\n  ^\n",
		"list --limit x":              "  list --limit x\n               ^\n",
		"list --limit=x":              "  list --limit=x\n               ^\n",
		"get --bad a":                 "  get --bad a\n      ^\n",
		"list -lZ":                    "  list -lZ\n       ^\n",
		"get ''":                      "  get ''\n      ^\n",
		"incr text":                   "  incr text\n       ^\n",
		"get none; shell a":           "  get none; shell a\n                  ^\n",
		"incr visits x":               "  incr visits x\n              ^\n",
		"get none":                    "",
		"shell x x":                   "",
		"set --ttl soon k v":          "  set --ttl soon k v\n            ^\n",
		"list -m loud":                "  list -m loud\n          ^\n",
		"ttl text soon":               "  ttl text soon\n           ^\n",
		"commit":                      "",
		"list '[a'":                   "  list '[a'\n       ^\n",
		fmt.Sprintf("get %s", "a' b"): "  get a' b\n       ^\n",
	} {
		_, said := prompted(t, s, out, errs, line)
		_, shown, _ := strings.Cut(said, "\n")
		shown, _, _ = strings.Cut(shown, "hint:")
		if strings.HasSuffix(want, "^\n") && !strings.HasSuffix(shown, want) || want == "" && strings.Contains(shown, "^") {
			t.Errorf("%s is shown as\n%swant\n%s", line, said, want)
		}
	}
}

// A slow command of the shell says how long it took, unless it waited for a
// person; any command does with .timer on.
func TestSlowCommands(t *testing.T) {
	s, _, errs := promptSession(t)
	for _, c := range []struct {
		door                 door
		timer, waited, quiet bool
		took                 time.Duration
		want                 bool
	}{
		{door: doorShell, took: 2 * time.Second, want: true},
		{door: doorShell, took: time.Second / 2},
		{door: doorShell, took: 2 * time.Second, waited: true},
		{door: doorShell, took: 2 * time.Second, quiet: true},
		{door: doorScript, took: 2 * time.Second},
		{door: doorShell, timer: true, want: true},
		{door: doorScript, timer: true, want: true},
	} {
		s.door, s.ErrTerminal, s.set.Timer, s.shell.waited, s.set.Quiet = c.door, true, c.timer, c.waited, c.quiet
		errs.Reset()
		s.time(time.Now().Add(-c.took))
		if got := strings.HasPrefix(errs.String(), "time: "); got != c.want {
			t.Errorf("%+v says %q", c, errs)
		}
	}
}

// A program that reads no more of .output ends that and nothing else.
func TestOutputProgramEnds(t *testing.T) {
	s, out, errs := promptSession(t)
	// The program has the streams, beside the test.
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s.Out, s.Err = file, file
	prompted(t, s, out, errs, ".output | true")
	if _, err := s.shell.sink.child.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	for range 10_000 { // some systems close its end of the pipe a moment later
		prompted(t, s, out, errs, "get text")
		if s.shell.sink == nil {
			break
		}
	}
	prompted(t, s, out, errs, "get text; .output")
	want := "| true has ended; data goes to stdout again\nabc\nstdout\n"
	if got, err := os.ReadFile(file.Name()); err != nil || string(got) != want {
		t.Errorf("the output is %.200q, %v, want %q", got, err, want)
	}
}

// The first .output of a shell takes effect also where there is a pager, which
// every command at a terminal has between it and the output.
func TestOutputUnderPager(t *testing.T) {
	for _, lines := range []string{
		".output f\nget text\n.output stdout\nget visits",
		".read there\nget text\n.output stdout\nget visits",
		".alias there .output f\nthere\nget text\n.output stdout\nget visits",
	} {
		s, out, errs := promptSession(t)
		s.InTerminal, s.OutTerminal = true, true
		s.Width, s.Height = func() int { return 80 }, func() int { return 24 }
		s.shell.pager.program = "cat"
		t.Chdir(t.TempDir())
		if err := os.WriteFile("there", []byte(".output f\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		shown, said := prompted(t, s, out, errs, lines)
		file, err := os.ReadFile("f")
		if err != nil || string(file) != "abc\n" || shown != "7\n" || said != "" {
			t.Errorf("%q writes %q, %v, to the file, shows %q and says %q, want abc, 7 and nothing", lines, file, err, shown, said)
		}
	}
}

// Tab knows the dot-commands and what stands behind them, the highlighter also
// aliases and short forms.
func TestDotWords(t *testing.T) {
	s, _, _ := promptSession(t)
	s.shell.aliases = map[string][]string{"all": {"list"}, "bye": {".quit"}}
	for line, want := range map[string][]string{
		".mode js":   {"jsonl", "json"},
		".timer ":    {"on", "off"},
		".unalias a": {"all"},
		".help .un":  {".unalias"},
		".mode csv ": nil,
		".prompt ":   nil,
		".bogus ":    nil,
	} {
		if got := candidates(t, s, line); !slices.Equal(got, want) {
			t.Errorf("completions of %q = %q, want %q", line, got, want)
		}
	}
	words := newLineWords(s)
	for line, want := range map[string]repl.Style{
		"get": repl.CommandOK, "hist": repl.CommandOK, "all": repl.CommandOK, "bye": repl.CommandOK, ".mode": repl.CommandOK, ".mod": repl.CommandOK,
		"exit": repl.CommandOK, "bogus": repl.Unknown, ".bogus": repl.Unknown, "s": repl.Unknown, ".e": repl.Unknown,
	} {
		if got := words.classify([]string{line})[0]; got != want {
			t.Errorf("style of %q = %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]string{".mode": "[M]", "get": "KEY…", "ge": "", ".mode c": "", "hist": ""} {
		if got := words.hint(line); got != want {
			t.Errorf("hint behind %q = %q, want %q", line, got, want)
		}
	}
}

// A question says what would be deleted, in the words of the selection.
func TestDeletionInWords(t *testing.T) {
	s, _, _ := promptSession(t)
	for _, c := range []struct {
		n      int64
		sel    selector
		family string
		want   string
	}{
		{1234567, selector{}, "", "delete all 1,234,567 keys"},
		{1, selector{}, "", "delete 1 key"},
		{100, selector{limit: 100}, "drafts", "delete 100 keys of family drafts"},
		{1000, selector{prefix: "user:"}, "", "delete 1,000 keys with prefix user:"},
		{2, selector{pattern: "a*", suffix: "two words", from: "a", to: "b"}, "", `delete 2 keys matching "a*", with suffix "two words", from a on, before b`},
		{2, selector{contains: "x", regex: "^y", after: "\x00"}, "", `delete 2 keys containing x, matching the expression "^y", after "\0"`},
	} {
		s.set.Family = c.family
		if got := s.deletion(c.n, &c.sel); got != c.want {
			t.Errorf("deletion(%d, %+v) = %q, want %q", c.n, c.sel, got, c.want)
		}
	}
}

// A file of .read that ends with an error leaves the transaction of the shell
// open.
func TestReadInTransaction(t *testing.T) {
	s, out, errs := promptSession(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("set a 1\nbogus\nset a 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, said := prompted(t, s, out, errs, "begin; .read "+file)
	if want := "kvsh: " + file + ":2:1: unknown command \"bogus\"\nhint: \"help\" lists the commands\n"; said != want {
		t.Errorf(".read says %q, want %q", said, want)
	}
	if got, said := prompted(t, s, out, errs, "commit; get a"); got != "1\n" {
		t.Errorf("what was read before the error is %q, %q, want 1", got, said)
	}
}
