package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// records calls f with the records from one revision to another, both
// included and committed, in order, wherever their segments are. A record's
// slices hold only during the call. It returns ErrHistoryGone where the first
// is no longer kept.
func (db *DB) records(ctx context.Context, from, to Rev, f func(*record) error) error {
	r := recordReader{db: db, at: behind(from - 1)}
	return r.upTo(ctx, to, f)
}

// A recordReader reads committed records in order, and goes on where it was.
type recordReader struct {
	db  *DB
	at  position // behind the last record that f took
	buf []byte   // reused
}

// behind is the position behind a revision of which nothing else is known.
func behind(rev Rev) position { return position{rev: rev, anySum: true} }

// upTo is records, from behind the last record on.
func (r *recordReader) upTo(ctx context.Context, to Rev, f func(*record) error) error {
	var last error
	for range 10 {
		if r.at.rev >= to {
			return nil
		}
		err := r.once(ctx, to, f)
		if errors.Is(err, errNoSegment) {
			return r.db.forgotten(r.at.rev+1, err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// A segment moved from log/ to history/ between the look at the
		// folders and the look into it.
		last = err
	}
	return &CorruptError{File: historyDir, Rev: r.at.rev + 1, Reason: last.Error()}
}

// errNoSegment says that all segments begin behind a revision.
var errNoSegment = fmt.Errorf("%w", ErrHistoryGone)

func (r *recordReader) once(ctx context.Context, to Rev, f func(*record) error) error {
	fsys, path := r.db.fsys, r.db.dir
	// log/ first: what moves to history/ meanwhile is then seen twice, not never.
	log, _, err := listSegments(fsys, filepath.Join(path, logDir))
	if err != nil {
		return err
	}
	history, _, err := listSegments(fsys, filepath.Join(path, historyDir))
	if err != nil {
		return err
	}
	firsts := append(slices.Clone(history), log...)
	slices.Sort(firsts)
	firsts = slices.Compact(firsts)
	from := r.at.rev + 1
	i, ok := slices.BinarySearch(firsts, from)
	if !ok {
		i--
	}
	if i < 0 {
		return fmt.Errorf("revision %d: %w", from, errNoSegment)
	}
	for ; i < len(firsts) && r.at.rev < to; i++ {
		dir := logDir
		if slices.Contains(history, firsts[i]) {
			dir = historyDir
		}
		if firsts[i] > r.at.rev+1 {
			return fmt.Errorf("the segment with revision %d: %w", r.at.rev+1, fs.ErrNotExist)
		}
		start := startOf(firsts[i], r.at)
		if firsts[i] == r.at.segment {
			start = r.at
		}
		s, err := openSegment(fsys, filepath.Join(path, dir), start, -1, r.buf)
		if err != nil {
			return err
		}
		r.at, err = s.upTo(ctx, from, to, r.at, f)
		r.buf = s.buf
		s.close()
		var bad *badPlace
		if errors.As(err, &bad) {
			return bad.corrupt(dir)
		}
		if err != nil {
			return err
		}
	}
	if r.at.rev < to {
		return fmt.Errorf("the segment with revision %d: %w", r.at.rev+1, fs.ErrNotExist)
	}
	return nil
}

// upTo calls f with the records from one revision to another and stops there:
// what follows may not be committed yet. It returns the position behind the
// last record f was called with.
func (s *segmentScanner) upTo(ctx context.Context, from, to Rev, at position, f func(*record) error) (position, error) {
	for s.at.rev < to {
		ok, err := s.next()
		if err != nil {
			return at, err
		}
		if !ok {
			break
		}
		if s.rec.rev < from {
			continue
		}
		if err := ctx.Err(); err != nil {
			return at, err
		}
		if err := f(&s.rec); err != nil {
			return at, err
		}
		at = s.at
	}
	return at, nil
}

// events calls f with every key written by the revisions from one to another,
// those of ingested tables included. The version's key is never nil; its
// slices hold only during the call.
func (db *DB) events(ctx context.Context, from, to Rev, f func(*record, *version) error) error {
	return db.records(ctx, from, to, func(r *record) error {
		return db.recordEvents(ctx, r, func(v *version) error { return f(r, v) })
	})
}

// recordEvents calls f with every key a record writes.
func (db *DB) recordEvents(ctx context.Context, r *record, f func(*version) error) error {
	var inner error
	err := r.each(func(o *operation) bool {
		if o.op == OpIngest {
			inner = db.ingestEvents(ctx, r, o.table, f)
			return inner == nil
		}
		v := versionOf(r, o)
		inner = f(&v)
		return inner == nil
	})
	if inner != nil {
		return inner
	}
	if err != nil {
		return corruptRecord(r, err)
	}
	return nil
}

// ingestEvents calls f with every key of a table that a record ingested. Once
// the table was merged away its entries are found among all others by their
// revision, unless the merge was allowed to forget some of them: then it
// returns ErrHistoryGone.
func (db *DB) ingestEvents(ctx context.Context, r *record, ref tableRef, f func(*version) error) error {
	t, err := db.cache.open(ref, assigned{rev: r.rev, stamp: r.stamp, origin: r.origin})
	if err == nil {
		defer t.release()
		return each(ctx, t.iter(iterOptions{}), f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var o iterOptions
	for range 5 {
		// A table may be merged away before it is reached: go on behind the
		// last key.
		if err = db.mergedEvents(ctx, r.rev, &o, f); err != errVanished {
			return err
		}
	}
	if err := db.vanished(err); errors.Is(err, ErrDamaged) {
		return err
	}
	return errUnsettled
}

// mergedEvents calls f with the versions of one revision that are in tables,
// and moves the start of the range behind each.
func (db *DB) mergedEvents(ctx context.Context, rev Rev, o *iterOptions, f func(*version) error) error {
	b, _, err := db.reload()
	if err != nil {
		return err
	}
	defer b.release()
	if first := b.man.historyFrom; rev < first {
		return fmt.Errorf("revision %d: history begins at revision %d: %w", rev, first, ErrHistoryGone)
	}
	sources, err := b.sources(o, rev)
	if err != nil {
		return err
	}
	return each(ctx, newMergeSource(sources, false), func(v *version) error {
		if v.rev != rev {
			return nil
		}
		o.lo = append(append(make([]byte, 0, len(v.key)+1), v.key...), 0)
		return f(v)
	})
}

// each calls f with every version of a source and closes it.
func each(ctx context.Context, src source, f func(*version) error) error {
	defer src.close()
	for n := 0; src.next(); n++ {
		if n%contextEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := f(src.cur()); err != nil {
			return err
		}
	}
	return src.err()
}
