package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Mending FORMAT and MANIFEST, the two texts that say what the other files are.

// format mends FORMAT.
func (m *mender) format() error {
	b, err := readSmall(m.fsys, filepath.Join(m.dir, formatFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if m.id, err = decodeIdentity(b); err == nil || errors.Is(err, ErrNewer) {
			m.maker()
			return err
		}
	}
	note := ""
	healed, change := healText(b, func(text []byte) bool { _, err := decodeIdentity(text); return err == nil })
	if healed != nil {
		m.id, err = decodeIdentity(healed)
		note = change
	} else {
		note, err = m.guessIdentity()
	}
	if err != nil {
		return err
	}
	m.maker()
	m.act(Action{What: ActRewrite, File: formatFile, Bytes: int64(len(b)), Lossless: true, Note: note})
	return m.replace(formatFile, m.id.encode())
}

// maker prepares m.db, once it is known which database this is.
func (m *mender) maker() {
	m.db = &DB{dir: m.dir, fsys: m.fsys, ident: m.id, opts: Options{FS: m.fsys, Now: m.now, sizes: defaultSizes}, boot: m.boot}
	m.db.cache.fsys, m.db.cache.dir = m.fsys, m.dir
}

// guessIdentity makes an identity from what the other files say of it: the id
// stands in MANIFEST and in every table, the copy in MARK and in every record.
func (m *mender) guessIdentity() (note string, err error) {
	fresh := newIdentity(m.now())
	m.id = identity{created: fresh.created}
	if man := m.anyManifest(); man != nil {
		m.id.id = man.database
	}
	var tables []string
	if tables, err = m.tableFiles(); err != nil {
		return "", err
	}
	for _, name := range tables {
		t, err := openTable(m.fsys, filepath.Join(m.dir, filepath.FromSlash(name)), name, assigned{})
		if err != nil {
			continue
		}
		if m.id.id == [16]byte{} {
			m.id.id = t.inf.database
		}
		if c := t.inf.created; c < m.id.created.UnixMilli() {
			m.id.created = millis(c)
		}
		t.release()
	}
	places, _, err := listLog(m.fsys, m.dir)
	if err != nil {
		return "", err
	}
	err = walkLog(m.ctx, m.fsys, m.dir, places, nil, func(p *logPiece) bool {
		if p.rec != nil {
			m.id.copy = p.rec.origin
			if t := p.rec.stamp.Time(); t.Before(m.id.created) {
				m.id.created = millis(t.UnixMilli())
			}
		}
		return true
	})
	if err != nil {
		return "", err
	}
	if b, err := readSmall(m.fsys, filepath.Join(m.dir, markFile)); err == nil && m.id.copy == 0 {
		if mk, reason := decodeMark(b); reason == "" {
			m.id.copy = mk.copy
		}
	}
	if m.id.id == [16]byte{} {
		m.id.id = fresh.id
	}
	if m.id.copy == 0 {
		m.id.copy = fresh.copy
	}
	return "made anew from the other files", nil
}

// anyManifest is MANIFEST if it is good or can be healed, or nil.
func (m *mender) anyManifest() *manifest {
	b, err := readSmall(m.fsys, filepath.Join(m.dir, manifestFile))
	if err != nil {
		return nil
	}
	if man, err := decodeManifest(b); err == nil {
		return man
	}
	healed, _ := healText(b, m.goodManifest)
	if healed == nil {
		return nil
	}
	man, _ := decodeManifest(healed)
	return man
}

// goodManifest reports whether a text is a MANIFEST whose tables are those that
// are there, if they are there.
func (m *mender) goodManifest(text []byte) bool {
	man, err := decodeManifest(text)
	if err != nil || m.id.copy != 0 && man.database != m.id.id || !bytes.Equal(man.encode(), text) {
		return false
	}
	for i := range man.tables {
		line := &man.tables[i]
		name := tableName(line.ref.id)
		t, err := openTable(m.fsys, filepath.Join(m.dir, filepath.FromSlash(name)), name, line.as)
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err != nil {
			continue // damaged: it cannot tell
		}
		wrong := t.inf.size != line.ref.size || t.inf.sum != line.ref.sum || line.differs(&t.inf, man) != ""
		t.release()
		if wrong {
			return false
		}
	}
	return true
}

// manifest mends MANIFEST.
func (m *mender) manifest() error {
	b, err := readSmall(m.fsys, filepath.Join(m.dir, manifestFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if m.man, err = decodeManifest(b); err == nil || errors.Is(err, ErrNewer) {
			if err == nil && m.man.database != m.id.id {
				return unmendable(manifestFile, "%s and %s are of two databases", formatFile, manifestFile)
			}
			return err
		}
	}
	if healed, change := healText(b, m.goodManifest); healed != nil {
		if m.man, err = decodeManifest(healed); err != nil {
			return err
		}
		m.act(Action{What: ActRewrite, File: manifestFile, Bytes: int64(len(b)), Lossless: true, Note: change})
		return m.replace(manifestFile, healed)
	}
	next, err := m.guessManifest()
	if err != nil {
		return err
	}
	m.act(Action{
		What: ActRewrite, File: manifestFile, Bytes: int64(len(b)), Lossless: true,
		Note: fmt.Sprintf("made anew from %d tables; history begins at revision %d, settings are the default ones", len(next.tables), next.historyFrom),
	})
	return m.putManifest(next)
}

// putManifest puts a MANIFEST in place.
func (m *mender) putManifest(next *manifest) error {
	m.man = next
	return m.replace(manifestFile, next.encode())
}

// tableFiles lists the tables that are there, named or not.
func (m *mender) tableFiles() (names []string, err error) {
	entries, err := m.fsys.ReadDir(filepath.Join(m.dir, tablesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tableSuffix) {
			names = append(names, tablesDir+"/"+e.Name())
		}
	}
	return names, nil
}

// guessManifest makes a MANIFEST from the tables that are there. It refuses
// where they do not tell for certain which of them were live: where two hold
// the same revisions of the same keys, as in the middle of a merge, or where
// one does not know its revision and no record names it.
func (m *mender) guessManifest() (*manifest, error) {
	next := &manifest{database: m.id.id, generation: 1}
	if mk, err := readSmall(m.fsys, filepath.Join(m.dir, markFile)); err == nil {
		if last, reason := decodeMark(mk); reason == "" {
			next.generation = last.generation + 1
		}
	}
	ingested, stamps, first, err := m.guessLog()
	if err != nil {
		return nil, err
	}
	names, err := m.tableFiles()
	if err != nil {
		return nil, err
	}
	var late []tableLine // of records that are perhaps not folded
	if first > 1 {
		next.folded.rev = first - 1
	}
	for _, name := range names {
		t, err := openTable(m.fsys, filepath.Join(m.dir, filepath.FromSlash(name)), name, assigned{})
		if err != nil {
			return nil, unmendable(manifestFile, "it cannot be made anew: %v", err)
		}
		info := t.info()
		t.release()
		line := lineOf(&info, uint64(len(next.tables)+1))
		as, known := ingested[line.ref]
		switch {
		case info.database != m.id.id:
			return nil, unmendable(manifestFile, "it cannot be made anew: %s is of another database", name)
		case info.minRev != 0 || info.entries == 0:
			next.tables = append(next.tables, line)
			next.folded.rev = max(next.folded.rev, info.maxRev)
			next.folded.stamp = max(next.folded.stamp, info.maxStamp)
		case known:
			line.as, line.minRev, line.maxRev = as, as.rev, as.rev
			late = append(late, line)
		default:
			return nil, unmendable(manifestFile, "it cannot be made anew: nothing else tells the revision of %s", name)
		}
	}
	for _, line := range late {
		if line.as.rev <= next.folded.rev {
			line.run = next.nextRun()
			next.tables = append(next.tables, line)
			next.folded.stamp = max(next.folded.stamp, line.as.stamp)
		}
	}
	for i := range next.tables {
		for j := range i {
			a, b := &next.tables[i], &next.tables[j]
			if a.first <= b.last && b.first <= a.last && a.minRev <= b.maxRev && b.minRev <= a.maxRev {
				return nil, unmendable(manifestFile, "it cannot be made anew: %s and %s hold the same revisions of the same keys",
					tableName(a.ref.id), tableName(b.ref.id))
			}
		}
	}
	next.folded.anySum = next.folded.rev > 0
	if s, ok := stamps[next.folded.rev]; ok {
		next.folded.stamp = s
	}
	next.historyFrom, next.historyStamp = next.folded.rev+1, next.folded.stamp
	return next, nil
}

// guessLog reads what guessManifest wants of the log: the tables its records
// name, the stamps of its records, and the first revision in log/.
func (m *mender) guessLog() (ingested map[tableRef]assigned, stamps map[Rev]Stamp, first Rev, err error) {
	places, _, err := listLog(m.fsys, m.dir)
	if err != nil {
		return nil, nil, 0, err
	}
	for _, p := range places {
		if p.folder == logDir && first == 0 {
			first = p.first
		}
	}
	ingested, stamps = make(map[tableRef]assigned), make(map[Rev]Stamp)
	err = walkLog(m.ctx, m.fsys, m.dir, places, nil, func(p *logPiece) bool {
		if p.rec == nil {
			return true
		}
		stamps[p.rec.rev] = p.rec.stamp
		_ = p.rec.each(func(o *operation) bool {
			if o.op == OpIngest {
				ingested[o.table] = assigned{rev: p.rec.rev, stamp: p.rec.stamp, origin: p.rec.origin}
			}
			return true
		})
		return true
	})
	return ingested, stamps, first, err
}

// strangers moves files out of log/ that the library behind it would take for
// half-finished work of its own, and delete segments because of them.
func (m *mender) strangers() error {
	_, foreign, err := listSegments(m.fsys, filepath.Join(m.dir, logDir))
	if err != nil {
		return err
	}
	for _, name := range foreign {
		if len(name) < 20 {
			continue
		}
		file := logDir + "/" + name
		m.act(Action{What: ActRemove, File: file, Lossless: true, Note: "no file of this database"})
		if err := m.keep(file); err != nil {
			return err
		}
		if err := m.fsys.Remove(filepath.Join(m.dir, logDir, name)); err != nil {
			return err
		}
		if err := syncLogDir(m.fsys, m.dir); err != nil {
			return err
		}
	}
	return nil
}

// rawStamp is the stamp that stands in a damaged wal entry; unproven.
func rawStamp(raw []byte) Stamp {
	n, _, _, err := parseFrame(raw[:min(len(raw), 10)])
	if err != nil || len(raw) < n+recordMinSize {
		return 0
	}
	return Stamp(binary.LittleEndian.Uint64(raw[n+12:]))
}
