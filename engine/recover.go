package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Recovery: what a writer does, under the lock, before it appends to a log it
// has not itself written last. In the words of hashicorp/raft-wal, after a
// crash one of these states is there:
//
//   - clean: the log ends where MARK says. Nothing to do.
//   - ahead: whole records stand behind MARK. Their writer was stopped before
//     it could answer; they are made durable and kept.
//   - torn: bytes stand behind the last good record that are no record, and
//     nothing proves that they were ever acknowledged. They go to quarantine/.
//   - damaged: a bad place that had been acknowledged. Nothing is changed, and
//     writing is refused.
//
// A bad place had been acknowledged if MARK is beyond it, or if a whole record
// behind it carries the flag that all before it was durable.

// A logEnd is what recovery found.
type logEnd struct {
	man     *manifest
	mark    mark
	markBad string   // why MARK cannot be used; empty if it can
	current bool     // MARK was written since the machine started
	firsts  []Rev    // segments
	end     position // behind the last good record
	torn    *badPlace
	lost    Rev // revisions up to this were acknowledged, though not yet durable, and are gone
}

// inspectLog finds the end of the log. It changes nothing. An error that is
// ErrDamaged is the verdict damaged.
func inspectLog(fsys FS, dir string, id identity, boot bootID) (*logEnd, error) {
	e := new(logEnd)
	var err error
	if e.man, err = readManifest(fsys, dir, id.id); err != nil {
		return nil, err
	}
	f, reason, err := openMark(fsys, dir, 0)
	if err != nil {
		return nil, err
	}
	if f != nil {
		e.mark, reason, err = readMark(f, id.copy)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	e.markBad = reason
	e.current = reason == "" && e.mark.current(boot)
	logPath := filepath.Join(dir, logDir)
	var foreign []string
	e.firsts, foreign, err = listSegments(fsys, logPath)
	if errors.Is(err, fs.ErrNotExist) {
		err = &CorruptError{File: logDir, Rev: e.man.folded.rev + 1, Reason: "the folder is missing"}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range foreign {
		// The library would take these for half-finished truncations, which
		// nobody here makes, and delete segments because of them.
		if len(name) >= 20 {
			return nil, &CorruptError{File: logDir + "/" + name, Reason: "no file of this database"}
		}
	}
	e.end, err = scanLog(fsys, logPath, e.firsts, e.from(), nil, e.checkMark)
	var bad *badPlace
	if errors.As(err, &bad) {
		return e, e.judge(fsys, logPath, bad)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = &CorruptError{File: logDir, Rev: e.end.rev + 1, Reason: "the segment with this revision is missing"}
	}
	if err != nil {
		return nil, err
	}
	if e.end.segment == 0 {
		return nil, &CorruptError{File: logDir, Rev: e.end.rev + 1, Reason: "no segment is there"}
	}
	return e, e.judgeEnd()
}

// from is where the scan begins: since the machine last started, everything
// before the last segment was read by somebody; else all that is not in tables.
func (e *logEnd) from() position {
	m := e.mark.pos
	switch {
	case !e.current || m.segment <= e.man.folded.rev+1 || m.rev+1 < m.segment:
		return e.man.folded
	case m.rev+1 == m.segment:
		return position{rev: m.rev, sum: m.sum, anySum: m.anySum, stamp: m.stamp} // no record is in it yet
	}
	return position{rev: m.segment - 1, anySum: true}
}

// checkMark compares the record that MARK speaks of.
func (e *logEnd) checkMark(r *record, at position) error {
	m := e.mark.pos
	if e.markBad == "" && r.rev == m.rev && !m.anySum && r.sum != m.sum {
		return &badPlace{at: at, reason: fmt.Sprintf("MARK knows this record with the checksum %08x, it has %08x", m.sum, r.sum)}
	}
	return nil
}

// acknowledged is the revision up to which records had been acknowledged in a
// way that a loss of power cannot excuse.
func (e *logEnd) acknowledged() Rev {
	switch {
	case e.markBad != "":
		return 0
	case e.current:
		return e.mark.pos.rev
	}
	return e.mark.durable
}

// judge says whether a bad place is a torn tail (nil, e.torn set) or damage.
func (e *logEnd) judge(fsys FS, logPath string, bad *badPlace) error {
	if bad.at.segment == 0 {
		bad.at.segment = bad.at.rev + 1
	}
	e.end = bad.at
	damage := bad.corrupt(logDir)
	if bad.newer || bad.at.rev < e.acknowledged() || bad.at.rev < e.man.folded.rev {
		return damage
	}
	if e.markBad != "" {
		var c *CorruptError
		if errors.As(damage, &c) {
			c.Reason += "; whether it had been acknowledged cannot be told: MARK: " + e.markBad
		}
		return damage
	}
	proof := func(r *record) bool { return r.durableBefore() || r.rev == bad.at.rev+1 }
	for _, first := range e.firsts {
		if first < bad.at.segment {
			continue
		}
		offset := int64(0)
		if first == bad.at.segment {
			offset = bad.at.offset + 1
		}
		found, err := findRecord(fsys, filepath.Join(logPath, segmentName(first)), offset, bad.at.rev, proof)
		if err != nil {
			return err
		}
		if found {
			return damage
		}
	}
	e.torn = bad
	return e.judgeEnd()
}

// judgeEnd compares the end with what MARK says was acknowledged.
func (e *logEnd) judgeEnd() error {
	if e.end.rev < e.acknowledged() {
		bad := badPlace{at: e.end, reason: fmt.Sprintf("records up to revision %d had been acknowledged", e.mark.pos.rev)}
		return bad.corrupt(logDir)
	}
	if e.markBad == "" && e.end.rev < e.mark.pos.rev {
		e.lost = e.mark.pos.rev
	}
	return nil
}

// recoverLog brings the log to a state in which it may be appended to, under
// the lock, and returns its end. notice is told what it did.
func recoverLog(fsys FS, dir string, id identity, boot bootID, o *Options) (*logEnd, error) {
	e, err := inspectLog(fsys, dir, id, boot)
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(dir, logDir)
	if e.torn != nil {
		if err := e.cut(fsys, dir, o); err != nil {
			return nil, fmt.Errorf("cut the torn tail: %w", err)
		}
	}
	if e.lost > e.end.rev {
		o.notice(fmt.Sprintf("revisions %d to %d were lost with the power: sync was not \"always\"", e.end.rev+1, e.lost))
	}
	if e.markBad != "" {
		o.notice("MARK: " + e.markBad + ": written anew from the log, which is whole")
	}
	if !e.current || e.end.rev > e.mark.pos.rev || e.torn != nil {
		// What is there may not be durable yet: its writer did not live to
		// sync it, or synced it in a former life of the machine.
		for _, first := range e.firsts {
			if first <= e.end.segment && (!e.current || first >= e.mark.pos.segment) {
				if err := syncFile(fsys, filepath.Join(logPath, segmentName(first))); err != nil {
					return nil, err
				}
			}
		}
		if err := syncLogDir(fsys, dir); err != nil {
			return nil, err
		}
	}
	if e.end.rev == e.man.folded.rev || !e.current {
		// Nothing was committed since FORMAT or MANIFEST took its place, or MARK
		// is of a repair. Whoever put it there may have been killed before the
		// name was durable.
		if err := fsys.SyncDir(dir); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// cut moves the torn tail to quarantine/: later segments first, so that a
// crash in between leaves a torn tail again.
func (e *logEnd) cut(fsys FS, dir string, o *Options) error {
	logPath := filepath.Join(dir, logDir)
	var cut int64
	for _, first := range slices.Backward(e.firsts) {
		if first < e.end.segment {
			break
		}
		offset := int64(0)
		if first == e.end.segment {
			offset = e.end.offset
		}
		path := filepath.Join(logPath, segmentName(first))
		data, err := readSegmentFrom(fsys, path, offset)
		if err != nil {
			return err
		}
		if len(data) > 0 {
			if _, err := quarantine(fsys, dir, logDir+"/"+segmentName(first), offset, data, e.torn.reason, o.now()); err != nil {
				return err
			}
		}
		cut += int64(len(data))
		if first == e.end.segment {
			err = cutSegment(fsys, logPath, e.end)
		} else {
			err = fsys.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	e.firsts = slices.DeleteFunc(e.firsts, func(first Rev) bool { return first > e.end.segment })
	o.notice(fmt.Sprintf("%s/%s: cut %d bytes of an unfinished transaction after revision %d, kept in %s/",
		logDir, segmentName(e.end.segment), cut, e.end.rev, quarantineDir))
	return syncLogDir(fsys, dir)
}

// syncFile makes a file durable that somebody else wrote.
func syncFile(fsys FS, path string) error {
	f, err := fsys.OpenFile(path, 0, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
