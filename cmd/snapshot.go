package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newSnapshot(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "snapshot",
		Short: "Save, check and restore snapshots of the database",
		Long: `A snapshot is one file with everything up to one revision. It is a database that
can be read: kvsh -d FILE list.`,
	}, newSnapshotSave(s), newSnapshotLs(s), newSnapshotVerify(s), newSnapshotRestore(s), newSnapshotRm(s))
}

// backupColumns are what is to be known of a backup.
var backupColumns = []format.Column{
	{Name: "file", Kind: format.Bytes, Whole: true},
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time}, // of the newest revision in it
	{Name: "keys", Kind: format.Int},
	{Name: "bytes", Kind: format.Size},
	{Name: "verified", Kind: format.Text},
	{Name: "after", Kind: format.Int}, // an increment holds what came behind this revision
	{Name: "created", Kind: format.Time},
}

func newSnapshotLs(s *Session) *cobra.Command {
	var quick bool
	c := &cobra.Command{
		Use:   "ls [DIR]",
		Short: "List the snapshots in a directory",
		Long: `Lists the snapshots and increments in a directory, the newest first, and
verifies every byte of each; with --quick only their ends. An increment has the
revision after which it begins, and the number of its versions for keys.`,
		Example:     "kvsh snapshot ls backups\nkvsh snapshot ls backups --quick --json",
		Args:        operands(0, 1),
		Annotations: exits("0, 4 one is damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.otherFiles("snapshot ls"); err != nil {
				return err
			}
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			list, err := backupsIn(c.Context(), dir)
			if err != nil {
				return fmt.Errorf("snapshot ls: %w", err)
			}
			var paths []string
			for _, b := range list {
				paths = append(paths, b.path)
			}
			return s.backups(c, paths, !quick)
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "verify only the two ends of each")
	return c
}

func newSnapshotVerify(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE…",
		Short: "Read snapshots whole and check every byte",
		Example: `kvsh snapshot verify backup.kvs
kvsh snapshot verify --json backup.kvs`,
		Args:        operands(1, -1),
		Annotations: exits("0, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.otherFiles("snapshot verify"); err != nil {
				return err
			}
			return s.backups(c, args, true)
		},
	}
}

// backups describes files and writes a line for each. The first error is
// returned when all were looked at.
func (s *Session) backups(c *cobra.Command, paths []string, whole bool) error {
	ctx := c.Context()
	rows, err := s.rows(backupColumns...)
	if err != nil {
		return err
	}
	var first error
	verified := "whole"
	if !whole {
		verified = "ends"
	}
	for _, path := range paths {
		progress, end := s.withProgress(ctx, "snapshot verify")
		b := readBackup(progress, path, whole)
		end()
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.err != nil {
			err := fmt.Errorf("%s: %w", commandName(c), ofFile(path, b.err))
			s.report(err)
			if first == nil {
				first = &saidError{err}
			}
			continue
		}
		var after any
		if b.increment {
			after = uint64(b.after)
		}
		if err := rows.Row(path, uint64(b.rev), stampTime(b.stamp), b.count, b.size, verified, after, b.created); err != nil {
			return err
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return first
}

func newSnapshotRm(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "rm FILE…",
		Short: "Remove snapshots",
		Long: `Removes files that are snapshots or increments, also damaged ones, and nothing
else. It asks, or needs -y.`,
		Example: `kvsh -y snapshot rm backup.kvs
kvsh --dry-run snapshot rm backup.kvs`,
		Args:        operands(1, -1),
		Annotations: exits("0, 3 cannot remove, 6 not a snapshot, needs -y"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.removeBackups(c.Context(), args); err != nil {
				return fmt.Errorf("snapshot rm: %w", err)
			}
			return nil
		},
	}
}

func (s *Session) removeBackups(ctx context.Context, paths []string) error {
	if err := s.otherFiles("snapshot rm"); err != nil {
		return err
	}
	for _, path := range paths {
		switch b := readBackup(ctx, path, false); {
		case b.err == nil, errors.Is(b.err, engine.ErrDamaged):
		case errors.Is(b.err, fs.ErrNotExist), errors.Is(b.err, fs.ErrPermission):
			return b.err
		default:
			return &refusedError{reason: fmt.Sprintf("%q is no snapshot", path)}
		}
	}
	if s.set.DryRun {
		s.remark("dry run: would remove " + plural(int64(len(paths)), "snapshot"))
		return nil
	}
	if err := s.confirm(fmt.Sprintf("remove %s for good", counted(int64(len(paths)), "snapshot"))); err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	s.remark("removed " + plural(int64(len(paths)), "snapshot"))
	return nil
}

// globQuote makes a name its own pattern for filepath.Glob.
func globQuote(name string) string {
	var b []byte
	for _, c := range []byte(name) {
		switch c {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}
