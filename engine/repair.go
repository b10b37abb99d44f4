package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Repair makes a damaged database one that opens, without destroying anything:
// every file it changes is copied to quarantine/ first, every byte it takes out
// lies there too, and what had been acknowledged is given up only by an
// explicit word. It keeps what there is:
//
//   - a record that is whole stays, wherever it stands; a revision of which no
//     record is left gets a void, so that all others keep their revisions;
//   - a table is written anew from its good blocks and from the records of the
//     log, which is without loss while those reach back far enough;
//   - FORMAT, MANIFEST and MARK are mended, or made anew from the others.
//
// PlanRepair makes that very repair on an overlay and says what came of it.
//
// A crash at any moment leaves a database that is as it was or mended further:
// each file is replaced whole, by rename, in an order in which what is referred
// to is there first. So Repair may be run again, and then has less to do.

// The kinds of actions.
const (
	ActCut     = "cut"     // bytes that are no record of the log go to quarantine/
	ActVoid    = "void"    // a lost record is given a void, so that its revision is not used again
	ActRebuild = "rebuild" // a table is written anew
	ActDrop    = "drop"    // a table of which nothing can be read is left out
	ActRewrite = "rewrite" // a file is written anew
	ActRemove  = "remove"  // a file that is none of the database goes to quarantine/
)

// An Action is one step of a repair.
type Action struct {
	What     string `json:"what"` // one of the constants Act…
	File     string `json:"file"` // path below the database
	Offset   int64  `json:"offset"`
	Bytes    int64  `json:"bytes"`               // concerned, from Offset on
	First    Rev    `json:"first_rev,omitempty"` // concerned; 0: none or not known
	Last     Rev    `json:"last_rev,omitempty"`
	Lossless bool   `json:"lossless"` // no data are lost with it
	Note     string `json:"note"`
}

// A LostKey is a key that a repair changes, or may change.
type LostKey struct {
	Family       string
	Key          string
	Op           string // what the lost record did: "set", "del"; empty: not known
	Rev          Rev    // of the lost version; 0: not known
	Acknowledged string // yes, no, unknown

	// Proven is false where the key was made out of damaged bytes, or lies in
	// a span of which it is not known which keys it held.
	Proven bool

	// What the key has after the repair: Value, unless Falls says otherwise.
	Falls   string // FallsValue, FallsDeleted, FallsAbsent, FallsUnknown
	Value   []byte
	FromRev Rev // the revision that wrote that; above Rev if it was written again later, so that nothing is lost
}

// What a key falls back to.
const (
	FallsValue   = "value"
	FallsDeleted = "deleted"
	FallsAbsent  = "absent"  // it is as if it had never been
	FallsUnknown = "unknown" // it cannot be read even after the repair
)

// A LostSpan is a span of keys of which versions are lost that have no name any
// more. Those keys that are left in it are among Plan.Lost.
type LostSpan struct {
	File       string // the table
	Offset     int64  // of the bad bytes in it
	FromFamily string
	From       string // not before this key
	ToFamily   string
	To         string // not behind this key
	Entries    int64  // versions that stood there; -1: not known
}

// A Plan is what a repair will do. It changes nothing by itself.
type Plan struct {
	Path    string
	Verdict Verdict // of the database as it is
	Actions []Action
	Lost    []LostKey
	Spans   []LostSpan

	// LossN is what has to be given up, as transactions of the log that were
	// or may have been acknowledged and can not be read, and versions of keys
	// in tables. 0: everything acknowledged is kept.
	LossN int64

	// Complete says that Lost names every key concerned for certain: no lost
	// record was unreadable, and no span of a table is without its keys.
	Complete bool

	Rev  Rev     // the newest revision after the repair
	Left []Fault // what is still damaged then; empty: the check is clean
}

// Nothing reports whether there is nothing to be repaired.
func (p *Plan) Nothing() bool { return len(p.Actions) == 0 && len(p.Left) == 0 }

// A LossError says that a repair would lose acknowledged data, and how much.
type LossError struct {
	Plan     *Plan
	Accepted int64 // what the caller would have lost
}

func (e *LossError) Error() string {
	return fmt.Sprintf("%d acknowledged transactions or versions would be lost, accepted were %d", e.Plan.LossN, e.Accepted)
}

// RepairOptions say how far a repair may go. The zero value loses nothing.
type RepairOptions struct {
	AcceptLoss int64            // Plan.LossN of the plan that was looked at
	Wait       time.Duration    // for the lock, as Options.Wait
	Writer     string           // who repairs, for LOCK
	Notice     func(string)     // told in a line what is done; nil: nobody is
	Now        func() time.Time // nil: time.Now
}

// PlanRepair says what Repair would do to the database at path. It writes
// nothing there and takes no lock; a write under way may show in it. It returns
// ErrNoDatabase, ErrNewer, ErrUnsupported for a snapshot, an error of the file
// system or the end of the context. What cannot be mended is no error but
// stands in Plan.Left. fsys nil is OS.
func PlanRepair(ctx context.Context, fsys FS, path string) (*Plan, error) {
	over := newOverlay(orOS(fsys))
	defer over.close()
	plan, err := mend(ctx, over, path, &RepairOptions{}, true)
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", path, err)
	}
	return plan, nil
}

// Repair mends the database at path under its lock and returns what it did. It
// makes the plan anew first, and returns a *LossError, with nothing changed, if
// that loses something and AcceptLoss is another number. What is left damaged
// afterwards is an error that is ErrDamaged. fsys nil is OS.
func Repair(ctx context.Context, fsys FS, path string, o RepairOptions) (*Plan, error) {
	fsys = orOS(fsys)
	fail := func(err error) (*Plan, error) { return nil, fmt.Errorf("repair %s: %w", path, err) }
	if err := repairable(fsys, path); err != nil {
		return fail(err)
	}
	lock, err := openLock(fsys, path)
	if err != nil {
		return fail(err)
	}
	defer lock.Close()
	wait := Options{Wait: o.Wait}
	if err := acquire(ctx, lock, wait.wait(), o.Writer); err != nil {
		return fail(err)
	}
	// Nobody makes tables meanwhile either.
	if tables, err := fsys.Open(filepath.Join(path, tablesDir)); err == nil {
		defer tables.Close()
		if ok, err := tables.Lock(); err != nil || !ok {
			return fail(errors.Join(ErrBusy, err))
		}
	}
	plan, err := PlanRepair(ctx, fsys, path)
	if err != nil {
		return nil, err
	}
	switch {
	case plan.LossN > 0 && plan.LossN != o.AcceptLoss:
		return plan, &LossError{Plan: plan, Accepted: o.AcceptLoss}
	case len(plan.Actions) == 0:
		return plan, plan.left()
	}
	done, err := mend(ctx, fsys, path, &o, false)
	if err != nil {
		return fail(err)
	}
	return done, done.left()
}

// left is the first fault that a repair does not mend, as an error.
func (p *Plan) left() error {
	if len(p.Left) == 0 {
		return nil
	}
	f := &p.Left[0]
	return fmt.Errorf("repair %s: %w", p.Path, &CorruptError{File: f.File, Offset: f.Offset, Rev: f.Rev, Reason: f.Reason})
}

// repairable refuses what is no database in a directory and never was one.
func repairable(fsys FS, path string) error {
	info, err := fsys.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoDatabase
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("a snapshot is one file and has nothing to be repaired from: %w", ErrUnsupported)
	}
	if err := checkPlain(fsys, path); err != nil {
		return err
	}
	for _, name := range []string{formatFile, manifestFile, markFile} {
		if _, err := fsys.Stat(filepath.Join(path, name)); err == nil {
			return nil
		}
	}
	if lostFormat(fsys, path) {
		return nil
	}
	return ErrNoDatabase
}
