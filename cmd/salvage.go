package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newSalvage(s *Session) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "salvage [PATH…]",
		Short: "Collect what is whole of anything into a new database",
		Long: `Reads every whole record, table entry and snapshot entry at the paths, or of the
database, also where it does not open and also behind bad places, and writes the
newest version of each key into the new database of --to. Deletes count. A path
may be a database, a segment, a table or a snapshot. A line says where nothing
could be read: where the newest version of a key stood there, the one before
comes back. The new database has revisions of its own and no history. Nothing at
the paths is changed.`,
		Example:     "kvsh salvage --to salvaged.kv\nkvsh salvage t.kv --to again.kv",
		Args:        operands(0, -1),
		Annotations: exits("0 everything could be read, 4 there are gaps, 6 the target exists"),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return usageOf(c, "--to is missing")
			}
			if len(args) == 0 {
				args = []string{s.path()}
			}
			if err := s.salvage(c.Context(), args, to); err != nil {
				return fmt.Errorf("salvage: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "make the new database `DB`")
	return c
}

func (s *Session) salvage(ctx context.Context, paths []string, to string) error {
	if err := s.otherFiles("salvage"); err != nil {
		return err
	}
	for _, path := range append([]string{to}, paths...) {
		if isMemory(path) {
			return errInMemory
		}
	}
	for _, path := range paths {
		if err := onDisk(path); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Dir(to)); err != nil {
		return err
	}
	switch _, err := os.Stat(to); {
	case err == nil:
		return &refusedError{reason: fmt.Sprintf("target %q exists", to), hint: "salvage makes a new database; name another one"}
	case s.set.ReadOnly && !s.damaged:
		return engine.ErrReadOnly
	case s.set.DryRun:
		s.remark("dry run: would make " + to)
		return nil
	}
	ctx, end := s.withProgress(ctx, "salvage")
	defer end()
	r, err := engine.Salvage(ctx, nil, paths, to, engine.Options{Writer: s.writer()})
	end()
	if err != nil {
		return err
	}
	if err := s.showGaps(r.Gaps); err != nil {
		return err
	}
	s.remark(fmt.Sprintf("salvaged %s: %s; read %s, %s, %s", to, plural(r.Keys, "key"),
		plural(r.Files, "file"), plural(r.Records, "record"), plural(r.Entries, "table entry")))
	if r.Uncertain > 0 {
		s.remark(fmt.Sprintf("%s that nothing names any more: keys that were deleted may be back", plural(r.Uncertain, "table")))
	}
	if n := len(r.Gaps); n > 0 {
		return &damagedError{
			reason: fmt.Sprintf("%s could not be read", plural(int64(n), "place")),
			hint:   "where the newest version of a key stood there, the new database has the one before",
		}
	}
	return nil
}

// showGaps writes the places of which nothing could be read.
func (s *Session) showGaps(gaps []engine.Gap) error {
	if len(gaps) == 0 {
		return nil
	}
	rows, err := s.rows(
		format.Column{Name: "file", Kind: format.Text, Whole: true}, format.Column{Name: "offset", Kind: format.Int},
		format.Column{Name: "bytes", Kind: format.Size}, format.Column{Name: "rev", Kind: format.Int},
		format.Column{Name: "from_key", Kind: format.Bytes}, format.Column{Name: "to_key", Kind: format.Bytes},
		format.Column{Name: "reason", Kind: format.Text})
	if err != nil {
		return err
	}
	for i := range gaps {
		g := &gaps[i]
		var bytes, from, to any
		if g.Bytes > 0 {
			bytes = g.Bytes
		}
		if g.From != nil {
			from = g.From
		}
		if g.To != nil {
			to = g.To
		}
		if err := rows.Row(g.File, g.Offset, bytes, known(g.Rev), from, to, g.Reason); err != nil {
			return err
		}
	}
	return rows.Close()
}
