package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Files come and go while others read: a table is merged away, a segment moves
// to history/. So a file that is not there is looked for anew, by what MANIFEST
// then says. It is damage if MANIFEST goes on saying that it is there.

// vanished says what an errVanished means, and passes on every other error:
// a *CorruptError with the name of the table that is missing, or errOvertaken
// if MANIFEST was replaced meanwhile.
func (db *DB) vanished(cause error) error {
	if !errors.Is(cause, errVanished) {
		return cause
	}
	man, err := readManifest(db.fsys, db.dir, db.ident.id)
	if err != nil {
		return err
	}
	var refs []tableRef
	for i := range man.tables {
		refs = append(refs, man.tables[i].ref)
	}
	db.mu.Lock()
	end := db.end.rev
	db.mu.Unlock()
	err = db.records(context.Background(), man.folded.rev+1, end, func(r *record) error {
		return r.each(func(o *operation) bool {
			if o.op == OpIngest {
				refs = append(refs, o.table)
			}
			return true
		})
	})
	if err != nil {
		return err
	}
	for _, ref := range refs {
		name := tableName(ref.id)
		_, err := db.fsys.Stat(filepath.Join(db.dir, filepath.FromSlash(name)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		now, err := readManifest(db.fsys, db.dir, db.ident.id)
		if err == nil && now.generation == man.generation {
			return &CorruptError{File: name, Reason: "missing"}
		}
		break
	}
	return errOvertaken
}

// forgotten says what it means that the first segment of a stretch of history
// is not there: damage, unless MANIFEST says that it is no longer kept.
func (db *DB) forgotten(from Rev, cause error) error {
	man, err := readManifest(db.fsys, db.dir, db.ident.id)
	if err != nil || from < man.historyFrom {
		return cause
	}
	return &CorruptError{File: historyDir, Rev: from, Reason: fmt.Sprintf("the segment with this revision is missing, though history is kept from revision %d", man.historyFrom)}
}
