package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newInfo(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Show what the database is and holds",
		Long: `Shows what the database is and holds: for people on one screen, with sizes and
ages; for programs a name and a value a line, or with --json one object.`,
		Example:     "kvsh info\nkvsh info --json",
		Args:        operands(0, 0),
		Annotations: exits("0, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.info(c.Context()); err != nil {
				return fmt.Errorf("info: %w", err)
			}
			return nil
		},
	}
}

// A fact is one line of info: a name and a cell of some kind.
type fact struct {
	name string
	kind format.Kind
	cell any
}

// info shows what any store can tell, and what only a directory can.
func (s *Session) info(ctx context.Context) error {
	facts := []fact{{"path", format.Bytes, s.path()}}
	var keys int64
	var families []string
	err := s.view(ctx, func(tx engine.Tx) (err error) {
		facts = append(facts, fact{"rev", format.Int, uint64(tx.Rev())})
		if keys, err = tx.Count(ctx, engine.Range{}); err != nil {
			return err
		}
		families, err = userFamilies(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	facts = append(facts, fact{"keys", format.Int, keys}, fact{"families", format.Int, len(families)})
	if db, ok := s.store.(informer); ok {
		i, err := db.Info(ctx)
		if err != nil {
			return err
		}
		facts = append(facts, localFacts(&i)...)
		around, err := aroundFacts(ctx, &i)
		if err != nil {
			return err
		}
		facts = append(facts, around...)
	}
	o, err := s.options()
	if err != nil {
		return err
	}
	if o.Mode == format.Pretty || o.Mode == format.Auto && o.Terminal {
		return s.infoScreen(facts, &o)
	}
	return s.facts(facts)
}

// facts writes one object for programs, and a line for each fact otherwise.
func (s *Session) facts(facts []fact) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	if m == format.JSONL || m == format.JSON || m == format.CSV {
		var columns []format.Column
		var cells []any
		for _, f := range facts {
			columns = append(columns, format.Column{Name: f.name, Kind: f.kind})
			cells = append(cells, f.cell)
		}
		return s.row(columns, cells...)
	}
	rows, err := s.rows(format.Column{Name: "name", Kind: format.Text}, format.Column{Name: "value", Kind: format.Bytes})
	if err != nil {
		return err
	}
	for _, f := range facts {
		if err := rows.Row(f.name, s.factText(f)); err != nil {
			return err
		}
	}
	return rows.Close()
}

// factText is a fact as one cell of text.
func (s *Session) factText(f fact) string {
	switch v := f.cell.(type) {
	case nil:
		return ""
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(format.TimeLayout)
	case int64:
		if f.kind == format.Size && s.OutTerminal {
			return format.HumanSize(v)
		}
	}
	return fmt.Sprint(f.cell)
}

// localFacts are what only a database in files has.
func localFacts(i *engine.Info) []fact {
	facts := []fact{
		{"key_bytes", format.Size, i.KeyBytes},
		{"value_bytes", format.Size, i.ValueBytes},
		{"time", format.Time, i.Time},
		{"folded", format.Int, uint64(i.Folded)},
		{"history_from", format.Int, uint64(i.HistoryFrom)},
		{"history_time", format.Time, i.HistoryTime},
		{"tables", format.Int, i.Tables},
		{"table_bytes", format.Size, i.TableBytes},
		{"log_segments", format.Int, i.Log.Files},
		{"log_bytes", format.Size, i.Log.Bytes},
		{"history_segments", format.Int, i.History.Files},
		{"history_bytes", format.Size, i.History.Bytes},
		{"quarantine_files", format.Int, i.Quarantine.Files},
		{"sync", format.Text, i.Sync},
		{"created", format.Time, i.Created},
		{"database", format.Text, i.Database},
		{"copy", format.Text, i.Copy},
		{"format", format.Int, i.Format},
	}
	if i.LastPid != 0 {
		facts = append(facts, fact{"last_writer", format.Text, fmt.Sprintf("%d (%s)", i.LastPid, i.LastCommand)},
			fact{"last_locked", format.Time, i.LastLockedAt})
	}
	return facts
}

// aroundFacts are who writes now and the newest snapshot, as far as they can be
// told. Absent cells keep their place: the names are the same for every
// database.
func aroundFacts(ctx context.Context, i *engine.Info) ([]fact, error) {
	if i.Snapshot {
		return nil, nil
	}
	var holder, name, rev any
	if pid, known := holderOf(filepath.Join(i.Path, "LOCK")); known && pid != 0 {
		command := processName(pid)
		if pid == i.LastPid {
			command = i.LastCommand
		}
		holder = who(pid, command)
	}
	newest, count, err := newestSnapshot(ctx, i.Path, i.Database)
	if count > 0 {
		name, rev = newest.Path, uint64(newest.Rev)
	}
	return []fact{
		{"lock_holder", format.Text, holder},
		{"last_snapshot", format.Bytes, name},
		{"last_snapshot_rev", format.Int, rev},
		{"last_snapshot_time", format.Time, newest.Created},
	}, err
}
