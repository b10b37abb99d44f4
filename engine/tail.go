package engine

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
)

// A tail is the part of the log that is newer than the tables.
//
// A command in a script asks for one key and ends, so its tail is not put in
// memory: the records stream through one buffer and are compared while they
// are decoded, which takes 0.2 ms per MiB. After a few such passes it is worth
// while to keep them, and they go into the memtable. What is committed or read
// after the tail was opened is in the memtable from the start.
type tail struct {
	dir   string // of the database, for messages
	from  position
	to    position // end of what was on the disk when the tail was opened
	files []tailFile
	cache *tableCache

	mem memtable // later than to; once loaded, later than from

	mu       sync.Mutex // guards all below
	passes   int
	loaded   bool
	loadErr  error
	ingested []ingestedTable // those known so far
}

// tailFile is a segment that was opened when the tail was: it stays readable
// when it is moved to history/ or removed.
type tailFile struct {
	first Rev
	f     File
}

// ingestedTable is a table that a record of the tail made part of the database.
type ingestedTable struct {
	rev Rev
	t   *table
}

// maxPasses is how many times a tail is streamed before it is kept.
const maxPasses = 4

// openTail opens the segments that hold the records between two positions.
func openTail(fsys FS, dir string, firsts []Rev, from, to position, cache *tableCache) (*tail, error) {
	t := &tail{dir: dir, from: from, to: to, cache: cache, loaded: from.rev >= to.rev}
	if t.loaded {
		return t, nil
	}
	for i, first := range firsts {
		if first > to.rev || (i+1 < len(firsts) && firsts[i+1] <= from.rev+1) {
			continue
		}
		f, err := fsys.Open(filepath.Join(dir, logDir, segmentName(first)))
		if err != nil {
			t.close()
			return nil, err
		}
		t.files = append(t.files, tailFile{first, f})
	}
	return t, nil
}

func (t *tail) close() {
	for _, f := range t.files {
		f.f.Close()
	}
	for _, i := range t.ingested {
		i.t.release()
	}
}

// tailFS serves the segments a tail holds open as the log folder.
type tailFS struct {
	FS
	t *tail
}

// Open returns the file that is open already; closing it does nothing.
func (s tailFS) Open(name string) (File, error) {
	for _, f := range s.t.files {
		if segmentName(f.first) == filepath.Base(name) {
			return keptFile{f.f}, nil
		}
	}
	return nil, &CorruptError{File: logDir + "/" + filepath.Base(name), Rev: s.t.from.rev + 1, Reason: "the segment with this revision is missing"}
}

// keptFile is a file that somebody else closes.
type keptFile struct{ File }

func (keptFile) Close() error { return nil }

// stream calls f with each record on the disk up to a revision, in order. What
// stands behind that is not looked at: damage there cannot concern a reader of
// the revision. Damage before it always does, for any key may have stood in a
// record that cannot be read.
func (t *tail) stream(at Rev, f func(*record) error) error {
	firsts := make([]Rev, len(t.files))
	for i := range t.files {
		firsts[i] = t.files[i].first
	}
	if at <= t.from.rev {
		return nil
	}
	_, err := scanLog(tailFS{t: t}, "", firsts, t.from, &t.to, func(r *record, _ position) error {
		if err := f(r); err != nil || r.rev < at || at >= t.to.rev {
			return err // at its end scanLog compares the last record with MARK
		}
		return errStop
	})
	if err == errStop {
		return nil
	}
	var bad *badPlace
	if errors.As(err, &bad) {
		return bad.corrupt(logDir)
	}
	return err
}

// corruptRecord is the error for a record whose checksum is good but whose
// operations break the format.
func corruptRecord(r *record, err error) error {
	return &CorruptError{File: logDir, Rev: r.rev, Reason: err.Error()}
}

// add puts a record behind the end of the tail. The caller serialises calls.
func (t *tail) add(r *record) error {
	var inner error
	err := r.each(func(o *operation) bool {
		if o.op == OpIngest {
			inner = t.addIngest(r, o.table)
			return inner == nil
		}
		t.mem.add(copyVersion(versionOf(r, o)))
		return true
	})
	if inner != nil {
		return inner
	}
	if err != nil {
		return corruptRecord(r, err)
	}
	return nil
}

// versionOf is what an operation makes of its key. Its value points into the
// record; its key is nil: family and key are apart there.
func versionOf(r *record, o *operation) version {
	v := version{rev: r.rev, stamp: r.stamp, origin: r.origin, expires: o.expires, deleted: o.op == OpDelete}
	if !v.deleted {
		v.value, v.size = o.value, len(o.value)
	}
	v.key = appendIKey(make([]byte, 0, len(o.family)+1+len(o.key)), o.family, o.key)
	return v
}

func copyVersion(v version) version {
	if !v.deleted {
		v.value = append(make([]byte, 0, len(v.value)), v.value...)
	}
	return v
}

// addIngest remembers a table that a record ingests.
func (t *tail) addIngest(r *record, ref tableRef) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.ingested {
		if i.t.info().id == ref.id {
			return nil
		}
	}
	tab, err := t.cache.open(ref, assigned{rev: r.rev, stamp: r.stamp, origin: r.origin})
	if errors.Is(err, fs.ErrNotExist) {
		return errVanished // it was folded and merged since
	}
	if err != nil {
		return err
	}
	t.ingested = append(t.ingested, ingestedTable{r.rev, tab})
	return nil
}

// pass decides whether the tail is streamed once more (true) or is now in the
// memtable (false).
func (t *tail) pass() (bool, error) {
	t.mu.Lock()
	if t.loaded {
		t.mu.Unlock()
		return false, nil
	}
	t.passes++
	if t.passes <= maxPasses || t.loadErr != nil {
		t.mu.Unlock()
		return true, nil
	}
	t.mu.Unlock()
	err := t.load()
	if errors.Is(err, ErrDamaged) {
		return true, nil // up to the bad place it can still be streamed
	}
	return false, err
}

// load reads the tail into the memtable.
func (t *tail) load() error {
	// Versions are kept in the order of their revisions, and later ones may be
	// in the memtable already: build anew, then put the later ones on top.
	full := &tail{dir: t.dir, cache: t.cache}
	err := t.stream(t.to.rev, func(r *record) error { return full.add(r) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loaded {
		full.close()
		return nil
	}
	if err != nil {
		t.loadErr = err
		full.close()
		return err
	}
	t.mem.prepend(&full.mem)
	for _, i := range t.ingested {
		if i.rev > t.to.rev {
			full.ingested = append(full.ingested, i)
		} else {
			i.t.release()
		}
	}
	t.ingested = full.ingested
	t.loaded = true // the files stay open: another goroutine may stream them
	return nil
}

// get returns the newest version of a key with a revision of at most at. Its
// slices stay valid while the tail is open.
func (t *tail) get(ikey []byte, at Rev) (v version, ok bool, err error) {
	if v, ok = t.mem.get(ikey, at); !ok {
		again, err := t.pass()
		if err != nil {
			return v, false, err
		}
		if again {
			v, ok, err = t.find(ikey, at)
		} else {
			v, ok = t.mem.get(ikey, at)
		}
		if err != nil {
			return v, false, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, in := range t.ingested {
		if in.rev > at || (ok && in.rev < v.rev) {
			continue
		}
		var w version
		found, err := in.t.get(ikey, at, &w)
		if err != nil {
			return v, false, err
		}
		if found {
			v, ok = w, true
		}
	}
	return v, ok, nil
}

// find streams the tail for one key. Tables that are ingested on the way are
// remembered.
func (t *tail) find(ikey []byte, at Rev) (v version, ok bool, err error) {
	family, key := splitIKey(ikey)
	var r *record
	var inner error
	look := func(o *operation) bool {
		switch {
		case o.op == OpIngest:
			inner = t.addIngest(r, o.table)
		case len(o.key) == len(key) && bytes.Equal(o.key, key) && bytes.Equal(o.family, family):
			v, ok = copyVersion(versionOf(r, o)), true
			return false
		}
		return inner == nil
	}
	err = t.stream(at, func(next *record) error {
		r = next
		if err := r.each(look); err != nil {
			return corruptRecord(r, err)
		}
		return inner
	})
	return v, ok, err
}

// sources returns what the tail has of a range with revisions of at most at.
func (t *tail) sources(o *iterOptions, at Rev) ([]source, error) {
	again, err := t.pass()
	if err != nil {
		return nil, err
	}
	var sources []source
	if again {
		older, err := t.collect(o, at)
		if err != nil {
			return nil, err
		}
		vs := append(t.mem.versions(o, at), older...)
		sortVersions(vs)
		sources = append(sources, newSliceSource(vs, o.reverse))
	} else {
		sources = append(sources, t.mem.source(o, at))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.ingested {
		if i.rev <= at {
			sources = append(sources, i.t.iter(*o))
		}
	}
	return sources, nil
}

// collect streams the tail for the keys of a range. Only these are kept.
func (t *tail) collect(o *iterOptions, at Rev) (vs []version, err error) {
	var r *record
	var inner error
	var ikey []byte
	look := func(op *operation) bool {
		if op.op == OpIngest {
			inner = t.addIngest(r, op.table)
			return inner == nil
		}
		ikey = appendIKey(ikey[:0], op.family, op.key)
		if bytes.Compare(ikey, o.lo) < 0 || (o.hi != nil && bytes.Compare(ikey, o.hi) >= 0) {
			return true
		}
		if o.match != nil && !o.match(op.key) {
			return true
		}
		v := versionOf(r, op)
		if o.keysOnly {
			v.value = nil
		} else {
			v = copyVersion(v)
		}
		vs = append(vs, v)
		return true
	}
	err = t.stream(at, func(next *record) error {
		r = next
		if err := r.each(look); err != nil {
			return corruptRecord(r, err)
		}
		return inner
	})
	return vs, err
}
