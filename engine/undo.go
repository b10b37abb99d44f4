package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// UndoOptions say which changes Undo takes back: those of the newest revision,
// or what exactly one of Last, Rev, To or Key chooses.
type UndoOptions struct {
	Last int  // those of the last so many revisions
	Rev  Rev  // those of this revision alone
	To   *Rev // everything behind this revision; 0: behind the empty state

	// The last change of this key. Family is of Key alone: the others take
	// back what was written in all families.
	Family, Key string

	// Force takes back also what was changed by later revisions.
	Force bool

	// DryRun finds out what would be written, and writes nothing.
	DryRun bool

	// Each, if not nil, is told of each key that would be written, in order,
	// before anything is. It may be told of all of them again, from the first,
	// when others commit meanwhile. Old is what is there, New what takes its
	// place. It must not call the store.
	Each func(family string, d Difference)
}

// An UndoResult says what Undo did, or would do.
type UndoResult struct {
	Result
	After Rev   // the changes behind this revision,
	UpTo  Rev   // and up to this one, were taken back
	Keys  int64 // that were written; 0: all was as before already, and nothing was committed
}

// A ChangedError lists keys that Undo would take from later revisions.
type ChangedError struct {
	Keys  []ChangedKey // the first of them, in order
	Total int64        // how many there are
}

// A ChangedKey is a key that was changed by a revision later than the one that
// is to be undone.
type ChangedKey struct {
	Family, Key string
	Rev         Rev // of its newest version
}

// maxChanged is how many keys a ChangedError lists.
const maxChanged = 100

func (e *ChangedError) Error() string {
	var names []string
	for _, k := range e.Keys[:min(len(e.Keys), 3)] {
		name := fmt.Sprintf("%q", k.Key)
		if k.Family != "" {
			name += " of " + k.Family
		}
		names = append(names, fmt.Sprintf("%s (by revision %d)", name, k.Rev))
	}
	if more := e.Total - int64(len(names)); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ") + ": " + ErrChanged.Error()
}

// Is makes every ChangedError an ErrChanged.
func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// Up to so many keys and bytes Undo writes by Update, which waits for nobody
// else. More goes by Load, in bounded memory.
const (
	undoKeys  = 10_000
	undoBytes = 8 << 20
)

// undoTries is how often a large undo begins anew when others commit
// meanwhile, before it gives up with ErrConflict.
const undoTries = 20

// Undo writes the values back that keys had before some revisions, as one new
// transaction of any size: whole or not at all. A value that has expired since
// stays deleted. So undoing the last revision twice restores what was there.
//
// A key that was changed by a revision later than those chosen, and would get
// another value, makes it return a *ChangedError and write nothing, unless
// Force is set. It returns ErrHistoryGone where the values from before are no
// longer kept, ErrNotYet for a revision that is not there, ErrNotFound for a
// Key that was never written, and ErrUnsupported if the store cannot read the
// past of a transaction.
func Undo(ctx context.Context, store Store, o UndoOptions) (UndoResult, error) {
	u := undo{o: o, mostKeys: undoKeys}
	return u.run(ctx, store)
}

func (u *undo) run(ctx context.Context, store Store) (UndoResult, error) {
	if u.o.DryRun {
		err := store.View(ctx, Newest, func(tx Tx) error { return u.each(ctx, tx, func(Item) error { return nil }) })
		u.res.Outcome = NotCommitted
		return u.res, err
	}
	res, err := store.Update(ctx, func(tx Tx) error {
		bytes := int64(0)
		return u.each(ctx, tx, func(it Item) error {
			bytes += int64(len(it.Key) + len(it.Value))
			if u.res.Keys > u.mostKeys || bytes > undoBytes {
				return errManyKeys
			}
			return it.write(ctx, tx)
		})
	})
	if errors.Is(err, errManyKeys) {
		return u.load(ctx, store)
	}
	u.res.Result = res
	return u.res, err
}

// errManyKeys says that an undo is too large for Update.
var errManyKeys = errors.New("more than one transaction takes in memory")

// A loaderIf loads items if the newest revision still is what it was when they
// were found, and else returns ErrConflict.
type loaderIf interface {
	loadIf(ctx context.Context, items iter.Seq2[Item, error], newest Rev) (LoadResult, error)
}

// load writes any number of keys.
func (u *undo) load(ctx context.Context, store Store) (UndoResult, error) {
	loader, ok := store.(loaderIf)
	if !ok {
		return u.res, fmt.Errorf("undo of so many keys: %w", ErrUnsupported)
	}
	var err error
	for range undoTries {
		var res LoadResult
		err = store.View(ctx, Newest, func(tx Tx) (err error) {
			res, err = loader.loadIf(ctx, u.items(ctx, tx), tx.Rev())
			return err
		})
		u.res.Result = res.Result
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return u.res, err
}

// items yields what is to be written.
func (u *undo) items(ctx context.Context, tx Tx) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := u.each(ctx, tx, func(it Item) error {
			if !yield(it, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(Item{}, err)
		}
	}
}

func (it *Item) write(ctx context.Context, tx Tx) error {
	tx = tx.In(it.Family)
	switch {
	case it.Delete:
		return tx.Delete(ctx, string(it.Key))
	case it.Expires.IsZero():
		return tx.Set(ctx, string(it.Key), it.Value)
	}
	return tx.SetExpiring(ctx, string(it.Key), it.Value, it.Expires)
}

// undo is one undo under way.
type undo struct {
	o        UndoOptions
	mostKeys int64 // that go by Update
	res      UndoResult
	changed  ChangedError
}

// each calls write with what is to be written to the state that tx reads.
// Unless Force is set the keys that were changed since are all found before
// each returns their error.
func (u *undo) each(ctx context.Context, tx Tx, write func(Item) error) error {
	p, _, _, ok := pastOf(tx)
	if !ok {
		return fmt.Errorf("undo: %w", ErrUnsupported)
	}
	u.res, u.changed = UndoResult{}, ChangedError{}
	var o iterOptions
	if err := u.choose(p, &o); err != nil {
		return err
	}
	w := window{after: u.res.After, upTo: u.res.UpTo}
	ctx = withStep(ctx, Progress{Doing: "find"})
	step := stepOf(ctx)
	err := p.changedKeys(ctx, &o, w, func(ikey []byte) (bool, error) {
		it, err := u.item(p, ikey)
		if it == nil || err != nil {
			return err == nil, err
		}
		if u.res.Keys++; u.res.Keys%toldEvery == 0 {
			step.add(toldEvery)
		}
		return true, write(*it)
	})
	if err == nil && u.changed.Total > 0 {
		err = &u.changed
	}
	return err
}

// choose finds the revisions to take back, and narrows the range for a Key.
func (u *undo) choose(p pastReader, o *iterOptions) error {
	newest := p.Rev()
	earliest, err := p.earliest()
	if err != nil {
		return err
	}
	u.res.UpTo = newest
	switch {
	case u.o.Key != "":
		return u.chooseKey(p, o, earliest)
	case u.o.To != nil:
		u.res.After = *u.o.To
	case u.o.Rev != 0:
		u.res.After, u.res.UpTo = u.o.Rev-1, u.o.Rev
	case u.o.Last < 0 || Rev(u.o.Last) > newest:
		return fmt.Errorf("the last %d revisions of %d: %w", u.o.Last, newest, ErrNotYet)
	default:
		u.res.After = newest - max(Rev(u.o.Last), min(newest, 1))
	}
	if last := max(u.res.After, u.res.UpTo); last > newest {
		return fmt.Errorf("revision %d, the newest is %d: %w", last, newest, ErrNotYet)
	}
	return nil
}

func (u *undo) chooseKey(p pastReader, o *iterOptions, earliest Rev) error {
	if err := errors.Join(checkFamily(u.o.Family), checkKey(u.o.Key)); err != nil {
		return err
	}
	o.lo = appendIKey(nil, u.o.Family, u.o.Key)
	o.hi = append(o.lo[:len(o.lo):len(o.lo)], 0)
	v, ok, err := p.lookupAt(o.lo, p.Rev())
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("key %q: %w", u.o.Key, ErrNotFound)
	case v.rev <= earliest:
		return fmt.Errorf("key %q before revision %d: %w", u.o.Key, v.rev, ErrHistoryGone)
	}
	u.res.After, u.res.UpTo = v.rev-1, v.rev
	return nil
}

// item is what a key that was changed needs, or nil.
func (u *undo) item(p pastReader, ikey []byte) (*Item, error) {
	now := p.Now()
	before, err := lookupClone(p, ikey, u.res.After)
	if err != nil {
		return nil, err
	}
	newest, err := lookupClone(p, ikey, p.Rev())
	if err != nil || before.sameAs(newest, now) {
		return nil, err
	}
	if newest.rev > u.res.UpTo {
		then, err := lookupClone(p, ikey, u.res.UpTo)
		if err != nil || before.sameAs(then, now) {
			return nil, err // what these revisions did to it is not to be seen
		}
		if !u.o.Force {
			u.conflict(ikey, newest.rev)
			return nil, nil
		}
	}
	family, key := splitIKey(bytes.Clone(ikey))
	it := &Item{Family: string(family), Key: key, Delete: !before.isLive(now)}
	if !it.Delete {
		it.Value = before.value
		if before.expires != 0 {
			it.Expires = time.UnixMilli(before.expires)
		}
	}
	if u.o.Each != nil {
		u.o.Each(it.Family, Difference{Key: string(key), Old: newest.entry(string(key), now), New: before.entry(string(key), now)})
	}
	return it, nil
}

func (u *undo) conflict(ikey []byte, rev Rev) {
	u.changed.Total++
	if len(u.changed.Keys) < maxChanged {
		family, key := splitIKey(ikey)
		u.changed.Keys = append(u.changed.Keys, ChangedKey{string(family), string(key), rev})
	}
}

// A pastVersion is what a key had at some revision: a delete if it had nothing.
type pastVersion struct{ version }

// lookupClone looks a key up, and keeps what it finds.
func lookupClone(p pastReader, ikey []byte, at Rev) (pastVersion, error) {
	v, ok, err := p.lookupAt(ikey, at)
	if err != nil || !ok {
		return pastVersion{version{deleted: true}}, err
	}
	return pastVersion{copyVersion(v)}, nil
}

// isLive reports whether there is a value at a moment.
func (v *pastVersion) isLive(now time.Time) bool {
	return !v.deleted && !v.expired(now.UnixMilli())
}

// sameAs reports whether both read alike at a moment.
func (v *pastVersion) sameAs(w pastVersion, now time.Time) bool {
	if live := v.isLive(now); !live || !w.isLive(now) {
		return live == w.isLive(now)
	}
	return v.rev == w.rev || v.expires == w.expires && bytes.Equal(v.value, w.value)
}

// entry is the version as an entry, or nil.
func (v *pastVersion) entry(key string, now time.Time) *Entry {
	if !v.isLive(now) {
		return nil
	}
	e := entryOf(key, &v.version, false)
	return &e
}
