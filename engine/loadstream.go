package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
)

// A loadStream writes the items of a load into the table that will be committed
// while they come, without sorting: as long as their keys ascend, none of them
// is there already, and each is to be there afterwards. So all items are in the
// table, and each counts as added. When one comes of which that does not hold,
// or when the load is overtaken, the table is what it looks like to a sorter: a
// run.
type loadStream struct {
	w    *tableWriter
	core *txCore // what the items are compared with
	join loadJoin
}

// startStream begins a loadStream with the items in the sorter, if they will do.
// It returns nil if not.
func (l *loader) startStream() (*loadStream, error) {
	if !l.sorter.ascends() {
		return nil, nil
	}
	s := &loadStream{core: &txCore{db: l.db, now: l.db.opts.now(), readonly: true}}
	s.join = loadJoin{core: s.core, now: s.core.now.UnixMilli()}
	_, err := s.core.state()
	if err != nil { // as it will be said in the end
		s.end()
		return nil, nil
	}
	if l.db.exists.Load() {
		s.w, err = l.db.newTable(kindIngest)
	} else if s.w = l.db.newNamelessTable(kindIngest); s.w == nil {
		s.end()
		return nil, nil
	}
	if err == nil {
		var took bool
		if took, err = s.addAll(l.sorter); took {
			return s, nil
		}
	}
	s.end()
	discardTable(l.db.fsys, s.w)
	return nil, err
}

// addAll adds what is in the sorter, and empties that if it could add all: else
// the sorter has them still.
func (s *loadStream) addAll(from *sorter) (took bool, err error) {
	src, err := from.finish()
	if err != nil {
		return false, err
	}
	defer src.close()
	from.done = false
	for src.next() {
		if took, err := s.add(src.cur()); !took || err != nil {
			return false, err
		}
	}
	if err := src.err(); err != nil {
		return false, err
	}
	from.restart()
	return true, nil
}

// add adds an item, if it will do.
func (s *loadStream) add(v *version) (took bool, err error) {
	if bytes.Compare(v.key, s.w.lastKey) <= 0 || v.deleted || v.expired(s.join.now) {
		return false, nil
	}
	// What cannot be compared now is compared once more, with all others.
	if old, err := s.join.find(v.key); old != nil || err != nil {
		return false, nil
	}
	return true, s.w.add(v)
}

// end gives up the state, but not the table.
func (s *loadStream) end() {
	s.join.close()
	s.core.end()
}

// unstream hands the items of the stream over to the sorter.
func (l *loader) unstream() error {
	s := l.stream
	l.stream = nil
	s.end()
	_, err := s.w.complete()
	if err == nil {
		err = l.sorter.adopt(s.w)
	}
	if err != nil {
		discardTable(l.db.fsys, s.w)
	}
	return err
}

// finishStream ends the table of the stream, and says at which revision it was
// compared. It returns no table if the items went to the sorter after all.
func (l *loader) finishStream(ctx context.Context) (info tableInfo, w *tableWriter, since Rev, err error) {
	s := l.stream
	if err := l.db.nameTable(s.w); err != nil {
		return info, nil, 0, l.unstream()
	}
	l.stream, since = nil, s.core.rev
	s.end()
	if err = s.w.setDatabase(l.db.ident.id); err == nil {
		info, err = s.w.finish()
	}
	progressed(ctx, l.count)
	l.streamed = true
	l.res = LoadResult{Added: l.count}
	return info, s.w, since, err
}

// dropStream removes what the stream has written.
func (l *loader) dropStream() {
	if l.stream != nil {
		l.stream.end()
		discardTable(l.db.fsys, l.stream.w)
		l.stream = nil
	}
}

// newNamelessTable begins a table for a database that is not there yet, of which
// nothing is left unless it is named. It returns nil where there are no such
// files.
func (db *DB) newNamelessTable(kind tableKind) *tableWriter {
	fsys, ok := db.fsys.(namelessFS)
	if !ok {
		return nil
	}
	f, err := fsys.createNameless(db.dir)
	if err != nil {
		f, err = fsys.createNameless(filepath.Dir(db.dir))
	}
	if err != nil {
		return nil
	}
	var w *tableWriter
	locked, err := f.Lock() // before others can see it
	if locked && err == nil {
		w, err = beginTable(db.fsys, "", f, tableOptions{id: rand.Uint64(), kind: kind, created: db.opts.now().UnixMilli()})
	}
	if w == nil || err != nil {
		f.Close()
		return nil
	}
	return w
}

// nameTable gives a nameless table the name that newTable would have.
func (db *DB) nameTable(w *tableWriter) error {
	fsys, ok := db.fsys.(namelessFS)
	if !ok || w.path != "" {
		return nil
	}
	temp := filepath.Join(db.dir, tablesDir, fmt.Sprintf("%016x.tmp", w.o.id))
	if err := fsys.link(w.file, temp); err != nil {
		return err
	}
	w.path = temp
	keepOwner(w.file, filepath.Dir(temp))
	return nil
}
