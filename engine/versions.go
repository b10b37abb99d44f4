package engine

import (
	"context"
	"iter"
	"time"
)

// A Version is what one transaction made of a key.
type Version struct {
	Rev     Rev
	Stamp   Stamp
	Op      Op        // OpSet, OpSetExpiring or OpDelete
	Value   []byte    // owned by the caller; nil for a delete
	Expires time.Time // zero unless OpSetExpiring
}

// Versions implements Historian. Of what lies before the beginning of history
// it yields the one version that is needed there, and that only where it is a
// value: how much more the files still hold depends on how they were merged.
func (db *DB) Versions(ctx context.Context, family, key string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		stopped := false
		err := db.viewCore(ctx, func(core *txCore) error {
			if err := checkFamily(family); err != nil {
				return err
			}
			if err := checkKey(key); err != nil {
				return err
			}
			return core.versions(ctx, appendIKey(nil, family, key), func(v *version) bool {
				stopped = !yield(publicVersion(v), nil)
				return !stopped
			})
		})
		if err != nil && !stopped {
			yield(Version{}, err)
		}
	}
}

// versions calls f with the versions of a key that count, the newest first,
// until f returns false.
func (c *txCore) versions(ctx context.Context, ikey []byte, f func(*version) bool) error {
	o := iterOptions{lo: ikey, hi: append(ikey[:len(ikey):len(ikey)], 0)}
	below := c.rev + 1 // versions from there on were yielded
	for range 5 {
		err := c.versionsOnce(ctx, &o, &below, f)
		if err != errVanished {
			return err
		}
		if err := c.again(err); err != nil {
			return err
		}
	}
	return errUnsettled
}

// versionsOnce goes on below a revision, and lowers it.
func (c *txCore) versionsOnce(ctx context.Context, o *iterOptions, below *Rev, f func(*version) bool) error {
	sources, err := c.base.sources(o, c.rev)
	if err != nil {
		return err
	}
	src := newMergeSource(sources, false)
	defer src.close()
	first := c.base.man.firstReadable()
	for src.next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := src.cur()
		if v.rev >= *below {
			continue
		}
		*below = v.rev
		if v.rev > first {
			if !f(v) {
				return nil
			}
			continue
		}
		// The one that holds at the beginning; those below it hold nowhere.
		if !v.deleted && !v.expired(c.base.man.historyStamp.Time().UnixMilli()) {
			f(v)
		}
		return nil
	}
	return src.err()
}

// publicVersion is a version that the caller may keep.
func publicVersion(v *version) Version {
	p := Version{Rev: v.rev, Stamp: v.stamp}
	p.Op, p.Value, p.Expires = v.effect()
	return p
}

// effect is what a version does to its key: a copy of the value, or nil for a
// delete, and when it expires, or the zero time.
func (v *version) effect() (op Op, value []byte, expires time.Time) {
	switch op = OpSet; {
	case v.deleted:
		return OpDelete, nil, expires
	case v.expires != 0:
		op, expires = OpSetExpiring, time.UnixMilli(v.expires)
	}
	return op, append(make([]byte, 0, len(v.value)), v.value...), expires
}
