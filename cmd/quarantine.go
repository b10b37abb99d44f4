package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newQuarantine(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "quarantine",
		Short: "Look after the bytes that were taken out of the way",
		Long: `Recovery and repair destroy nothing: torn and damaged bytes, and copies of the
files that a repair changed, lie in quarantine/ of the database until they are
removed here.`,
	}, newQuarantineLs(s), newQuarantineShow(s), newQuarantineRestore(s), newQuarantineRm(s))
}

func newQuarantineLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "ls",
		Short:       "List what is in quarantine, the oldest first",
		Example:     "kvsh quarantine ls\nkvsh quarantine ls --json",
		Args:        operands(0, 0),
		Annotations: exits("0"),
		RunE: func(_ *cobra.Command, _ []string) error {
			all, err := s.quarantined()
			if err != nil {
				return fmt.Errorf("quarantine ls: %w", err)
			}
			rows, err := s.rows(
				format.Column{Name: "name", Kind: format.Text, Whole: true}, format.Column{Name: "file", Kind: format.Text},
				format.Column{Name: "offset", Kind: format.Int}, format.Column{Name: "bytes", Kind: format.Size},
				format.Column{Name: "time", Kind: format.Time}, format.Column{Name: "reason", Kind: format.Text})
			if err != nil {
				return err
			}
			for i := range all {
				q := &all[i]
				if err := rows.Row(q.Name, q.File, q.Offset, q.Bytes, q.Time, q.Reason); err != nil {
					return err
				}
			}
			return rows.Close()
		},
	}
}

func (s *Session) quarantined() ([]engine.QuarantineInfo, error) {
	if err := onDisk(s.path()); err != nil {
		return nil, err
	}
	return engine.Quarantine(nil, s.path())
}

func newQuarantineShow(s *Session) *cobra.Command {
	var hex bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show the records that can be made out in quarantined bytes",
		Long: `Shows what can be made out of bytes that stood in the log, as log show does:
whole records, and operations of damaged ones, which are not proven. With --hex
the bytes themselves are dumped.`,
		Example:     "kvsh quarantine show 00000000000000000001.56\nkvsh quarantine show --hex 00000000000000000001.56",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no such file"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.showQuarantined(c.Context(), args[0], hex); err != nil {
				return fmt.Errorf("quarantine show %q: %w", args[0], err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&hex, "hex", false, "dump the bytes")
	return c
}

func (s *Session) showQuarantined(_ context.Context, name string, hex bool) error {
	if err := onDisk(s.path()); err != nil {
		return err
	}
	if hex {
		var b bytesWriter
		if _, err := engine.ReadQuarantine(nil, s.path(), name, &b); err != nil {
			return err
		}
		return format.WriteValue(s.out, format.Options{Mode: format.Hex, Newline: true}, name, b)
	}
	rows, err := s.rows(allLogColumns...)
	if err != nil {
		return err
	}
	var inner error
	n, err := engine.QuarantinedRecords(nil, s.path(), name, func(r engine.RecordInfo) bool {
		if len(r.Ops) == 0 {
			r.Ops = []engine.OpInfo{{}} // bytes of which nothing can be made
		}
		for i := range r.Ops {
			if inner = rows.Row(allLogCells(&r, &logOp{OpInfo: &r.Ops[i]})...); inner != nil {
				return false
			}
		}
		return true
	})
	if err := errors.Join(err, inner, rows.Close()); err != nil {
		return err
	}
	if n == 0 {
		s.remark("no bytes of the log; --hex dumps them")
	}
	return nil
}

// A bytesWriter keeps what is written to it.
type bytesWriter []byte

func (w *bytesWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func newQuarantineRestore(s *Session) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "restore NAME",
		Short: "Give quarantined bytes back as a file",
		Long: `Writes the bytes, exactly as they stood in the database, to the file of -o or to
the output. They are never put back into the database: what was cut is no record
of it, and what a repair replaced was damaged.`,
		Example:     "kvsh quarantine restore 00000000000000000001.56 -o torn.bin\nkvsh quarantine restore 00000000000000000001.56",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no such file, 6 the output exists"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := s.restoreQuarantined(args[0], output); err != nil {
				return fmt.Errorf("quarantine restore %q: %w", args[0], err)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, which must not exist")
	return c
}

func (s *Session) restoreQuarantined(name, output string) error {
	if err := onDisk(s.path()); err != nil {
		return err
	}
	if output == "" {
		_, err := engine.ReadQuarantine(nil, s.path(), name, s.out)
		return err
	}
	if err := s.otherFiles("-o"); err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: would write " + output)
		return nil
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return &refusedError{reason: fmt.Sprintf("%q exists", output), hint: "name another file"}
	}
	if err != nil {
		return err
	}
	info, err := engine.ReadQuarantine(nil, s.path(), name, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(output))
	}
	s.remark(fmt.Sprintf("wrote %s: %s from byte %d of %s", output, plural(info.Bytes, "byte"), info.Offset, info.File))
	return nil
}

func newQuarantineRm(s *Session) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:         "rm NAME… | --all",
		Short:       "Remove quarantined bytes for good",
		Example:     "kvsh -y quarantine rm 00000000000000000001.56\nkvsh -y quarantine rm --all",
		Args:        operands(0, -1),
		Annotations: exits("0, 1 no such file, 6 not confirmed"),
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageOf(c, "either names or --all")
			}
			if err := s.removeQuarantined(args, all); err != nil {
				return fmt.Errorf("quarantine rm: %w", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "remove everything")
	return c
}

func (s *Session) removeQuarantined(names []string, all bool) error {
	if s.set.ReadOnly {
		return engine.ErrReadOnly
	}
	there, err := s.quarantined()
	if err != nil {
		return err
	}
	if all {
		for i := range there {
			names = append(names, there[i].Name)
		}
	}
	if len(names) == 0 {
		return answerNo("nothing is in quarantine")
	}
	if err := s.confirm("remove " + counted(int64(len(names)), "file") + " of quarantine for good"); err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: would remove " + plural(int64(len(names)), "file"))
		return nil
	}
	return engine.RemoveQuarantined(nil, s.path(), names)
}
