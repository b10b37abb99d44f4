package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Gap is a place in a file of which nothing could be read.
type Gap struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`         // 0: not known
	Rev    Rev    `json:"rev,omitempty"` // expected there; 0: not known
	Reason string `json:"reason"`
	From   []byte `json:"-"` // of a table: no key before this one is concerned; nil: not known
	To     []byte `json:"-"` // and none behind this one
}

// A SalvageReport is what Salvage found.
type SalvageReport struct {
	Files   int64 `json:"files"`   // that were read
	Records int64 `json:"records"` // of the log, whole ones
	Entries int64 `json:"entries"` // of tables and snapshots, whole ones
	Keys    int64 `json:"keys"`    // live in the new database
	Deleted int64 `json:"deleted"` // keys whose newest version is a delete, or has expired
	Rev     Rev   `json:"rev"`     // the greatest revision that was seen
	Gaps    []Gap `json:"gaps"`

	// Uncertain is the number of tables that could be read though nothing
	// names them any more. Of a load it is then not known whether it was
	// committed, nor when: its keys count as older than all others.
	Uncertain int64 `json:"uncertain"`
}

// Salvage reads whatever there is at paths, each a database that need not open,
// a segment, a table or a snapshot, and makes a new database at target with
// the newest version of every key that could be read. Deletes count as
// versions: a key whose delete is read is not there. Where the newest version
// of a key is in a gap, the one before comes back; the report names the gaps.
// The new database has its own revisions and no history.
//
// A table that a good MANIFEST does not name is left alone: it was merged away.
// Where MANIFEST is lost, or a snapshot is read beside its database, a key may
// come back whose delete was old enough to be forgotten.
//
// Nothing is written but target, which must not exist; it returns ErrExists if
// it does, and ErrNotFound if there is nothing at paths that can be read. fsys
// is where paths are, nil is OS; the target is made with o.
func Salvage(ctx context.Context, fsys FS, paths []string, target string, o Options) (r SalvageReport, err error) {
	fsys = orOS(fsys)
	defer func() {
		if err != nil {
			err = fmt.Errorf("salvage to %s: %w", target, err)
		}
	}()
	o.FS = orOS(o.FS)
	if _, err := o.FS.Stat(target); err == nil {
		return r, ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	s := &salvage{ctx: ctx, fsys: fsys, r: &r, named: make(map[tableRef]assigned), done: make(map[string]bool)}
	for _, path := range paths {
		if err := s.path(path); err != nil {
			return r, err
		}
	}
	if err := s.tables(); err != nil {
		return r, err
	}
	if r.Records == 0 && r.Entries == 0 {
		return r, fmt.Errorf("nothing that can be read: %w", ErrNotFound)
	}
	o.Create, o.ReadOnly = true, false
	db, err := Open(ctx, target, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.create(ctx); err != nil {
		return r, err
	}
	_, err = db.Load(ctx, s.items(o.now().UnixMilli()), Replace)
	return r, err
}

// A salvage is the state of one.
type salvage struct {
	ctx    context.Context
	fsys   FS
	r      *SalvageReport
	named  map[tableRef]assigned // by records and by MANIFEST
	found  []salvageTable
	done   map[string]bool
	mem    memtable // versions of records
	source []*tableSalvage
	lowers []string // of each source: keys up to it were merged away from it
}

// A salvageTable is a table to be read when all that names it is known.
type salvageTable struct {
	dir, name, shown string
	line             *tableLine // of MANIFEST, or nil
	judged           bool       // MANIFEST is good, and so says which tables are live
}

// gap notes a place that cannot be read. The keys around it may lie in a file
// that is mapped, which the report outlives.
func (s *salvage) gap(g Gap) {
	g.From, g.To = bytes.Clone(g.From), bytes.Clone(g.To)
	s.r.Gaps = append(s.r.Gaps, g)
}

// path finds out what stands at a path, and reads it.
func (s *salvage) path(path string) error {
	info, err := s.fsys.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return s.file(path)
	}
	man := s.manifest(path)
	if err := s.log(path); err != nil {
		return err
	}
	for _, dir := range []string{tablesDir, ""} {
		entries, err := s.fsys.ReadDir(filepath.Join(path, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if name := e.Name(); e.Type().IsRegular() && (strings.HasSuffix(name, tableSuffix) || strings.HasSuffix(name, ".kvs")) {
				s.table(path, filepath.ToSlash(filepath.Join(dir, name)), man)
			}
		}
	}
	s.missing(path, man)
	return nil
}

// missing notes the tables that are named and not there.
func (s *salvage) missing(dir string, man *manifest) {
	if man == nil {
		return
	}
	missing := func(ref tableRef, rev Rev, first, last string) {
		name := filepath.Join(dir, filepath.FromSlash(tableName(ref.id)))
		if s.done[name] {
			return
		}
		s.done[name] = true
		g := Gap{File: name, Bytes: ref.size, Rev: rev, Reason: "the table is missing", From: []byte(first), To: []byte(last)}
		if last == "" {
			g.From, g.To = nil, nil
		}
		s.gap(g)
	}
	for i := range man.tables {
		l := &man.tables[i]
		missing(l.ref, l.as.rev, l.first, l.last)
	}
	for ref, as := range s.named {
		if as.rev > man.folded.rev {
			missing(ref, as.rev, "", "")
		}
	}
}

// file reads a single file: a segment by its name, else a table or snapshot.
func (s *salvage) file(path string) error {
	dir, name := filepath.Split(path)
	first, ok := parseSegmentName(name)
	if !ok {
		s.table(filepath.Clean(dir), name, nil)
		return nil
	}
	return s.walk(filepath.Clean(dir), []*segmentPlace{{first: first}})
}

// manifest reads MANIFEST, if it is any good.
func (s *salvage) manifest(dir string) *manifest {
	b, err := readSmall(s.fsys, filepath.Join(dir, manifestFile))
	if err != nil {
		return nil
	}
	man, err := decodeManifest(b)
	if err != nil {
		s.gap(Gap{File: filepath.Join(dir, manifestFile), Reason: err.Error()})
		m := &mender{ctx: s.ctx, fsys: s.fsys, dir: dir}
		return m.anyManifest()
	}
	return man
}

// log reads the segments of a database, or those that lie in a folder itself.
func (s *salvage) log(dir string) error {
	places, _, err := listLog(s.fsys, dir)
	if err != nil {
		return err
	}
	return s.walk(dir, places)
}

func (s *salvage) walk(dir string, places []*segmentPlace) error {
	s.r.Files += int64(len(places))
	return walkLog(s.ctx, s.fsys, dir, places, nil, func(p *logPiece) bool {
		if p.rec == nil {
			s.gap(Gap{File: filepath.Join(dir, p.seg.file()), Offset: p.before.offset, Bytes: p.end - p.before.offset, Rev: p.before.rev + 1, Reason: p.bad})
			return true
		}
		s.r.Records++
		s.r.Rev = max(s.r.Rev, p.rec.rev)
		_ = p.rec.each(func(o *operation) bool {
			if o.op == OpIngest {
				s.named[o.table] = assigned{rev: p.rec.rev, stamp: p.rec.stamp, origin: p.rec.origin}
			} else if !p.rec.isVoid() {
				s.add(copyVersion(versionOf(p.rec, o)))
			}
			return true
		})
		return true
	})
}

// add remembers a version of a record if it is the newest of its key.
func (s *salvage) add(v version) {
	if s.mem.keys == nil {
		s.mem.keys = make(map[string][]version)
	}
	if old := s.mem.keys[string(v.key)]; len(old) == 0 {
		s.mem.fresh = append(s.mem.fresh, string(v.key))
	} else if old[0].rev >= v.rev {
		return
	}
	s.mem.keys[string(v.key)] = []version{v}
}

// table notes a table for later.
func (s *salvage) table(dir, name string, man *manifest) {
	t := salvageTable{dir: dir, name: name, shown: filepath.Join(dir, filepath.FromSlash(name)), judged: man != nil}
	if s.done[t.shown] {
		return
	}
	s.done[t.shown] = true
	if man != nil {
		i := slices.IndexFunc(man.tables, func(l tableLine) bool { return tableName(l.ref.id) == name })
		if i >= 0 {
			t.line = &man.tables[i]
			s.named[t.line.ref] = t.line.as
		}
	}
	s.found = append(s.found, t)
}

// tables opens the tables that were found.
func (s *salvage) tables() error {
	logGaps := len(s.r.Gaps)
	for _, f := range s.found {
		s.r.Files++
		as, entries, named := s.assigned(&f)
		t, err := openSalvage(s.fsys, f.dir, f.name, tableRef{}, as)
		if err != nil {
			return err
		}
		if !named && t.opened && t.t.inf.kind != kindSnapshot {
			// Left by a merge, or by a load that was never committed; unless
			// the record that names it is in a gap.
			if f.judged && (t.t.inf.minRev != 0 || logGaps == 0) {
				t.close()
				continue
			}
			s.r.Uncertain++
		}
		if err := t.each(s.ctx, func(v *version) error {
			s.r.Rev = max(s.r.Rev, v.rev)
			return nil
		}); err != nil {
			return err
		}
		s.r.Entries += t.read
		whole := !t.opened && t.read == entries // only what leads to the blocks is damaged
		if !t.opened && !whole {
			s.gap(Gap{File: f.shown, Reason: t.bad})
		}
		for _, span := range t.spans {
			if whole {
				break
			}
			s.gap(Gap{File: f.shown, Offset: span.offset, Reason: "a block cannot be read", From: span.lo, To: span.hi})
		}
		for i := range t.known {
			s.gap(Gap{File: f.shown, Rev: t.known[i].rev, Reason: "a value cannot be read", From: t.known[i].key, To: t.known[i].key})
		}
		lower := ""
		if f.line != nil {
			lower = f.line.lower
		}
		s.source, s.lowers = append(s.source, t), append(s.lowers, lower)
	}
	return nil
}

// assigned is the revision of a table that does not know its own, and the
// number of its entries, or -1, as whoever names it says.
func (s *salvage) assigned(f *salvageTable) (as assigned, entries int64, named bool) {
	for ref, as := range s.named {
		if tableName(ref.id) == f.name {
			return as, ref.entries, true
		}
	}
	return assigned{}, -1, false
}

// items yields the newest version of each key, from the tables and the records.
func (s *salvage) items(now int64) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		versions := s.mem.versions(&iterOptions{}, newestRev)
		sources := []source{newSliceSource(versions, false)}
		for i, t := range s.source {
			sources = append(sources, newSalvageSource(s.ctx, t, s.lowers[i]))
		}
		src := newMergeSource(sources, false)
		defer src.close()
		var last []byte
		for src.next() {
			v := src.cur()
			if last != nil && bytes.Equal(last, v.key) {
				continue
			}
			last = append(last[:0], v.key...)
			if v.deleted || v.expired(now) {
				s.r.Deleted++
				continue
			}
			s.r.Keys++
			family, key := splitIKey(v.key)
			it := Item{Family: string(family), Key: key, Value: v.value}
			if v.expires != 0 {
				it.Expires = time.UnixMilli(v.expires)
			}
			if !yield(it, nil) {
				return
			}
		}
		if err := src.err(); err != nil {
			yield(Item{}, err)
		}
	}
}

// A salvageSource yields the versions of a damaged table.
type salvageSource struct {
	t    *tableSalvage
	pull func() (*version, error, bool)
	stop func()
	v    *version
	e    error
}

func newSalvageSource(ctx context.Context, t *tableSalvage, lower string) source {
	s := &salvageSource{t: t}
	s.pull, s.stop = iter.Pull2(func(yield func(*version, error) bool) {
		err := t.each(ctx, func(v *version) error {
			if string(v.key) > lower && !yield(v, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(nil, err)
		}
	})
	return s
}

func (s *salvageSource) next() bool {
	v, err, ok := s.pull()
	s.v, s.e = v, err
	return ok && err == nil
}

func (s *salvageSource) cur() *version { return s.v }
func (s *salvageSource) err() error    { return s.e }

func (s *salvageSource) close() {
	s.stop()
	s.t.close()
}
