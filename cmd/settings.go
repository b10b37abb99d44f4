package cmd

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Settings is what the flags that all commands share say. The settings of a
// session hold for all its lines; flags of a line hold for that line.
type Settings struct {
	DB          string // path as given; empty: the default one
	Mode        string // name of the output mode
	JSON        bool   // the mode is jsonl
	NUL         bool   // items end in NUL
	Newline     bool   // a value ends in a newline, whatever the door
	Quiet       bool   // no remarks
	Yes         bool   // do not ask
	ReadOnly    bool   // no writes
	Safe        bool   // no files but the database, no programs
	NoColor     bool
	Timer       bool          // say how long a command took
	DryRun      bool          // do all but the commit
	ShowRev     bool          // print the revision of a write
	Wait        time.Duration // for the lock
	Timeout     time.Duration // for a command; 0: none
	Family      string        // column family; empty: the default one
	KeepGoing   bool          // a script goes on after an error
	Atomic      bool          // a script is one transaction
	commands    []string      // -c and -f in the order given, see doorFlag
	showVersion bool
}

// defaultWait is how long a write waits for the lock.
const defaultWait = 5 * time.Second

// bind declares the flags that every command takes.
func (set *Settings) bind(root *cobra.Command) {
	f := root.PersistentFlags()
	db := f.StringVarP
	if set.Safe { // this is a line of a script that is not to leave its database
		db = func(_ *string, name, short, _, usage string) {
			f.VarP((*fixedFlag)(&set.DB), name, short, usage)
		}
	}
	db(&set.DB, "db", "d", set.DB, "the database at `PATH`, else that of KVSH_DB; mem: is one in memory")
	f.StringVarP(&set.Mode, "mode", "m", set.Mode, "data is written as `M`: "+strings.Join(modeNames, " "))
	f.BoolVar(&set.JSON, "json", set.JSON, "the same as --mode jsonl")
	f.BoolVarP(&set.NUL, "null", "0", set.NUL, "items end in NUL")
	f.BoolVarP(&set.Newline, "newline", "n", set.Newline, "a value ends in a newline, also in a file")
	f.BoolVarP(&set.Quiet, "quiet", "q", set.Quiet, "no remarks, errors only")
	f.BoolVarP(&set.Yes, "yes", "y", set.Yes, "do not ask")
	f.BoolVar(&set.DryRun, "dry-run", set.DryRun, "do all but the writing")
	f.VarPF((*keptFlag)(&set.ReadOnly), "readonly", "", "refuse to write").NoOptDefVal = "true"
	f.VarPF((*keptFlag)(&set.Safe), "safe", "", "touch no other file and run no program").NoOptDefVal = "true"
	f.StringVar(&set.Family, "cf", set.Family, "the column family `NAME`")
	f.Var((*durationFlag)(&set.Wait), "wait", "wait so long, like 30s, for the lock")
	f.Var((*durationFlag)(&set.Timeout), "timeout", "give up after so long, like 10m")
	f.BoolVar(&set.NoColor, "no-color", set.NoColor, "no colour")
	f.BoolVar(&set.Timer, "timer", set.Timer, "say how long the command took")
	f.BoolP("help", "h", false, "explain the command") // what cobra looks for
}

// A keptFlag forbids something. Once it is on, no line of a script and no later
// word can turn it off.
type keptFlag bool

func (f *keptFlag) String() string { return strconv.FormatBool(bool(*f)) }
func (f *keptFlag) Type() string   { return "bool" }

func (f *keptFlag) Set(text string) error {
	v, err := strconv.ParseBool(text)
	*f = keptFlag(bool(*f) || v)
	return err
}

// A fixedFlag is the database of a line that may use no other one.
type fixedFlag string

func (f *fixedFlag) String() string { return string(*f) }
func (f *fixedFlag) Type() string   { return "string" }

func (f *fixedFlag) Set(text string) error {
	if text == string(*f) {
		return nil
	}
	return &refusedError{reason: "another database: refused by --safe"}
}

// bindDoor declares the flags that stand before or without a command.
func (set *Settings) bindDoor(root *cobra.Command) {
	f := root.Flags()
	f.VarP(&doorFlag{&set.commands, 'c'}, "command", "c", "run the commands `CMD`; repeatable")
	f.VarP(&doorFlag{&set.commands, 'f'}, "file", "f", "run the commands of `FILE`, - for stdin; repeatable")
	f.BoolVarP(&set.KeepGoing, "keep-going", "k", false, "a script goes on after an error")
	f.BoolVar(&set.Atomic, "atomic", false, "a script is one transaction")
	f.BoolVar(&set.showVersion, "version", false, "print the version")
}

// bindRev declares the flag that writing commands have.
func (set *Settings) bindRev(c *cobra.Command) {
	c.Flags().BoolVar(&set.ShowRev, "rev", set.ShowRev, "print the revision of the commit")
}

// doorFlag keeps the values of -c and -f in one list, since their order counts:
// each begins with the letter of its flag.
type doorFlag struct {
	list   *[]string
	letter byte
}

var _ pflag.Value = (*doorFlag)(nil)

func (d *doorFlag) String() string { return "" }
func (d *doorFlag) Type() string   { return "string" }

func (d *doorFlag) Set(v string) error {
	*d.list = append(*d.list, string(d.letter)+v)
	return nil
}
