package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newExport(s *Session) *cobra.Command {
	var (
		sel          selector
		name, target string
	)
	c := &cobra.Command{
		Use:   "export [PATTERN]",
		Short: "Write keys and values in a format of files",
		Long: `Writes the selected keys, with values and expiries, of one state of the
database. Formats: jsonl (the default), json, csv, tsv, kvsh, nul. With -o the
file appears whole or not at all; its name says the format if --format does not,
and .gz or .zst at the end compresses it.`,
		Example:           "kvsh export --prefix user:\nkvsh export --format csv 'user:*'\nkvsh export -o backup.jsonl.zst",
		Args:              operands(0, 1),
		ValidArgsFunction: completeKeys(s),
		Annotations:       exits("0, 3 the file cannot be written, 7 the format cannot hold the data"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				sel.pattern = args[0]
			}
			if err := s.export(c.Context(), sel, name, target); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			return nil
		},
	}
	sel.bind(c)
	c.Flags().StringVar(&name, "format", "", "the format `F`")
	c.Flags().StringVarP(&target, "output", "o", "", "write to `FILE`, - for stdout")
	return c
}

// export writes a selection to the output or to a file.
func (s *Session) export(ctx context.Context, sel selector, name, target string) error {
	f, err := exportFormat(name, target)
	if err != nil {
		return err
	}
	if target == "" || target == "-" {
		return s.exportTo(ctx, sel, f, s.out)
	}
	if err := s.otherFiles("-o"); err != nil {
		return err
	}
	if s.set.DryRun {
		if err := s.exportTo(ctx, sel, f, io.Discard); err != nil {
			return err
		}
		s.remark("dry run: would write " + target)
		return nil
	}
	return writeFile(target, func(w io.Writer) error {
		compression, _ := format.CompressionOf(target)
		z, err := format.NewCompressor(w, compression)
		if err != nil {
			return err
		}
		if err := s.exportTo(ctx, sel, f, z); err != nil {
			z.Close()
			return err
		}
		return z.Close()
	})
}

// exportFormat is the format named, else the one of the file's name, else jsonl.
func exportFormat(name, target string) (format.Format, error) {
	if name != "" {
		return parseFormat(name)
	}
	_, base := format.CompressionOf(filepath.Base(target))
	if ext := filepath.Ext(base); ext != "" && target != "-" {
		if f, err := format.ParseFormat(ext[1:]); err == nil {
			return f, nil
		}
	}
	return format.ParseFormat("jsonl")
}

func parseFormat(name string) (format.Format, error) {
	f, err := format.ParseFormat(name)
	if err != nil {
		return f, &usageError{
			reason: fmt.Sprintf("--format: unknown format %q", name),
			hint:   "formats are " + strings.Join(format.FormatNames(), " "),
		}
	}
	return f, nil
}

func (s *Session) exportTo(ctx context.Context, sel selector, f format.Format, w io.Writer) error {
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	var x format.Exporter
	err = s.view(ctx, func(tx engine.Tx) error {
		x, err = format.NewExporter(w, f, format.ExportOptions{
			Database: filepath.Base(s.path()), Rev: uint64(tx.Rev()), Time: tx.Now(),
		})
		if err != nil || none {
			return err
		}
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			err = x.Write(format.Record{
				Family: s.set.Family, Key: []byte(e.Key), Value: e.Value,
				Rev: uint64(e.Rev), Time: e.Stamp.Time(), Expires: e.Expires,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.Close()
}

// writeFile makes a file appear whole, with what write writes, or not at all:
// it is written under a temporary name beside its place, synced and renamed.
func writeFile(name string, write func(io.Writer) error) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when all went well: the name is gone
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	// CreateTemp is for secrets; a file that users asked for has the usual mode.
	if err := f.Chmod(modeOf(name)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return engine.OS.SyncDir(dir)
}

// modeOf is the mode of the file that is replaced, or the usual one.
func modeOf(name string) os.FileMode {
	if info, err := os.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}
