package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// The conditions that callers test for with errors.Is.
var (
	// ErrNotFound is returned by Get when the key has no live value.
	ErrNotFound = errors.New("key not found")

	// ErrConflict is returned by OpenTx.Commit when something the transaction
	// had read was changed meanwhile. Nothing was written.
	ErrConflict = errors.New("changed by another transaction meanwhile")

	// ErrUnsupported is returned for what the store declares it cannot do.
	ErrUnsupported = errors.New("not supported by this store")

	// ErrReadOnly is returned by every write to a store opened for reading.
	ErrReadOnly = errors.New("read-only")

	// ErrTooLarge is returned for a key, value or transaction over its limit.
	ErrTooLarge = errors.New("too large")

	// ErrInvalid is returned for an argument outside its range, such as an
	// empty key or a bad name of a column family.
	ErrInvalid = errors.New("invalid")

	// ErrUnavailable is returned when the store cannot be reached or used now,
	// and nothing was written.
	ErrUnavailable = errors.New("unavailable")

	// ErrUnknownOutcome is returned by a write of which it is not known
	// whether it is there.
	ErrUnknownOutcome = errors.New("outcome unknown")

	// ErrHistoryGone is returned for a revision older than what is kept.
	ErrHistoryGone = errors.New("history is gone")

	// ErrYounger is the ErrHistoryGone of a moment before revision 1: nothing
	// was thrown away, there was nothing.
	ErrYounger error = youngerError{}

	// ErrNotYet is returned for a revision that has not been committed so far.
	ErrNotYet = errors.New("no such revision yet")

	// ErrDamaged is what every *CorruptError is.
	ErrDamaged = errors.New("damaged")

	// ErrBusy is what every *BusyError is.
	ErrBusy = errors.New("busy")

	// ErrExists is returned where something must not be there yet: a target
	// that would be overwritten, a key in a load with Fail.
	ErrExists = errors.New("already exists")

	// ErrChanged is what every *ChangedError is.
	ErrChanged = errors.New("changed since")

	// ErrNoDatabase is returned by Open when there is no database at the path.
	// It is also fs.ErrNotExist.
	ErrNoDatabase = fmt.Errorf("no database there: %w", fs.ErrNotExist)

	// ErrNewer is returned for files of a later version of the format than
	// this program knows.
	ErrNewer = errors.New("written by a newer kvsh")

	// ErrClosed is returned by calls on a closed store or ended transaction.
	ErrClosed = errors.New("closed")
)

// A CorruptError says where a file stops being readable.
type CorruptError struct {
	File   string // path below the database, for example "log/00000000000000000001"
	Offset int64  // byte offset of the first bad place
	Rev    Rev    // the revision expected there; 0 where none is known
	Reason string // what is wrong there, for example "checksum mismatch"
}

func (e *CorruptError) Error() string {
	if e.Rev == 0 {
		return fmt.Sprintf("%s: damaged at byte %d: %s", e.File, e.Offset, e.Reason)
	}
	return fmt.Sprintf("%s: damaged at byte %d (rev %d): %s", e.File, e.Offset, e.Rev, e.Reason)
}

// Is makes every CorruptError an ErrDamaged.
func (e *CorruptError) Is(target error) bool { return target == ErrDamaged }

// A BusyError says who held the lock when waiting for it ended.
type BusyError struct {
	Pid     int       // process that holds it; 0 if it is not known
	Command string    // what that process was called as
	Since   time.Time // when it took the lock; zero if it is not known
}

func (e *BusyError) Error() string {
	if e.Pid == 0 {
		return "locked by another process"
	}
	return fmt.Sprintf("locked by process %d (%s) for %s", e.Pid, e.Command, time.Since(e.Since).Round(time.Millisecond))
}

// Is makes every BusyError an ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// Class sorts errors by what a caller can do about them. Every error of a
// Store falls into one; programs map it to messages and exit codes once.
type Class uint8

// The classes.
const (
	ClassOther       Class = iota // an I/O error or an error of the caller's own function
	ClassNotFound                 // the key, or the database, is not there
	ClassConflict                 // try again on the new state
	ClassUnsupported              // this store cannot
	ClassRefused                  // read-only, or it would overwrite something
	ClassTooLarge                 // over a limit
	ClassInvalid                  // a bad argument
	ClassUnavailable              // try again later; nothing was written
	ClassUnknown                  // a write of unknown outcome
	ClassHistoryGone              // older than what is kept
	ClassDamaged                  // the files are not what was written
	ClassBusy                     // the lock was not had in time
	ClassCancelled                // the context ended
)

// ClassOf returns the class of an error. An unknown outcome comes first: an
// error may say both that and why.
func ClassOf(err error) Class {
	for _, c := range []struct {
		err   error
		class Class
	}{
		{ErrUnknownOutcome, ClassUnknown},
		{ErrDamaged, ClassDamaged},
		{ErrBusy, ClassBusy},
		{ErrConflict, ClassConflict},
		{ErrNotFound, ClassNotFound},
		{ErrUnsupported, ClassUnsupported},
		{ErrReadOnly, ClassRefused},
		{ErrExists, ClassRefused},
		{ErrChanged, ClassRefused},
		{ErrTooLarge, ClassTooLarge},
		{ErrInvalid, ClassInvalid},
		{ErrNotYet, ClassHistoryGone},
		{ErrHistoryGone, ClassHistoryGone},
		{ErrUnavailable, ClassUnavailable},
		{context.Canceled, ClassCancelled},
		{context.DeadlineExceeded, ClassCancelled},
	} {
		if errors.Is(err, c.err) {
			return c.class
		}
	}
	return ClassOther
}

// youngerError is the type of ErrYounger.
type youngerError struct{}

func (youngerError) Error() string { return "the database is younger" }

// Is makes it an ErrHistoryGone.
func (youngerError) Is(target error) bool { return target == ErrHistoryGone }

// checkKey refuses a key that no store takes.
func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("empty key: %w", ErrInvalid)
	}
	if len(key) > MaxKeySize {
		return fmt.Errorf("key of %d bytes, the limit is %d: %w", len(key), MaxKeySize, ErrTooLarge)
	}
	return nil
}

// checkValue refuses a value that no store takes.
func checkValue(value []byte) error {
	if len(value) > MaxValueSize {
		return fmt.Errorf("value of %d bytes, the limit is %d: %w", len(value), MaxValueSize, ErrTooLarge)
	}
	return nil
}

// checkFamily refuses a name that is not 0 to 64 of the characters A-Z a-z 0-9
// _ - and dot.
func checkFamily(name string) error {
	if len(name) > MaxFamilySize {
		return fmt.Errorf("column family name of %d bytes, the limit is %d: %w", len(name), MaxFamilySize, ErrTooLarge)
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return fmt.Errorf("column family %q: a name has letters, digits, _ - and . only: %w", name, ErrInvalid)
		}
	}
	return nil
}
