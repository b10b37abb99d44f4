package cmd

import (
	"fmt"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

// logText writes records for people: a line for each with where it stands, and
// below it a line for each operation, or its bytes.
type logText struct {
	s     *Session
	width int // columns of the terminal; 0: nothing is shortened
	hex   bool
	any   bool // something was written
}

func (w *logText) wantsOld() bool { return !w.hex }
func (w *logText) end() error     { return nil }
func (w *logText) flush() error   { return w.s.out.Flush() }

func (w *logText) head(r *engine.RecordInfo) error {
	if w.any {
		fmt.Fprintln(w.s.out)
	}
	w.any = true
	place := fmt.Sprintf("%s:%d+%d", r.File, r.Offset, r.Length)
	if r.Stamp != 0 {
		fmt.Fprintf(w.s.out, "rev %d  %s  %s  %s  %08x\n", r.Rev, r.Stamp.Time().Local().Format(time.DateTime),
			format.Safe(r.Writer), place, r.Checksum)
	} else {
		fmt.Fprintf(w.s.out, "rev %d?  %s\n", r.Rev, place)
	}
	if r.Bad != "" {
		fmt.Fprintf(w.s.out, "  bad: %s\n", format.Safe(badRecord(r)))
	}
	if !w.hex {
		return nil // an error of the buffer shows at the next flush
	}
	b, err := engine.RecordBytes(nil, w.s.path(), r)
	if err != nil {
		return err
	}
	return format.HexdumpAt(w.s.out, r.Offset, b)
}

func (w *logText) op(r *engine.RecordInfo, o *logOp) error {
	if w.hex {
		return nil
	}
	mark := "  "
	if r.Bad != "" && r.Stamp == 0 {
		mark = " ?" // made out of damaged bytes
	}
	_, err := fmt.Fprintf(w.s.out, "%s%s\n", mark, w.opText(o))
	return err
}

// nothing stands for a key that is not there. A value that looks so is quoted.
const nothing = "(none)"

// opText is an operation in one line: what, key, old → new, notes.
func (w *logText) opText(o *logOp) string {
	if o.Op == engine.OpIngest {
		return fmt.Sprintf("%-3s  %s  %s, %s", o.Op, o.Table, plural(o.TableEntries, "entry"), format.HumanSize(o.TableSize))
	}
	end := ""
	if notes := o.notes(); len(notes) > 0 {
		end = "  [" + strings.Join(notes, ", ") + "]"
	}
	key := format.Word([]byte(o.Key))
	room := 0 // for a value; 0: as it is
	if w.width > 0 {
		if len(key) > w.width/3 {
			key = format.Short([]byte(o.Key), w.width/3)
		}
		room = max(w.width-2-len("set  ")-len([]rune(key))-2-len([]rune(end)), 32)
	}
	gone := o.Op == engine.OpDelete
	if o.held == heldUnknown {
		if gone {
			return fmt.Sprintf("%-3s  %s%s", o.Op, key, end)
		}
		return fmt.Sprintf("%-3s  %s  → %s%s", o.Op, key, valueText(o.Value, room-2), end)
	}
	before, after := nothing, nothing
	oldRoom, newRoom := (room-3)/2, (room-3)/2
	if o.held == heldNothing || gone {
		oldRoom, newRoom = room-3-len(nothing), room-3-len(nothing)
	}
	if o.held == heldValue {
		before = valueText(o.old, oldRoom)
	}
	if !gone {
		after = valueText(o.Value, newRoom)
	}
	return fmt.Sprintf("%-3s  %s  %s → %s%s", o.Op, key, before, after, end)
}

// valueText is a value in at most room columns; below 1 there is no limit.
func valueText(value []byte, room int) string {
	if string(value) == nothing {
		return format.Quote(value)
	}
	return format.Short(value, max(room, 0))
}
