package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newCheck(s *Session) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:   "check [PATH]",
		Short: "Check every file of the database, change nothing",
		Long: `Reads every file and says in one verdict whether all is what was written. Never
writes. A row for each fault comes before it: file, offset, rev, reason, then
"acknowledged" (yes, no, or unknown: whether what is lost there had been
acknowledged to its writer), "keys" (up to 20 of the keys concerned, as words),
and of a place in a table "keys_from", "keys_to" and "entries": the span of the
keys and how many entries are lost. The last row is the verdict: clean, torn
(the next write mends it, nothing acknowledged is lost) or damaged; then rev,
files, bytes, records, tables, entries, probes, faults. In --json what is not
known is left out.`,
		Example:     "kvsh check\nkvsh check --deep --json",
		Args:        operands(0, 1),
		Annotations: exits("0 sound, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			path := s.path()
			if len(args) == 1 {
				path = args[0]
			}
			if err := s.otherPath("check", path); err != nil {
				return err
			}
			r, err := s.check(c.Context(), path, deep)
			if err != nil {
				return fmt.Errorf("check: %w", err)
			}
			return s.checked(&r)
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "also compare what the files say of each other")
	return c
}

// check looks at every file of a database or snapshot.
func (s *Session) check(ctx context.Context, path string, deep bool) (engine.Report, error) {
	if err := onDisk(path); err != nil {
		return engine.Report{}, err
	}
	ctx, end := s.withProgress(ctx, "check")
	defer end()
	return engine.Check(ctx, nil, path, deep)
}

// checked writes the faults and the verdict. The error of a damaged database
// names the first fault again, for whoever sees only stderr.
func (s *Session) checked(r *engine.Report) error {
	if err := s.faults(r.Faults); err != nil {
		return err
	}
	if err := s.verdict(r); err != nil {
		return err
	}
	for _, remark := range r.Remarks {
		s.remark("remark: " + remark)
	}
	if r.Next != "" {
		s.remark("the next write: " + r.Next)
	}
	err := r.Err()
	if err != nil && !r.Snapshot {
		return &damagedError{
			reason: fmt.Sprintf("check %q: %v", r.Path, err),
			hint:   `"kvsh repair" plans the way out and changes nothing`,
		}
	}
	if err != nil {
		return fmt.Errorf("check: %w", ofFile(r.Path, err))
	}
	return nil
}

// faults writes what is wrong, if anything is.
func (s *Session) faults(faults []engine.Fault) error {
	people, err := s.forPeople()
	if err != nil || len(faults) == 0 {
		return err
	}
	if people {
		for i := range faults {
			if err := writeFault(s.out, &faults[i]); err != nil {
				return err
			}
		}
		return nil
	}
	rows, err := s.rows(
		format.Column{Name: "file", Kind: format.Text, Whole: true}, format.Column{Name: "offset", Kind: format.Int},
		format.Column{Name: "rev", Kind: format.Int}, format.Column{Name: "reason", Kind: format.Text},
		format.Column{Name: "acknowledged", Kind: format.Text}, format.Column{Name: "keys", Kind: format.Bytes},
		format.Column{Name: "keys_from", Kind: format.Bytes}, format.Column{Name: "keys_to", Kind: format.Bytes},
		format.Column{Name: "entries", Kind: format.Int})
	if err != nil {
		return err
	}
	for i := range faults {
		f := &faults[i]
		var from, to, entries any
		if f.KeysTo != "" {
			from, to = f.KeysFrom, f.KeysTo
		}
		if f.Entries > 0 {
			entries = f.Entries
		}
		err := rows.Row(f.File, f.Offset, known(f.Rev), f.Reason, f.Acknowledged, keyList(f.Keys), from, to, entries)
		if err != nil {
			return err
		}
	}
	return rows.Close()
}

// known is a revision as a cell, which is absent where none is known.
func known(rev engine.Rev) any {
	if rev == 0 {
		return nil
	}
	return uint64(rev)
}

// verdict writes the last line of a check.
func (s *Session) verdict(r *engine.Report) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	if m == format.JSONL || m == format.JSON || m == format.CSV {
		return s.row([]format.Column{
			{Name: "verdict", Kind: format.Text},
			{Name: "rev", Kind: format.Int},
			{Name: "files", Kind: format.Int},
			{Name: "bytes", Kind: format.Int},
			{Name: "records", Kind: format.Int},
			{Name: "tables", Kind: format.Int},
			{Name: "entries", Kind: format.Int},
			{Name: "probes", Kind: format.Int},
			{Name: "faults", Kind: format.Int},
		}, string(r.Verdict), uint64(r.Rev), r.Files, r.Bytes, r.Records, r.Tables, r.Entries, r.Probes, len(r.Faults))
	}
	verdict := fmt.Sprintf("%s at rev %d", r.Verdict, r.Rev)
	if n := len(r.Faults); n > 0 {
		verdict = fmt.Sprintf("%s, %s", r.Verdict, plural(int64(n), "fault"))
	}
	_, err = fmt.Fprintf(s.out, "%s: %s; read %s (%s) with %s and %s\n", format.Safe(r.Path), verdict,
		plural(r.Files, "file"), format.HumanSize(r.Bytes), plural(r.Records, "record"), plural(r.Entries, "table entry"))
	return err
}
