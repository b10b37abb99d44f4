package engine

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Limits on what one database takes. Each is checked before anything is
// written, and passing one is an error of class TooLarge (or Invalid for the
// empty key).
const (
	MaxKeySize    = 65535    // bytes in a key; the least is 1
	MaxValueSize  = 32 << 20 // bytes in a value; an empty value is a value
	MaxTxSize     = 64 << 20 // bytes one transaction takes in the log
	MaxFamilySize = 64       // bytes in the name of a column family
)

// Rev is a revision: the number of a committed transaction, from 1, without
// gaps. A database in which nothing was ever committed is at revision 0.
type Rev uint64

// Newest, given to View, means the newest committed revision.
const Newest Rev = 0

// Stamp is a hybrid logical clock: 48 bits of milliseconds since the Unix
// epoch, then 16 bits of counter. It grows with every commit, also when the
// clock of the machine goes back. (Kulkarni et al., "Logical Physical Clocks",
// 2014.)
type Stamp uint64

// Time is the moment of the stamp, with the precision of a millisecond.
func (s Stamp) Time() time.Time { return time.UnixMilli(int64(s >> 16)) }

// Next is the stamp of a commit made at now after one stamped s. It is greater
// than s, whatever the clock says.
func (s Stamp) Next(now time.Time) Stamp {
	ms := now.UnixMilli()
	if ms < 0 || ms >= 1<<48 {
		ms = 0
	}
	if t := Stamp(ms) << 16; t > s {
		return t
	}
	return s + 1
}

// An Entry is one key with the value it has at some revision.
type Entry struct {
	Key     string    // the caller's unless it was lent, see Range.Lend
	Value   []byte    // likewise; nil where only keys were asked for
	Size    int       // length of the value in bytes, known without the value
	Rev     Rev       // the transaction that wrote it
	Stamp   Stamp     // when that was
	Expires time.Time // zero: never
}

// A Range selects keys of one column family. The zero Range selects all.
type Range struct {
	From     string // first key, inclusive; empty: from the first
	To       string // end, exclusive; empty: to the last
	Prefix   string // only keys that begin so
	Reverse  bool   // from the greatest key down
	Limit    int    // at most so many entries; 0: no limit
	KeysOnly bool   // leave Entry.Value nil, and do not read values

	// Lend leaves keys and values where they lie: Entry.Key and Entry.Value
	// then are not the caller's, must not be changed, and are valid until the
	// transaction ends. The memory behind them may be gone from then on, that of
	// a key like that of a value: reading either can end the process. A key that
	// is kept longer is copied, by strings.Clone. Whoever only looks at entries
	// spares their copies. A store that must copy them in any case need not heed
	// it.
	Lend bool

	// Match, if not nil, says of each key in the range whether to yield it.
	// It is called on bytes it must neither keep nor change, from several
	// goroutines at once where that is faster.
	Match func(key []byte) bool
}

// A Tx is a transaction: one consistent state at one revision, and, in Update
// and Begin, the writes made on top of it, which its own reads see.
// A Tx is used by one goroutine at a time and not after its function returned.
//
// All methods take keys of one column family, the default one unless In
// changed it. Writes are kept in memory until the commit; a write in a View
// returns ErrReadOnly.
type Tx interface {
	// Rev is the revision the transaction reads at.
	Rev() Rev

	// Now is the time against which expiry is judged in this transaction.
	Now() time.Time

	// In returns the same transaction in another column family; "" is the
	// default one. A family exists as long as it holds a key. Names that begin
	// with a dot are the database's own.
	In(family string) Tx

	// Families lists the families that hold a key, sorted, without the
	// default one.
	Families(ctx context.Context) ([]string, error)

	// Get returns the entry of a key, or ErrNotFound. An expired key is not
	// found.
	Get(ctx context.Context, key string) (Entry, error)

	// Scan yields the entries of the range in the order of the bytes of their
	// keys. It yields at most one error, as the last pair.
	Scan(ctx context.Context, r Range) iter.Seq2[Entry, error]

	// Count is the number of entries Scan would yield.
	Count(ctx context.Context, r Range) (int64, error)

	// Set writes a key and clears its expiry. The value is copied.
	Set(ctx context.Context, key string, value []byte) error

	// SetExpiring writes a key that is gone from the moment at, which is kept
	// in milliseconds. A moment in the past deletes the key when it commits.
	SetExpiring(ctx context.Context, key string, value []byte, at time.Time) error

	// Delete removes a key. Deleting a key that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// An OpenTx is a transaction that stays open between calls, for begin …
// commit at a prompt. It is optimistic: nothing is locked, what it read is
// remembered, and Commit checks that all of it would be read the same again.
type OpenTx interface {
	Tx

	// Writes is the number of keys that Commit would write.
	Writes() int

	// Commit writes. If something read has changed meanwhile it writes
	// nothing and returns an error that is ErrConflict. Ends the transaction.
	Commit(ctx context.Context) (Result, error)

	// Rollback ends the transaction without writing. It may be called after
	// Commit, and then does nothing.
	Rollback()
}

// Outcome says what became of a write. There are three answers, not two.
type Outcome uint8

// The outcomes. The zero Outcome is the one that promises least.
const (
	OutcomeUnknown Outcome = iota // it may or may not be there; look before trying again
	NotCommitted                  // it is not there and never will be
	Committed                     // it is there, as durable as the sync setting says
)

func (o Outcome) String() string {
	switch o {
	case Committed:
		return "committed"
	case NotCommitted:
		return "not committed"
	}
	return "outcome unknown"
}

// A Result is what a write came to. It stands beside an error that is nil
// exactly when Outcome is Committed, so a write that is not known to be there
// cannot pass for one that is.
type Result struct {
	Outcome Outcome
	Rev     Rev   // of the commit; of the state read, if nothing was written
	Stamp   Stamp // of the commit
}

// An Item is one record of a bulk load. Its bytes need to hold only until the
// iterator that yielded it goes on.
type Item struct {
	Family  string
	Key     []byte
	Value   []byte
	Expires time.Time // zero: never
	Delete  bool      // delete the key instead
}

// OnConflict says what Load does with a key that is there already.
type OnConflict uint8

// What Load does with a key that is there: replace it, keep it, or refuse the
// whole load with ErrExists.
const (
	Replace OnConflict = iota
	Keep
	Fail
)

// LoadResult counts the keys of a load, each key once, against the state the
// load was committed on. A key that appears twice counts with its last item.
type LoadResult struct {
	Result
	Added   int64 // was not there
	Changed int64 // was there with another value or expiry
	Same    int64 // was there just so; not written again
	Kept    int64 // was there, and OnConflict was Keep
	Deleted int64 // was there, and the item deleted it
}

// Op is what an operation does to a key.
type Op uint8

// The operations as they stand in the log. The numbers are part of the record
// format and are never used again for something else.
const (
	OpSet         Op = 1
	OpDelete      Op = 2
	OpSetExpiring Op = 3
	OpIngest      Op = 4 // makes a table part of the database
)

func (o Op) String() string {
	switch o {
	case OpSet, OpSetExpiring:
		return "set"
	case OpDelete:
		return "del"
	case OpIngest:
		return "ingest"
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// An Event is one key changed by a transaction.
type Event struct {
	Op      Op // OpSet, OpSetExpiring or OpDelete
	Family  string
	Key     string
	Value   []byte    // owned by the caller; nil for a delete
	Expires time.Time // zero unless OpSetExpiring
}

// A Change is one committed transaction.
type Change struct {
	Rev    Rev
	Stamp  Stamp
	Writer string
	// Events yields the keys it changed, in order. It may be called once, and
	// only until the iterator that yielded the Change goes on.
	Events iter.Seq2[Event, error]
}

// Capabilities is the set of things a store can do. Help and completion offer
// only these; the others return ErrUnsupported.
type Capabilities uint32

// The capabilities.
const (
	CanWrite    Capabilities = 1 << iota // Update, Begin, Load
	CanReadPast                          // View at an earlier revision
	CanWatch                             // Watch
	CanFamilies                          // column families other than the default
	CanExpire                            // SetExpiring
	CanPersist                           // what was committed outlives the process
)

// Has reports whether all of want are there.
func (c Capabilities) Has(want Capabilities) bool { return c&want == want }

// A Store is a key-value store with transactions. *DB is the one in a
// directory, Mem the one in memory; others implement it over a network.
// enginetest.Run is the definition of its behaviour. All methods may be called
// from many goroutines. An error of any method has a Class.
type Store interface {
	Capabilities() Capabilities

	// View runs fn on the state at a revision, or on the newest. An earlier
	// revision, and the newest if it is named by its number, reads as it was
	// when it was committed: expiry is judged at its stamp. At Newest it is
	// judged by the clock. It returns ErrHistoryGone if the state of that
	// revision is no longer kept and ErrNotYet if there is no such revision so
	// far.
	View(ctx context.Context, at Rev, fn func(Tx) error) error

	// Update runs fn and commits what it wrote as one transaction, whole or
	// not at all. An error of fn commits nothing and is returned as it is. fn
	// must have no effect but through the transaction: a store may run it
	// again after a conflict. A fn that writes nothing commits nothing and
	// returns Committed with the revision it read.
	Update(ctx context.Context, fn func(Tx) error) (Result, error)

	// Begin starts a transaction on the newest state.
	Begin(ctx context.Context) (OpenTx, error)

	// Load writes any number of items as one transaction, in bounded memory.
	// An error of the items commits nothing and is returned as it is.
	Load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict) (LoadResult, error)

	// Watch yields each transaction from revision from on (0: the next one to
	// come), without a gap or a repeat, and waits for more until the context
	// is done. It yields at most one error, as the last pair; the end of the
	// context is such an error.
	Watch(ctx context.Context, from Rev) iter.Seq2[Change, error]

	// Close releases the store. Calls under way end first.
	Close() error
}
