package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// A Survey is what the small files of a database say, as far as each can be
// read. It is for those who look after a database that may not open: Info
// tells more of one that does.
type Survey struct {
	Database string    // id in hex; empty: FORMAT cannot be read
	Created  time.Time // this copy
	Format   int       // version; 0: FORMAT cannot be read

	Manifest     bool  // MANIFEST can be read; without it the fields below are zero
	Tables, Runs int   // in MANIFEST
	TableBytes   int64 // of those
	Merging      bool  // a merge is under way
	MergeDue     bool  // the next writer begins one
	Folded       Rev   // the tables hold everything up to this revision
	HistoryFrom  Rev   // first revision whose changes are kept
	HistoryTime  time.Time
	Sync, Keep   string // settings

	Marked     bool      // MARK can be read
	Rev        Rev       // by MARK: the newest acknowledged revision
	Time       time.Time // of it; zero if nothing was ever committed
	Log        FileCount
	History    FileCount
	Quarantine FileCount

	LastPid      int       // who took the lock last; 0: not known
	LastCommand  string    // what that process is called as
	LastLockedAt time.Time // when it did
}

// SurveyOf reads the small files of the database in a directory. It takes no
// lock, writes nothing, and reads neither tables nor log. What a file fails to
// tell is left zero: Check says why. An error is ErrNewer or one of the file
// system. fsys nil is OS.
func SurveyOf(fsys FS, dir string) (s Survey, err error) {
	fsys = orOS(fsys)
	id, err := readIdentity(fsys, dir)
	switch {
	case err == nil:
		s.Database, s.Created, s.Format = hex.EncodeToString(id.id[:]), id.created, formatVersion
	case !errors.Is(err, ErrNoDatabase) && !errors.Is(err, ErrDamaged):
		return s, fmt.Errorf("survey %s: %w", dir, err)
	}
	if err := s.manifest(fsys, dir); err != nil {
		return s, fmt.Errorf("survey %s: %w", dir, err)
	}
	f, _, err := openMark(fsys, dir, 0)
	if err != nil {
		return s, fmt.Errorf("survey %s: %w", dir, err)
	}
	if f != nil {
		m, reason, err := readMark(f, id.copy)
		f.Close()
		if err != nil {
			return s, fmt.Errorf("survey %s: %w", dir, err)
		}
		if s.Marked = reason == ""; s.Marked {
			s.Rev = m.pos.rev
			if m.pos.stamp != 0 {
				s.Time = m.pos.stamp.Time().UTC()
			}
		}
	}
	for _, of := range []struct {
		dir   string
		count *FileCount
	}{{logDir, &s.Log}, {historyDir, &s.History}, {quarantineDir, &s.Quarantine}} {
		if *of.count, err = countFiles(fsys, filepath.Join(dir, of.dir)); err != nil {
			return s, fmt.Errorf("survey %s: %w", dir, err)
		}
	}
	if f, err := fsys.Open(filepath.Join(dir, lockFile)); err == nil {
		h := readHolder(f)
		f.Close()
		s.LastPid, s.LastCommand, s.LastLockedAt = h.Pid, h.Command, h.Since
	}
	return s, nil
}

func (s *Survey) manifest(fsys FS, dir string) error {
	b, err := readSmall(fsys, filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := decodeManifest(b)
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Manifest = true
	s.Tables, s.TableBytes = m.tableBytes()
	runs := make(map[uint64]bool)
	for i := range m.tables {
		runs[m.tables[i].run] = true
	}
	s.Runs, s.Merging, s.MergeDue = len(runs), m.merge != nil, m.dueMerge(foldSize) != nil
	s.Folded, s.HistoryFrom = m.folded.rev, m.historyFrom
	if m.historyStamp != 0 {
		s.HistoryTime = m.historyStamp.Time().UTC()
	}
	s.Sync, s.Keep = m.setting(settingSync, syncAlways), m.setting(settingKeep, "7d")
	return nil
}
