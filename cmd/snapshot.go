package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	}, newSnapshotSave(s), newSnapshotLs(s), newSnapshotVerify(s), newSnapshotRestore(s))
}

func newSnapshotSave(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "save [FILE|DIR]",
		Short: "Write a snapshot while others go on writing",
		Long: `Writes a snapshot to a file, or into a directory under a name with the time. The
file appears whole, synced and read back, or not at all.`,
		Example:     "kvsh snapshot save before-upgrade.kvs\nkvsh -q snapshot save",
		Args:        operands(0, 1),
		Annotations: exits("0, 3 cannot write, 4 damaged, 6 the file is there already"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.otherFiles("snapshot save"); err != nil {
				return err
			}
			target := "."
			if len(args) == 1 {
				target = args[0]
			}
			if err := s.saveSnapshot(c.Context(), target); err != nil {
				return fmt.Errorf("snapshot save: %w", err)
			}
			return nil
		},
	}
}

func (s *Session) saveSnapshot(ctx context.Context, target string) error {
	if info, err := os.Stat(target); err == nil {
		if !info.IsDir() {
			return &refusedError{reason: fmt.Sprintf("%q exists", target), hint: "a snapshot is never overwritten; name another file"}
		}
		base := filepath.Base(s.path())
		target = freeName(filepath.Join(target, strings.TrimSuffix(base, filepath.Ext(base))+time.Now().UTC().Format("-20060102T150405Z")))
	}
	db, err := maintain[snapshotter](ctx, s)
	if err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: would write " + target)
		return nil
	}
	ctx, end := s.withProgress(ctx, "snapshot save")
	info, err := db.Snapshot(ctx, target)
	end()
	if err != nil {
		return err
	}
	s.remark(fmt.Sprintf("saved %s: rev %d, %s, %s", info.Path, info.Rev, plural(info.Keys, "key"), format.HumanSize(info.Size)))
	return nil
}

// freeName is the first of stem.kvs, stem-2.kvs … that is not there, for two
// snapshots in one second.
func freeName(stem string) string {
	name := stem + ".kvs"
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d.kvs", stem, n)
	}
}

func newSnapshotLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "ls [DIR]",
		Short:       "List the snapshots in a directory",
		Example:     "kvsh snapshot ls\nkvsh snapshot ls --json .",
		Args:        operands(0, 1),
		Annotations: exits("0, 4 one is damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			names, err := filepath.Glob(filepath.Join(globQuote(dir), "*.kvs"))
			if err == nil {
				_, err = os.Stat(dir)
			}
			if err != nil {
				return fmt.Errorf("snapshot ls: %w", err)
			}
			return s.snapshots(c.Context(), names)
		},
	}
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

func newSnapshotVerify(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "verify FILE…",
		Short:       "Read snapshots whole and check every byte",
		Example:     "kvsh snapshot verify backup.kvs\nkvsh -q snapshot verify backup.kvs",
		Args:        operands(1, -1),
		Annotations: exits("0, 4 damaged"),
		RunE:        func(c *cobra.Command, args []string) error { return s.snapshots(c.Context(), args) },
	}
}

// snapshots verifies files and writes a line for each. The first error is
// returned when all were looked at.
func (s *Session) snapshots(ctx context.Context, names []string) error {
	rows, err := s.rows(
		format.Column{Name: "file", Kind: format.Bytes}, format.Column{Name: "rev", Kind: format.Int},
		format.Column{Name: "time", Kind: format.Time}, format.Column{Name: "keys", Kind: format.Int},
		format.Column{Name: "bytes", Kind: format.Size})
	if err != nil {
		return err
	}
	var first error
	for _, name := range names {
		ctx, end := s.withProgress(ctx, "snapshot verify")
		info, err := engine.VerifySnapshot(ctx, nil, name)
		end()
		if err != nil {
			err = fmt.Errorf("snapshot %q: %w", name, err)
			s.report(err)
			if first == nil {
				first = &saidError{err}
			}
			continue
		}
		if err := rows.Row(name, uint64(info.Rev), info.Stamp.Time(), info.Keys, info.Size); err != nil {
			return err
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return first
}

func newSnapshotRestore(s *Session) *cobra.Command {
	var to string
	var replace bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a database from a snapshot",
		Long: `Makes the database of --to, or else that of --db, from a snapshot. One that is
there already is refused; with --replace it is kept beside as
NAME.before-restore.`,
		Example:     "kvsh snapshot restore backup.kvs --to restored.kv\nkvsh snapshot restore --replace backup.kvs",
		Args:        operands(1, 1),
		Annotations: exits("0, 4 the snapshot is damaged, 6 the target exists"),
		RunE: func(c *cobra.Command, args []string) error {
			target := s.path()
			if to != "" {
				target = to
			}
			if err := s.restore(c.Context(), args[0], target, replace); err != nil {
				return fmt.Errorf("snapshot restore: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "make the database `DB`")
	c.Flags().BoolVar(&replace, "replace", false, "keep the database that is there as NAME.before-restore")
	return c
}

func (s *Session) restore(ctx context.Context, file, target string, replace bool) error {
	switch _, err := os.Stat(target); {
	case isMemory(target):
		return errInMemory
	case s.set.ReadOnly:
		return engine.ErrReadOnly
	case s.tx != nil:
		return usagef("not within a transaction")
	case err == nil && !replace:
		return &refusedError{reason: fmt.Sprintf("target %q exists", target), hint: "--replace keeps it as " + target + ".before-restore"}
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
	return err
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
