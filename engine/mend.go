package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// repairLog is a text at the top of a database that says, in lines that
	// are only ever appended, what repairs have done to it.
	repairLog = "repair.log"

	// repairTemp is where a file is written before it takes the place of
	// another. It is not in log/: names there mean something to the library.
	repairTemp = "repair.new"
)

// A mender is the state of one repair, planned or done.
type mender struct {
	ctx      context.Context
	fsys     FS
	dir      string
	o        *RepairOptions
	planning bool // on an overlay: nothing is copied aside
	boot     bootID

	id      identity
	man     *manifest
	mark    mark
	markBad string // why MARK cannot be used; empty: it can
	db      *DB    // for what makes tables and reads records; it is never opened

	plan  *Plan
	aside map[string]bool // files of which a copy lies in quarantine/
	// suspect is the files in which the check found faults; nil: it could not
	// tell, for want of FORMAT or MANIFEST.
	suspect map[string]bool
	spans   []spanOfTable // where versions of tables are lost
}

// errUnmendable is a fault that no repair can mend.
type errUnmendable struct{ fault Fault }

func (e *errUnmendable) Error() string { return e.fault.String() }

func unmendable(file, format string, args ...any) error {
	return &errUnmendable{Fault{
		File: file, Acknowledged: AcknowledgedUnknown,
		Reason: fmt.Sprintf(format, args...) + "; salvage collects what is whole",
	}}
}

// mend makes the repair, and says what it did.
func mend(ctx context.Context, fsys FS, dir string, o *RepairOptions, planning bool) (*Plan, error) {
	if err := repairable(fsys, dir); err != nil {
		return nil, err
	}
	m := &mender{
		ctx: ctx, fsys: fsys, dir: dir, o: o, planning: planning, boot: currentBoot(),
		plan: &Plan{Path: dir, Complete: true}, aside: make(map[string]bool),
	}
	before, err := Check(ctx, fsys, dir, true)
	if err != nil {
		return nil, err
	}
	m.plan.Verdict, m.plan.Rev = before.Verdict, before.Rev
	if before.Verdict == VerdictClean && !m.markStale() {
		return m.plan, nil
	}
	m.suspect = make(map[string]bool)
	for _, f := range before.Faults {
		m.suspect[f.File] = true
	}
	if m.suspect[formatFile] || m.suspect[manifestFile] || before.Verdict == VerdictClean {
		m.suspect = nil
	}
	if err := m.note("began: %s, %d faults", before.Verdict, len(before.Faults)); err != nil {
		return nil, err
	}
	for _, step := range []func() error{m.folders, m.format, m.manifest, m.readMark, m.strangers, m.torn, m.log, m.tables, m.writeMark} {
		if err = step(); err != nil {
			break
		}
		if err = ctx.Err(); err != nil {
			return nil, err
		}
	}
	var hopeless *errUnmendable
	var damage *CorruptError
	switch {
	case errors.As(err, &hopeless):
		m.plan.Left = []Fault{hopeless.fault}
		if planning {
			m.plan.Actions = nil
		}
		return m.plan, nil
	case errors.As(err, &damage):
		// Something that a repair took for granted is damaged too.
		m.plan.Left = []Fault{{
			File: damage.File, Offset: damage.Offset, Rev: damage.Rev, Reason: damage.Reason, Acknowledged: AcknowledgedUnknown,
		}}
		return m.plan, nil
	case err != nil:
		return nil, err
	}
	after, err := Check(ctx, fsys, dir, true)
	if err != nil {
		return nil, err
	}
	m.plan.Rev = after.Rev
	for _, f := range after.Faults {
		if f.Acknowledged != AcknowledgedNo {
			m.plan.Left = append(m.plan.Left, f)
		}
	}
	if err := m.fallBacks(); err != nil {
		return nil, err
	}
	return m.plan, m.note("ended: revision %d, %d lost, %d faults left", after.Rev, m.plan.LossN, len(m.plan.Left))
}

func (m *mender) now() time.Time {
	if m.o.Now != nil {
		return m.o.Now()
	}
	return time.Now()
}

// note appends a line to the log of repairs.
func (m *mender) note(format string, args ...any) error {
	if m.planning {
		return nil
	}
	line := m.now().UTC().Format(time.RFC3339) + " " + fmt.Sprintf(format, args...) + "\n"
	f, err := m.fsys.OpenFile(filepath.Join(m.dir, repairLog), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt([]byte(line), info.Size())
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return m.fsys.SyncDir(m.dir)
}

// act notes an action.
func (m *mender) act(a Action) {
	m.plan.Actions = append(m.plan.Actions, a)
	if !m.planning && m.o.Notice != nil {
		m.o.Notice(fmt.Sprintf("%s %s: %s", a.What, a.File, a.Note))
	}
}

// cut moves bytes of a file to quarantine/.
func (m *mender) cut(file string, offset int64, data []byte, reason string) error {
	if m.planning || len(data) == 0 {
		return nil
	}
	name, err := quarantine(m.fsys, m.dir, file, offset, data, reason, m.now())
	if err != nil {
		return err
	}
	return m.note("cut %d bytes at %d of %s, kept as %s: %s", len(data), offset, file, name, reason)
}

// keep copies a file to quarantine/ as it is, once in a repair.
func (m *mender) keep(file string) error {
	if m.planning || m.aside[file] {
		return nil
	}
	in, err := m.fsys.OpenFile(filepath.Join(m.dir, filepath.FromSlash(file)), os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	from := io.NewSectionReader(in, 0, info.Size())
	name, err := quarantineFrom(m.fsys, m.dir, file, 0, info.Size(), from, "the whole file as it was before a repair", m.now())
	if err != nil {
		return err
	}
	m.aside[file] = true
	return m.note("copied %s as %s", file, name)
}

// replace puts a file in place whole, durably. The old one is kept.
func (m *mender) replace(file string, content []byte) error {
	if err := m.keep(file); err != nil {
		return err
	}
	temp, path := filepath.Join(m.dir, repairTemp), filepath.Join(m.dir, filepath.FromSlash(file))
	if err := writeNew(m.fsys, temp, content); err != nil {
		return err
	}
	if err := m.fsys.Rename(temp, path); err != nil {
		return err
	}
	if err := m.fsys.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := m.note("wrote %s anew, %d bytes", file, len(content)); err != nil {
		return err
	}
	return m.fsys.SyncDir(m.dir)
}

// sound reports whether the check has read a table whole and found it good, so
// that it need not be read again.
func (m *mender) sound(s *tableSalvage) bool {
	return s.opened && m.suspect != nil && !m.suspect[s.t.name]
}

// folders makes the folders that are missing.
func (m *mender) folders() error {
	made := false
	for _, sub := range []string{logDir, historyDir, tablesDir, quarantineDir} {
		err := m.fsys.Mkdir(filepath.Join(m.dir, sub), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		made = made || err == nil
	}
	if made {
		return m.fsys.SyncDir(m.dir)
	}
	return nil
}

// readMark reads MARK, if it is any good.
func (m *mender) readMark() error {
	f, reason, err := openMark(m.fsys, m.dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	if f != nil {
		m.mark, reason, err = readMark(f, m.id.copy)
		f.Close()
		if err != nil {
			return err
		}
	}
	m.markBad = reason
	return nil
}

// acknowledged is the revision up to which records had been acknowledged
// whatever has become of the machine.
func (m *mender) acknowledged() Rev {
	e := logEnd{mark: m.mark, markBad: m.markBad, current: m.markBad == "" && m.mark.current(m.boot)}
	return e.acknowledged()
}

// endOfLog is where the log is to end, if last is the last record there is.
func (m *mender) endOfLog(last Rev) Rev { return max(last, m.acknowledged(), m.man.folded.rev) }

// torn cuts a torn tail as the next writer would.
func (m *mender) torn() error {
	e, err := inspectLog(m.fsys, m.dir, m.id, m.boot)
	if err != nil || e.torn == nil {
		if errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
			return nil // and is mended
		}
		return err
	}
	var bytes int64
	for _, first := range e.firsts {
		info, err := m.fsys.Stat(filepath.Join(m.dir, logDir, segmentName(first)))
		if err != nil {
			return err
		}
		if first == e.end.segment {
			bytes += info.Size() - e.end.offset
		} else if first > e.end.segment {
			bytes += info.Size()
		}
	}
	m.act(Action{
		What: ActCut, File: logDir + "/" + segmentName(e.end.segment), Offset: e.end.offset, Bytes: bytes, Lossless: true,
		Note: e.torn.reason + ": an unfinished transaction that was never acknowledged",
	})
	return e.cut(m.fsys, m.dir, &Options{Now: m.now})
}

// markStale reports whether MARK, though it reads well, does not say where the
// log ends: a repair was stopped before it came to that.
func (m *mender) markStale() bool {
	id, err := readIdentity(m.fsys, m.dir)
	if err != nil {
		return false
	}
	e, err := inspectLog(m.fsys, m.dir, id, m.boot)
	return err == nil && e.current && e.end.rev == e.mark.pos.rev &&
		(e.end.segment != e.mark.pos.segment || e.end.offset != e.mark.pos.offset)
}

// writeMark makes what was mended durable and writes MARK, if it is not as the
// log is.
func (m *mender) writeMark() error {
	e, err := recoverLog(m.fsys, m.dir, m.id, m.boot, &Options{Now: m.now})
	if err != nil {
		return err
	}
	same := e.markBad == "" && e.end.rev == e.mark.pos.rev && e.end.segment == e.mark.pos.segment && e.end.offset == e.mark.pos.offset
	if same && e.mark.generation == e.man.generation {
		return nil
	}
	if err := m.keep(markFile); err != nil {
		return err
	}
	if !same {
		m.act(Action{What: ActRewrite, File: markFile, Bytes: markSize, Lossless: true, Note: "written from the log, which is whole"})
	}
	next := mark{copy: m.id.copy, boot: m.boot, pos: e.end, durable: e.end.rev, syncedAt: m.now().UnixMilli(), generation: e.man.generation}
	next.pos.stamp = max(next.pos.stamp, e.man.folded.stamp)
	if e.markBad == "" && e.end.rev == e.mark.pos.rev {
		next.pos.stamp = max(next.pos.stamp, e.mark.pos.stamp)
	}
	b := next.encode()
	return m.replace(markFile, b[:])
}
