package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newLog(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "log",
		Short: "Look into the log of transactions",
		Long:  "Everything that was ever written stands in the log, a record a transaction.",
	}, newLogLs(s), newLogShow(s), newLogStat(s), newLogGrep(s), newLogFollow(s), newLogVerify(s))
}

func newLogLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "ls",
		Short:       "List the segments of the log",
		Example:     "kvsh log ls\nkvsh log ls --json",
		Args:        operands(0, 0),
		Annotations: exits("0, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			err := hasLog(s.path())
			var segments []engine.SegmentInfo
			if err == nil {
				segments, err = engine.Segments(c.Context(), nil, s.path())
			}
			if err != nil {
				return fmt.Errorf("log ls: %w", err)
			}
			rows, err := s.rows(
				format.Column{Name: "segment", Kind: format.Text, Whole: true}, format.Column{Name: "first", Kind: format.Int},
				format.Column{Name: "last", Kind: format.Int}, format.Column{Name: "records", Kind: format.Int},
				format.Column{Name: "bytes", Kind: format.Size}, format.Column{Name: "from", Kind: format.Time},
				format.Column{Name: "to", Kind: format.Time}, format.Column{Name: "state", Kind: format.Text})
			if err != nil {
				return err
			}
			var bad error
			for i := range segments {
				g := &segments[i]
				state := string(g.State)
				if g.Reason != "" {
					state += fmt.Sprintf(" at byte %d: %s", g.Offset, g.Reason)
				}
				if g.State == engine.SegmentDamaged && bad == nil {
					bad = fmt.Errorf("log ls: %w", &engine.CorruptError{File: g.File, Offset: g.Offset, Reason: g.Reason})
				}
				err := rows.Row(g.File, uint64(g.First), uint64(g.Last), g.Records, g.Bytes, g.FirstTime, g.LastTime, state)
				if err != nil {
					return err
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
			return bad
		},
	}
}

// hasLog refuses what has no log: a database in memory, a snapshot.
func hasLog(path string) error {
	if err := onDisk(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !isSegment(path) {
		e := &refusedError{reason: "a snapshot has no log", hint: `"kvsh inspect FILE" shows what any file holds`}
		if _, err := engine.SnapshotInfoOf(nil, path); err != nil {
			e.reason = fmt.Sprintf("%q has no log: of single files only a segment has one, and 20 digits as its name", path)
		}
		return e
	}
	return nil
}

// isSegment reports whether a file has the name of a segment of the log.
func isSegment(path string) bool {
	name := filepath.Base(path)
	return len(name) == 20 && strings.Trim(name, "0123456789") == ""
}

// revSpan reads REV, REV..REV, REV.. and ..REV; 0 is an open end.
func revSpan(args []string) (from, to engine.Rev, err error) {
	if len(args) == 0 {
		return 0, 0, nil
	}
	lo, hi, isSpan := strings.Cut(args[0], "..")
	if !isSpan {
		hi = lo
	}
	for _, end := range []struct {
		text string
		rev  *engine.Rev
	}{{lo, &from}, {hi, &to}} {
		if end.text == "" && isSpan {
			continue
		}
		n, err := strconv.ParseUint(end.text, 10, 64)
		if err != nil || n == 0 {
			return 0, 0, usagef("not a revision: %s", quoted(args[0]))
		}
		*end.rev = engine.Rev(n)
	}
	if to != 0 && from > to {
		return 0, 0, usagef("the span %s ends before it begins", quoted(args[0]))
	}
	return from, to, nil
}

func newLogVerify(s *Session) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:         "verify",
		Short:       "Check every record of the log, change nothing",
		Example:     "kvsh log verify\nkvsh log verify --deep",
		Args:        operands(0, 0),
		Annotations: exits("0 sound, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			if onlySegments(s.path()) {
				r, err := checkSegments(c.Context(), s.path())
				if err != nil {
					return fmt.Errorf("log verify: %w", err)
				}
				return s.checked(&r)
			}
			r, err := s.check(c.Context(), s.path(), deep)
			if err != nil {
				return fmt.Errorf("log verify: %w", err)
			}
			var faults []engine.Fault
			for _, f := range r.Faults {
				if strings.HasPrefix(f.File, "log/") || strings.HasPrefix(f.File, "history/") {
					faults = append(faults, f)
				}
			}
			r.Faults = faults
			if len(faults) == 0 && r.Verdict == engine.VerdictDamaged {
				r.Verdict = engine.VerdictClean // the damage is elsewhere
			}
			return s.checked(&r)
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "also compare what the files say of each other")
	return c
}

// onlySegments reports whether a path is a segment, or a folder of them without
// the other files of a database.
func onlySegments(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return err == nil && isSegment(path)
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !isSegment(e.Name()) })
}

// checkSegments reads segments that stand alone. What had been acknowledged
// cannot be told without the files around them.
func checkSegments(ctx context.Context, path string) (engine.Report, error) {
	r := engine.Report{Path: path, Verdict: engine.VerdictClean}
	segments, err := engine.Segments(ctx, nil, path)
	if err != nil {
		return r, err
	}
	for i := range segments {
		g := &segments[i]
		r.Files++
		r.Bytes += g.Bytes
		r.Records += g.Records
		r.Rev = g.Last
	}
	err = engine.Records(ctx, nil, path, 0, 0, func(bad engine.RecordInfo) bool {
		if bad.Bad == "" {
			return true
		}
		f := engine.Fault{File: bad.File, Offset: bad.Offset, Rev: bad.Rev, Reason: bad.Bad, Acknowledged: engine.AcknowledgedUnknown}
		for _, o := range bad.Ops {
			f.Keys = append(f.Keys, o.Key)
		}
		r.Faults, r.Verdict = append(r.Faults, f), engine.VerdictDamaged
		return true
	})
	return r, err
}
