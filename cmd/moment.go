package cmd

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// A moment names a state of the past: by its revision, or by a time. The zero
// moment is now.
type moment struct {
	rev  engine.Rev
	time time.Time // zero: rev counts
}

func (m moment) isNow() bool { return m == moment{} }

// momentHelp is how the help of a command explains the forms of a moment.
const momentHelp = `A state of the past is named by a revision (913), by how long ago it was (10m,
2h, 3d), or by a time: 2026-11-21T08:00:00Z, or in the local time zone
2026-11-21, '2026-11-21 08:00' or 08:00, which is today. Keys that expired later
are there as they were.`

// parseMoment reads a revision, a time span before now, or a time.
func parseMoment(text string, now time.Time) (moment, error) {
	if rev, err := strconv.ParseUint(text, 10, 64); err == nil {
		if rev == 0 {
			return moment{}, usagef("revisions begin at 1")
		}
		return moment{rev: engine.Rev(rev)}, nil
	}
	if d, err := parseDuration(text); err == nil {
		return moment{time: now.Add(-d)}, nil
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			now = now.Local()
			return moment{time: time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.Local)}, nil
		}
	}
	if t, err := parseTime(text); err == nil {
		return moment{time: t}, nil
	}
	return moment{}, &usageError{
		reason: fmt.Sprintf("not a revision or moment: %q", text),
		hint:   "say 913, 10m (ago), 2026-01-31, '2026-01-31 08:00' or 2026-01-31T08:00:00Z",
	}
}

// momentFlag is a flag with a moment.
type momentFlag moment

func (f *momentFlag) String() string { return "" }
func (f *momentFlag) Type() string   { return "R" }

func (f *momentFlag) Set(text string) error {
	m, err := parseMoment(text, time.Now())
	*f = momentFlag(m)
	return err
}

// bindAt declares the flag of commands that can read the past.
func (m *moment) bindAt(c *cobra.Command) {
	c.Flags().Var((*momentFlag)(m), "at", "the state at revision `R`, at a time, or so long ago as 10m")
}

// pastFlags are the flags of commands that make a database of an earlier state.
type pastFlags struct {
	rev  uint64
	time moment
}

// bind declares them; from says where such a state is taken from.
func (p *pastFlags) bind(c *cobra.Command, from string) {
	c.Flags().Uint64Var(&p.rev, "to-rev", 0, "the state at revision `N`"+from)
	c.Flags().Var((*momentFlag)(&p.time), "to-time", "the state at the moment `T`, or so long ago as 10m"+from)
}

// moment is the state that was asked for, or now if none was.
func (p *pastFlags) moment(c *cobra.Command) (moment, error) {
	isRev := c.Flags().Changed("to-rev")
	switch {
	case isRev && !p.time.isNow():
		return moment{}, usageOf(c, "--to-rev and --to-time exclude each other")
	case isRev && p.rev == 0:
		return moment{}, usageOf(c, "--to-rev: revisions begin at 1")
	case isRev:
		return moment{rev: engine.Rev(p.rev)}, nil
	}
	return p.time, nil
}

// viewAt runs fn on the state of a moment, or, for now, on what there is to
// read.
func (s *Session) viewAt(ctx context.Context, at moment, fn func(engine.Tx) error) error {
	if at.isNow() {
		return s.view(ctx, fn)
	}
	if s.tx != nil {
		return usagef("--at: not within a transaction, which reads one state")
	}
	store, err := s.open(ctx, toRead)
	if err != nil {
		return err
	}
	return viewMoment(ctx, store, at, func(tx engine.Tx) error { return fn(s.family(tx)) })
}

// viewMoment runs fn on the state that a store had at a moment.
func viewMoment(ctx context.Context, store engine.Store, at moment, fn func(engine.Tx) error) error {
	if at.time.IsZero() {
		return store.View(ctx, at.rev, fn)
	}
	h, ok := store.(engine.Historian)
	if !ok {
		return fmt.Errorf("a state by its time: %w", engine.ErrUnsupported)
	}
	return h.ViewTime(ctx, at.time, fn)
}

// revOf is the revision of a moment that is not now.
func revOf(ctx context.Context, store engine.Historian, at moment) (engine.Rev, error) {
	if at.time.IsZero() {
		return at.rev, nil
	}
	return store.RevAt(ctx, at.time)
}
