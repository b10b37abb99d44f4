package format

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrNUL is returned where items end in NUL for an item that holds one. It
	// is a fault of the data, not of the caller or the disk.
	ErrNUL = errors.New("holds a NUL byte, which would end it early")

	// ErrMode is returned where a mode cannot show what it was given: an
	// unknown name of a mode, or mode kvsh without values.
	ErrMode = errors.New("mode does not fit")

	// ErrEnvName is returned in mode env for a key that is no name of a
	// variable of sh. Like ErrNUL it is a fault of the data.
	ErrEnvName = errors.New("not a name of a shell variable")
)

// Mode is the shape of output.
type Mode uint8

// The modes. Their names, as ParseMode takes them, are these in lower case.
const (
	Auto   Mode = iota // on a terminal Pretty; else Raw for one column, TSV for more
	Raw                // bytes as they are; in rows an LF after each, tabs between cells
	Pretty             // for people: aligned, quoted where needed, shortened to the width
	Quoted             // literals as Quote makes them, a row a line, split by tabs
	Table              // for people: a box
	JSONL              // one JSON object a line
	JSON               // one JSON array of objects
	CSV                // RFC 4180 with a header
	TSV                // tab-separated, escaped
	NUL                // each item ends in NUL
	Hex                // hex dump of a value, hex pairs in rows
	Kvsh               // lines of kvsh that set the keys again
	Env                // assignments for sh
)

// modeNames are the names of the modes, in their order.
const modeNames = "auto raw pretty quoted table jsonl json csv tsv nul hex kvsh env"

// ModeNames returns the names that ParseMode takes, in the order of the modes.
func ModeNames() []string { return strings.Fields(modeNames) }

// ParseMode returns the mode of a name. The error is ErrMode and lists the
// names.
func ParseMode(name string) (Mode, error) {
	for i, n := range ModeNames() {
		if n == name {
			return Mode(i), nil
		}
	}
	return Auto, fmt.Errorf("%w: %s is none of %s", ErrMode, Quote([]byte(name)), modeNames)
}

func (m Mode) String() string {
	if names := ModeNames(); int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// Kind says what a column holds and so how a mode shows it.
type Kind uint8

// The kinds. A cell of any kind may also be nil, which means absent.
const (
	Bytes Kind = iota // []byte or string: a key or value, any bytes
	Text              // []byte or string: words of the program's own
	Int               // int, int64 or uint64
	Size              // int, int64 or uint64: bytes; "1.2 KiB" for people
	Time              // time.Time; absent if zero
	Age               // time.Time; for people how long ago that was; absent if zero
	TTL               // time.Duration; for people "2h 5m", for programs seconds
	Bool              // bool
)

// A Column is a column of rows.
type Column struct {
	Name string // as in a header or JSON object: lower case, unique in its rows
	Kind Kind

	// Whole keeps its cells from being shortened: names that people copy.
	Whole bool
}

// Options says how to write. The zero Options are those of a pipe.
type Options struct {
	Mode     Mode
	Terminal bool      // the output is a terminal: decides what Auto is, and no control byte goes there
	Width    int       // columns of the terminal; 0: unknown, so nothing is shortened
	Color    bool      // Pretty may use colour
	Header   bool      // begin TSV with a header, as it does on a terminal anyway
	Newline  bool      // end a Raw value with a line feed
	NUL      bool      // where the mode is Auto or Raw: mode NUL instead
	Now      time.Time // that ages count from; zero: the clock
	Cut      func()    // if not nil: called behind rows of which some were shortened
}

// resolve returns the mode that rows of n columns are written in.
func (o Options) resolve(n int) Mode {
	switch {
	case o.NUL && (o.Mode == Auto || o.Mode == Raw):
		return NUL
	case o.Mode != Auto:
		return o.Mode
	case o.Terminal:
		return Pretty
	case n > 1:
		return TSV
	}
	return Raw
}
