package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// saveOptions are the flags of snapshot save.
type saveOptions struct {
	keep    string
	rules   keepRules
	log     bool
	logOnly bool
}

func newSnapshotSave(s *Session) *cobra.Command {
	var o saveOptions
	c := &cobra.Command{
		Use:   "save [FILE|DIR]",
		Short: "Write a snapshot while others go on writing",
		Long: `Writes a snapshot to a file, or into a directory under a name with the time. The
database is checked first, and a damaged one is refused. The file appears whole,
synced, read back and verified, or not at all.

Into a directory only one backup runs at a time. There --keep prunes older
snapshots of this database by age: 7d,4w,6m keeps one a day for 7 days, one a
week for 4 weeks and one a month for 6 months, and always the newest; 10 keeps
ten. Nothing is pruned unless the new snapshot is sound.

--log also saves everything that was written since the newest backup there, as
an increment, NAME.kvi: with it snapshot restore DIR --to-time reaches any
moment in between. --log-only saves the increment and no snapshot.`,
		Example: `kvsh snapshot save before-upgrade.kvs
kvsh -q snapshot save backups --keep 7d,4w,6m --log`,
		Args:        operands(0, 1),
		Annotations: exits("0, 3 cannot write, 4 damaged, 5 another backup runs, 6 the file is there already"),
		RunE: func(c *cobra.Command, args []string) error {
			target := "."
			if len(args) == 1 {
				target = args[0]
			}
			if err := s.saveBackup(c.Context(), target, &o); err != nil {
				return fmt.Errorf("snapshot save: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.keep, "keep", "", "prune by age: `RULES` like 7d,4w,6m")
	c.Flags().BoolVar(&o.log, "log", false, "also save what was written since the newest backup")
	c.Flags().BoolVar(&o.logOnly, "log-only", false, "save what was written since the newest backup, and no snapshot")
	return c
}

func (s *Session) saveBackup(ctx context.Context, target string, o *saveOptions) (err error) {
	if err := s.otherFiles("snapshot save"); err != nil {
		return err
	}
	if o.keep != "" {
		if o.rules, err = parseKeep(o.keep); err != nil {
			return err
		}
	}
	info, err := os.Stat(target)
	isFolder := err == nil && info.IsDir()
	switch {
	case !isFolder && strings.HasSuffix(target, "/"):
		// Made by itself it would hide that a disk for backups is not mounted.
		return &usageError{
			reason: fmt.Sprintf("%q is no directory", target),
			hint:   "mkdir makes it; without the / behind it this is the name of the snapshot",
			word:   target,
		}
	case !isFolder && (o.keep != "" || o.log || o.logOnly):
		return usagef("--keep and --log need a directory: %q is none", target)
	case err == nil && !isFolder:
		return &refusedError{reason: fmt.Sprintf("%q exists", target), hint: "a snapshot is never overwritten; name another file"}
	}
	db, err := maintain[snapshotter](ctx, s)
	if err != nil {
		return err
	}
	// What a snapshot reads it verifies; the check looks at all the rest, so
	// that no damaged database passes for one that is backed up.
	report, err := s.check(ctx, s.path(), false)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return err
	}
	if isFolder {
		return s.saveInto(ctx, db, target, o)
	}
	if s.set.DryRun {
		s.remark("dry run: would write " + target)
		return nil
	}
	ctx, end := s.withProgress(ctx, "snapshot save")
	saved, err := db.Snapshot(ctx, target)
	end()
	var place *fs.PathError
	if errors.As(err, &place) && strings.HasSuffix(place.Path, ".tmp") {
		return fmt.Errorf("%s: %w", target, place.Err) // whose temporary name is not the news
	}
	if err != nil {
		return err
	}
	s.remark("saved " + savedText(saved))
	return nil
}

// saveInto saves into a folder of backups.
func (s *Session) saveInto(ctx context.Context, db snapshotter, dir string, o *saveOptions) error {
	unlock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer unlock()
	base := filepath.Base(s.path())
	stem := filepath.Join(dir, strings.TrimSuffix(base, filepath.Ext(base))+time.Now().UTC().Format("-20060102T150405Z"))
	if s.set.DryRun {
		s.remark("dry run: would write " + freeName(stem, snapshotSuffix))
		return nil
	}
	var done []string
	if o.log || o.logOnly {
		text, err := s.saveIncrement(ctx, db, dir, freeName(stem, incrementSuffix), o.logOnly)
		if err != nil {
			return err
		}
		if text != "" {
			done = append(done, text)
		}
	}
	if !o.logOnly {
		progress, end := s.withProgress(ctx, "snapshot save")
		saved, err := db.Snapshot(progress, freeName(stem, snapshotSuffix))
		end()
		if err != nil {
			return err
		}
		done = append(done, savedText(saved))
	}
	if o.rules != nil {
		removed, err := pruneBackups(ctx, dir, db.ID(), o.rules)
		if err != nil {
			return fmt.Errorf("prune %s: %w", dir, err)
		}
		if n := len(removed); n > 0 {
			done = append(done, plural(int64(n), "older file")+" pruned")
		}
	}
	s.remark("saved " + strings.Join(done, "; "))
	return nil
}

func savedText(saved engine.SnapshotInfo) string {
	return fmt.Sprintf("%s: rev %d, %s, %s", saved.Path, saved.Rev, plural(saved.Keys, "key"), format.HumanSize(saved.Size))
}

// saveIncrement saves what was written since the newest backup in a folder
// that is of this history and not too old. It returns the empty string if
// there is none, which must is an error of.
func (s *Session) saveIncrement(ctx context.Context, db snapshotter, dir, path string, must bool) (string, error) {
	all, err := backupsIn(ctx, dir)
	if err != nil {
		return "", err
	}
	// Behind the newest increment, if there is one: a snapshot that was saved
	// since is of a later revision, and what lies between is in no increment.
	slices.SortStableFunc(all, func(a, b backup) int {
		switch {
		case a.increment == b.increment:
			return 0
		case a.increment:
			return -1
		}
		return 1
	})
	var why error
	for _, b := range all {
		if b.err != nil || b.database != db.ID() {
			continue
		}
		saved, err := db.Increment(ctx, path, b.rev, b.stamp)
		switch {
		case err == nil:
			return fmt.Sprintf("%s: revisions %d to %d, %s", saved.Path, saved.After+1, saved.Rev, format.HumanSize(saved.Size)), nil
		case errors.Is(err, engine.ErrOtherHistory), errors.Is(err, engine.ErrNotYet), errors.Is(err, engine.ErrHistoryGone):
			// An older one may still do, and a snapshot begins anew.
			if why == nil {
				why = err
			}
		default:
			return "", err
		}
	}
	switch {
	case must && why != nil:
		return "", why
	case must:
		return "", &refusedError{reason: fmt.Sprintf("%q holds no snapshot of this database", dir), hint: "--log instead of --log-only saves one"}
	case why != nil:
		s.remark("no increment: " + why.Error())
	}
	return "", nil
}

// freeName is the first of stem.kvs, stem-2.kvs … that is not there, for two
// snapshots in one second.
func freeName(stem, suffix string) string {
	name := stem + suffix
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d%s", stem, n, suffix)
	}
}
