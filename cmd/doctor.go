package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newDoctor(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything, and say which command mends it",
		Long: `Looks at the database from all sides and says on one screen what is well (ok),
what deserves attention (warn) and what is damaged (bad), with the command that
mends it: place and disk, lock, format, every file as "check" does, leftovers,
snapshots, history, settings, clock. It never writes and takes no lock, so it
works on a copy, a read-only disk, a database that does not open, and a single
file. For programs a row is state, what, text, command.`,
		Example:     "kvsh doctor\nkvsh doctor --json",
		Args:        operands(0, 0),
		Annotations: exits("0 nothing is damaged, 3 cannot be read, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.doctor(c.Context()); err != nil {
				return fmt.Errorf("doctor: %w", err)
			}
			return nil
		},
	}
}

// healthState is how serious a finding is. The words are part of what programs
// read.
type healthState string

// The states.
const (
	healthy   healthState = "ok"
	attention healthState = "warn"
	broken    healthState = "bad" // damaged: the exit code is 4
)

// A finding is one line of the doctor.
type finding struct {
	state   healthState
	what    string // one word; programs know it
	text    string
	command string // that mends it; empty: there is none, or no need
}

// A doctor looks at one database and collects findings.
type doctor struct {
	s      *Session
	ctx    context.Context
	path   string
	now    time.Time
	found  []finding
	damage error // the first one

	survey engine.Survey
	report engine.Report
}

func (d *doctor) ok(what, f string, args ...any) {
	d.found = append(d.found, finding{healthy, what, fmt.Sprintf(f, args...), ""})
}

func (d *doctor) warn(what, command, f string, args ...any) {
	d.found = append(d.found, finding{attention, what, fmt.Sprintf(f, args...), command})
}

func (d *doctor) bad(what, command, f string, args ...any) {
	d.found = append(d.found, finding{broken, what, fmt.Sprintf(f, args...), command})
}

// doctor looks at the database and writes what it finds.
func (s *Session) doctor(ctx context.Context) error {
	if err := onDisk(s.path()); err != nil {
		return err
	}
	d := &doctor{s: s, ctx: ctx, path: s.path(), now: time.Now()}
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	d.place(info)
	if info.IsDir() {
		err = d.database()
	} else {
		err = d.file()
	}
	if err != nil {
		return err
	}
	if err := s.findings(d.found); err != nil {
		return err
	}
	return ofFile(d.path, d.damage)
}

// database looks at a database in a directory.
func (d *doctor) database() (err error) {
	if d.survey, err = engine.SurveyOf(nil, d.path); err != nil {
		return err
	}
	if d.report, err = engine.Check(d.ctx, nil, d.path, false); err != nil {
		if errors.Is(err, engine.ErrNoDatabase) {
			return &missingError{d.path}
		}
		return err
	}
	d.damage = d.report.Err()
	d.space()
	d.lock()
	d.format()
	d.check()
	d.quarantine()
	d.leftovers()
	d.tables()
	d.history()
	d.settings()
	d.clock()
	return d.snapshots()
}

// file looks at a single file: a snapshot, or whatever else it is.
func (d *doctor) file() error {
	info, err := engine.SnapshotInfoOf(nil, d.path)
	if err == nil {
		d.ok("snapshot", "of rev %d, %s, made %s", info.Rev, plural(info.Keys, "key"), d.ago(info.Created))
	}
	if err == nil || errors.Is(err, engine.ErrDamaged) {
		if d.report, err = engine.Check(d.ctx, nil, d.path, false); err != nil {
			return err
		}
		d.damage = d.report.Err()
		d.check()
		return nil
	}
	what, parts, bad := "", int64(0), int64(0)
	err = engine.Inspect(d.ctx, nil, d.path, 0, func(p engine.Piece) bool {
		switch {
		case what == "":
			what = p.What
		case p.Bad != "":
			bad++
			if d.damage == nil {
				d.damage = &engine.CorruptError{File: d.path, Offset: p.Offset, Reason: p.Bad}
			}
		}
		parts++
		return true
	})
	if err != nil {
		return err
	}
	inspect := d.s.typedAlone("inspect " + format.Word([]byte(d.path)))
	if bad > 0 {
		d.bad("file", inspect, "one file of a database, a %s: %d of %s bad", what, bad, plural(parts-1, "part"))
	} else {
		d.warn("file", inspect, "one file of a database, a %s, with good parts only", what)
	}
	return nil
}

// ago is how long before now a moment was.
func (d *doctor) ago(t time.Time) string {
	age := format.HumanAge(d.now, t)
	if age == "now" || t.After(d.now) {
		return age
	}
	return age + " ago"
}
