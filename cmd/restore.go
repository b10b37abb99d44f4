package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newRestore(s *Session) *cobra.Command {
	var (
		past pastFlags
		to   string
	)
	c := &cobra.Command{
		Use:   "restore",
		Short: "Make a database of an earlier state of this one",
		Long: `Makes the database --to of the state at revision N, or at a time. It is the same
database in a new copy, whose revisions go on behind N; this one stays as it is.
A target that is there already is refused. From a snapshot file: "kvsh snapshot
restore".

` + momentHelp,
		Example:     "kvsh restore --to-rev 1 --to before.kv\nkvsh restore --to-time 0s --to copy.kv",
		Args:        operands(0, 0),
		Annotations: exits("0, 1 no such revision, or its history is gone, 3 cannot write, 4 damaged, 6 the target exists"),
		RunE: func(c *cobra.Command, _ []string) error {
			when, err := past.moment(c)
			switch {
			case err != nil:
				return err
			case when.isNow():
				return usageOf(c, "--to-rev or --to-time says which state")
			case to == "":
				return usageOf(c, "--to is missing")
			}
			if err := s.restorePast(c.Context(), when, to); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			return nil
		},
	}
	past.bind(c, "")
	c.Flags().StringVar(&to, "to", "", "make the database `DB`")
	return c
}

// A rewinder is a database of which an earlier state can be saved.
type rewinder interface {
	engine.Historian
	SnapshotAt(ctx context.Context, path string, at engine.Rev) (engine.SnapshotInfo, error)
}

// restorePast makes a database of an earlier state. All is made in a folder
// beside the target, which is gone when it ends, and appears by a rename: a
// failure leaves nothing, and what another process puts there is not touched.
func (s *Session) restorePast(ctx context.Context, when moment, target string) error {
	if err := s.otherFiles("restore"); err != nil {
		return err
	}
	switch _, err := os.Lstat(target); {
	case isMemory(target):
		return errInMemory
	case s.set.ReadOnly:
		return engine.ErrReadOnly
	case s.tx != nil:
		return usagef("not within a transaction")
	case err == nil:
		return &refusedError{reason: fmt.Sprintf("target %q exists", target), hint: "a database is never overwritten; name another"}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	db, err := maintain[rewinder](ctx, s)
	if err != nil {
		return err
	}
	rev, err := revOf(ctx, db, when)
	if err != nil {
		return err
	}
	if s.set.DryRun {
		// What cannot be read is found out without writing.
		if err := db.View(ctx, rev, func(engine.Tx) error { return nil }); err != nil {
			return err
		}
		s.remark(fmt.Sprintf("dry run: would restore rev %d to %s", rev, target))
		return nil
	}
	target = filepath.Clean(target)
	temp, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+".restoring-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	file, fresh := filepath.Join(temp, "snapshot.kvs"), filepath.Join(temp, "db.kv")
	progress, end := s.withProgress(ctx, "restore")
	info, err := db.SnapshotAt(progress, file, rev)
	end()
	if err != nil {
		return err
	}
	if err := s.restoreTo(ctx, file, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, target); err != nil {
		return err
	}
	if err := engine.OS.SyncDir(filepath.Dir(target)); err != nil {
		return err
	}
	s.remark(fmt.Sprintf("restored %s: rev %d, %s", target, info.Rev, plural(info.Keys, "key")))
	return nil
}
