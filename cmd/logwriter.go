package cmd

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

// A logOp is an operation of the log as it is shown.
type logOp struct {
	*engine.OpInfo
	held heldState
	old  []byte // with heldValue
}

// A logWriter writes records of the log in one of the forms they have.
type logWriter interface {
	head(r *engine.RecordInfo) error // a record or bad place begins
	op(r *engine.RecordInfo, o *logOp) error
	wantsOld() bool // whether op shows what was before
	flush() error   // sends out what was written so far
	end() error
}

// logWriter is how the line wants to see records; asHex asks for their bytes.
func (s *Session) logWriter(asHex bool) (logWriter, error) {
	m, err := s.mode()
	if err != nil {
		return nil, err
	}
	people, err := s.forPeople()
	if err != nil {
		return nil, err
	}
	if asHex && (isRecordMode(m) || m == format.NUL) {
		rows, err := s.rows(hexLogColumns...)
		return &hexLogRows{s: s, logRows: logRows{s: s, rows: rows}}, err
	}
	if people || asHex {
		o, err := s.options()
		return &logText{s: s, width: o.Width, hex: asHex}, err
	}
	w := &logRows{s: s, cells: allLogCells}
	columns := allLogColumns
	if m == format.Table {
		columns, w.cells = shortLogColumns, shortLogCells
	}
	w.rows, err = s.rows(columns...)
	return w, err
}

// logRows writes a row for each operation.
type logRows struct {
	s     *Session
	rows  *format.Rows
	cells func(*engine.RecordInfo, *logOp) []any
}

func (w *logRows) head(r *engine.RecordInfo) error {
	if len(r.Ops) > 0 {
		return nil
	}
	return w.op(r, &logOp{OpInfo: &engine.OpInfo{}}) // a bad place of which nothing is known
}

func (w *logRows) op(r *engine.RecordInfo, o *logOp) error { return w.rows.Row(w.cells(r, o)...) }
func (w *logRows) wantsOld() bool                          { return true }
func (w *logRows) end() error                              { return w.rows.Close() }

func (w *logRows) flush() error {
	if err := w.rows.Flush(); err != nil {
		return err
	}
	return w.s.out.Flush()
}

// shortLogColumns are what a person wants to see of an operation in a box:
// what became of a key, and when.
var shortLogColumns = []format.Column{
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time},
	{Name: "op", Kind: format.Text},
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "note", Kind: format.Text},
}

func shortLogCells(r *engine.RecordInfo, o *logOp) []any {
	notes := o.notes()
	if r.Bad != "" {
		notes = append(notes, fmt.Sprintf("damaged at byte %d: %s", r.Offset, r.Bad))
	}
	key, value := o.Key, any(o.Value)
	if o.Op == engine.OpIngest {
		key, value = o.Table, plural(o.TableEntries, "entry")
	} else if o.Op != engine.OpSet && o.Op != engine.OpSetExpiring {
		value = nil
	}
	var note any
	if len(notes) > 0 {
		note = strings.Join(notes, ", ")
	}
	return []any{uint64(r.Rev), stampTime(r.Stamp), opName(o.Op), key, value, note}
}

// notes are what is to be said of an operation beside key and value.
func (o *logOp) notes() (notes []string) {
	if o.Family != "" {
		notes = append(notes, "cf "+o.Family)
	}
	if !o.Expires.IsZero() {
		notes = append(notes, "until "+o.Expires.Local().Format(time.DateTime))
	}
	return notes
}

// allLogColumns are everything that stands in a record, for programs.
var allLogColumns = []format.Column{
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time},
	{Name: "writer", Kind: format.Text},
	{Name: "op", Kind: format.Text},
	{Name: "cf", Kind: format.Text},
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "expires", Kind: format.Time},
	{Name: "file", Kind: format.Text},
	{Name: "offset", Kind: format.Int},
	{Name: "length", Kind: format.Int},
	{Name: "checksum", Kind: format.Text},
	{Name: "bad", Kind: format.Text},
	{Name: "stamp", Kind: format.Int},
	{Name: "origin", Kind: format.Text},
	{Name: "prev", Kind: format.Text},
	{Name: "durable_before", Kind: format.Bool},
	{Name: "table", Kind: format.Text},
	{Name: "table_bytes", Kind: format.Int},
	{Name: "table_entries", Kind: format.Int},
	{Name: "before", Kind: format.Text},
	{Name: "old", Kind: format.Bytes},
}

func allLogCells(r *engine.RecordInfo, o *logOp) []any {
	var key, value, checksum, bad, stamp, origin, prev, durable, table, tableBytes, tableEntries, before, old any
	switch o.Op {
	case 0: // nothing could be made out
	case engine.OpIngest:
		table, tableBytes, tableEntries = o.Table, o.TableSize, o.TableEntries
	case engine.OpDelete:
		key = o.Key
	default:
		key, value = o.Key, o.Value
	}
	if r.Stamp != 0 { // the record is whole
		checksum, prev = fmt.Sprintf("%08x", r.Checksum), fmt.Sprintf("%08x", r.Prev)
		stamp, origin, durable = uint64(r.Stamp), fmt.Sprintf("%016x", r.Origin), r.DurableBefore
	}
	if r.Bad != "" {
		bad = badRecord(r)
	}
	if key != nil {
		before = string(o.held)
	}
	if o.held == heldValue {
		old = o.old
	}
	return []any{
		known(r.Rev), stampTime(r.Stamp), r.Writer, opName(o.Op), o.Family, key, value, o.Expires,
		r.File, r.Offset, r.Length, checksum, bad, stamp, origin, prev, durable, table, tableBytes, tableEntries,
		before, old,
	}
}

// badRecord says what is wrong with a record, with the length it claims.
func badRecord(r *engine.RecordInfo) string {
	if r.Says == 0 || r.Stamp != 0 {
		return r.Bad
	}
	return fmt.Sprintf("%s; its length says %d bytes", r.Bad, r.Says)
}

// stampTime is the moment of a stamp, and absent where no stamp could be read.
func stampTime(stamp engine.Stamp) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return stamp.Time()
}

// opName is an operation as the log commands name it; 0 is a place where none
// could be read.
func opName(op engine.Op) string {
	if op == 0 {
		return "bad"
	}
	return op.String()
}

// hexLogColumns are a record as bytes, for programs.
var hexLogColumns = []format.Column{
	{Name: "rev", Kind: format.Int},
	{Name: "file", Kind: format.Text},
	{Name: "offset", Kind: format.Int},
	{Name: "length", Kind: format.Int},
	{Name: "bad", Kind: format.Text},
	{Name: "hex", Kind: format.Text},
}

// hexLogRows writes a row for each record, with its bytes.
type hexLogRows struct {
	s *Session
	logRows
}

func (w *hexLogRows) head(r *engine.RecordInfo) error {
	b, err := engine.RecordBytes(nil, w.s.path(), r)
	if err != nil {
		return err
	}
	var bad any
	if r.Bad != "" {
		bad = badRecord(r)
	}
	return w.rows.Row(known(r.Rev), r.File, r.Offset, r.Length, bad, hex.EncodeToString(b))
}

func (w *hexLogRows) op(*engine.RecordInfo, *logOp) error { return nil }
func (w *hexLogRows) wantsOld() bool                      { return false }
