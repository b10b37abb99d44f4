package format

import (
	"fmt"
	"strings"
	"time"
)

// Mode is the shape of what a command prints.
type Mode uint8

// The modes. Pretty and Table are for people: they shorten and round. The
// others keep every byte, or return an error where they cannot.
const (
	Auto   Mode = iota // Pretty on a terminal; else Raw for one column, TSV for more
	Raw                // exact bytes, cells split by a tab, a row a line
	Pretty             // aligned, shortened to the width
	Quoted             // literals, split by a tab
	Table              // a box
	JSONL              // an object a line
	JSON               // one array of objects
	CSV                // RFC 4180 with a header, lines end in LF
	TSV                // escaped; a header only on a terminal
	NUL                // each cell ends in a NUL byte
	Hex                // cells as hex digits; a single value as a hex dump
	Kvsh               // lines "set KEY VALUE" that kvsh runs
	Env                // lines K='v' for sh
)

// ModeNames lists the names ParseMode takes, in the order of the modes.
func ModeNames() []string {
	return []string{"auto", "raw", "pretty", "quoted", "table", "jsonl", "json", "csv", "tsv", "nul", "hex", "kvsh", "env"}
}

// ParseMode returns the mode of a name.
func ParseMode(s string) (Mode, error) {
	for i, name := range ModeNames() {
		if s == name {
			return Mode(i), nil
		}
	}
	return Auto, fmt.Errorf("unknown output mode %q: one of %s", s, strings.Join(ModeNames(), ", "))
}

func (m Mode) String() string {
	if names := ModeNames(); int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// Kind says what the cells of a column are, and so how they are shown.
type Kind uint8

// The kinds. A nil cell is absent in any column.
const (
	Bytes Kind = iota // []byte or string: a key or value, any bytes
	Text              // []byte or string: words of kvsh, not of the user
	Int               // int, int64 or uint64
	Size              // the same, in bytes: "1.2 KiB" for people
	Time              // time.Time, the zero time is absent: RFC 3339 for programs
	Age               // time.Time: "3m" for people, as Time for programs
	TTL               // time.Duration: "3m" for people, seconds for programs
	Bool              // bool
)

// right reports whether people want the column flush right.
func (k Kind) right() bool { return k == Int || k == Size || k == Age || k == TTL }

// A Column is a column of Rows. Programs see Name as it is. A cell of a Bytes
// or Text column that is no text stands in a column of that name with "_b64"
// after it in JSON and CSV.
type Column struct {
	Name string
	Kind Kind
}

// Options say how to print. The zero Options print for a pipe.
type Options struct {
	Mode     Mode
	Terminal bool // stdout is a terminal
	Width    int  // columns of the terminal; 0: unknown, taken as 80
	Color    bool // colour may be used
	Newline  bool // a single raw value ends in a newline
	NUL      bool // in Auto and Raw: as the mode NUL
	// Now is the moment ages are counted from, and its location is the one
	// that times are shown to people in. Zero: the present, local time.
	Now time.Time
}

// resolve returns the mode that Auto stands for with that many columns.
func (o Options) resolve(columns int) Mode {
	switch {
	case o.NUL && (o.Mode == Auto || o.Mode == Raw):
		return NUL
	case o.Mode != Auto:
		return o.Mode
	case o.Terminal:
		return Pretty
	case columns == 1:
		return Raw
	}
	return TSV
}

func (o Options) now() time.Time {
	if o.Now.IsZero() {
		return time.Now()
	}
	return o.Now
}

func (o Options) width() int {
	if o.Width <= 0 {
		return 80
	}
	return o.Width
}
