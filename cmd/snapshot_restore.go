package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// restoreOptions are the flags of snapshot restore.
type restoreOptions struct {
	to      string
	replace bool
	when    moment
}

func newSnapshotRestore(s *Session) *cobra.Command {
	var (
		o    restoreOptions
		past pastFlags
	)
	c := &cobra.Command{
		Use:   "restore FILE|DIR",
		Short: "Make a database from a snapshot",
		Long: `Makes the database of --to, or else that of --db, from a snapshot. One that is
there already is refused; with --replace it is kept beside as
NAME.before-restore.

From a directory of backups it is the newest state they hold, or that of
--to-rev or --to-time: any moment that is reached by a snapshot and by the
increments which snapshot save --log put beside it. Every byte that is used is
verified first.`,
		Example: `kvsh snapshot restore backup.kvs --to restored.kv
kvsh snapshot restore backups --to-rev 8 --to restored.kv`,
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no backup reaches that moment, 4 the snapshot is damaged, 6 the target exists"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.otherFiles("snapshot restore"); err != nil {
				return err
			}
			var err error
			if o.when, err = past.moment(c); err != nil {
				return err
			}
			target := s.path()
			if o.to != "" {
				target = o.to
			}
			if err := s.restoreBackup(c.Context(), args[0], target, &o); err != nil {
				return fmt.Errorf("snapshot restore: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.to, "to", "", "make the database `DB`")
	c.Flags().BoolVar(&o.replace, "replace", false, "keep the database that is there as NAME.before-restore")
	past.bind(c, ", from a directory")
	return c
}

// restoreBackup restores a snapshot, or the state that is asked for out of a
// folder of backups.
func (s *Session) restoreBackup(ctx context.Context, from, target string, o *restoreOptions) error {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return err
	case !info.IsDir() && !o.when.isNow():
		return usagef("--to-rev and --to-time need a directory of backups: %q is none", from)
	case !info.IsDir():
		return s.restore(ctx, from, target, o.replace)
	}
	// Looked at before the work, which may take long.
	if err := s.canRestore(target, o.replace); err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: would restore to " + target)
		return nil
	}
	assembled := fmt.Sprintf("%s.%d%s", target, os.Getpid(), snapshotSuffix)
	defer os.Remove(assembled)
	progress, end := s.withProgress(ctx, "snapshot restore")
	state, err := assemble(progress, from, o, assembled)
	end()
	if err != nil {
		return err
	}
	s.remark(fmt.Sprintf("state of revision %d, %s, %s", state.Rev, state.Stamp.Time().Local().Format(time.DateTime), plural(state.Keys, "key")))
	return s.restore(ctx, assembled, target, o.replace)
}

// assemble puts a state together from the backups in a folder. Any snapshot
// before the state will do: where the newest is damaged or leaves a gap, an
// older one may be whole.
func assemble(ctx context.Context, dir string, o *restoreOptions, path string) (engine.SnapshotInfo, error) {
	all, err := backupsIn(ctx, dir)
	if err != nil {
		return engine.SnapshotInfo{}, err
	}
	var increments []string
	database := ""
	rev := o.when.rev
	newest := engine.Rev(0)
	for _, b := range all {
		switch {
		case b.err != nil:
			continue
		case database == "":
			database = b.database
		case b.database != database:
			return engine.SnapshotInfo{}, &refusedError{
				reason: fmt.Sprintf("%q holds backups of several databases", dir), hint: "name one file, or move those of the others away",
			}
		}
		if b.increment {
			increments = append(increments, b.path)
		}
		newest = max(newest, b.rev)
	}
	if o.when.isNow() {
		rev = newest
	}
	var first error
	for _, b := range all {
		if b.err != nil || b.increment {
			continue
		}
		info, err := engine.Assemble(ctx, nil, b.path, increments, rev, o.when.time, path)
		if err == nil || ctx.Err() != nil {
			return info, err
		}
		// That an older snapshot is no help is not the news.
		if first == nil || errors.Is(first, engine.ErrHistoryGone) {
			first = fmt.Errorf("%s: %w", b.path, errors.Unwrap(err))
		}
	}
	if first == nil {
		first = &refusedError{reason: fmt.Sprintf("%q holds no snapshot", dir)}
	}
	return engine.SnapshotInfo{}, first
}

// canRestore says whether a database may be restored to a target.
func (s *Session) canRestore(target string, replace bool) error {
	_, err := os.Stat(target)
	switch {
	case isMemory(target):
		return errInMemory
	case s.set.ReadOnly:
		return engine.ErrReadOnly
	case s.tx != nil:
		return usagef("not within a transaction")
	case err == nil && !replace:
		return &refusedError{reason: fmt.Sprintf("target %q exists", target), hint: "--replace keeps it as " + target + ".before-restore"}
	}
	return nil
}

func (s *Session) restore(ctx context.Context, file, target string, replace bool) error {
	if err := s.canRestore(target, replace); err != nil {
		return err
	}
	_, err := os.Stat(target)
	switch {
	case s.set.DryRun:
		s.remark("dry run: would restore to " + target)
		return nil
	case err == nil:
		return s.replaceDatabase(ctx, file, target)
	}
	if err := s.restoreTo(ctx, file, target); err != nil {
		return err
	}
	s.remark("restored " + target)
	return nil
}

func (s *Session) restoreTo(ctx context.Context, file, target string) error {
	ctx, end := s.withProgress(ctx, "snapshot restore")
	defer end()
	_, err := engine.Restore(ctx, file, target, engine.Options{Notice: s.remark})
	return ofFile(file, err)
}

// replaceDatabase restores beside the database that is there and then swaps
// the names, so that a restore that fails leaves everything as it was.
func (s *Session) replaceDatabase(ctx context.Context, file, target string) error {
	kept, fresh := target+".before-restore", target+".restoring"
	for _, name := range []string{kept, fresh} {
		if _, err := os.Stat(name); err == nil {
			return &refusedError{reason: fmt.Sprintf("%q is in the way", name)}
		}
	}
	if err := s.restoreTo(ctx, file, fresh); err != nil {
		return err
	}
	if s.store != nil && target == s.path() {
		err := s.store.Close()
		s.store = nil
		if err != nil {
			return err
		}
	}
	if err := os.Rename(target, kept); err != nil {
		return err
	}
	if err := os.Rename(fresh, target); err != nil {
		return fmt.Errorf("the old database is %q, the restored one %q: %w", kept, fresh, err)
	}
	if err := engine.OS.SyncDir(filepath.Dir(target)); err != nil {
		return err
	}
	s.remark("restored " + target + ", the old one is " + kept)
	return nil
}
