package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newExport(s *Session) *cobra.Command {
	var (
		sel selector
		o   exportOptions
	)
	c := &cobra.Command{
		Use:   "export [PATTERN]",
		Short: "Write keys and values in a format of files",
		Long: `Writes the selected keys, with values and expiries, of one state of the
database, of the default column family or that of --cf, or with --all of every
one. Formats: jsonl (the default), json, csv, tsv, kvsh, nul, env, dump
(Berkeley DB and LMDB), resp (Redis), sql (sqlite3). The last five do not hold
all there is: what has an expiry, or is in a family, is refused unless --bare
leaves that out. With -o the file appears whole or not at all; its name says the
format if --format does not, and .gz or .zst at the end compresses it.`,
		Example:     "kvsh export --prefix user:\nkvsh export --format csv 'user:*'\nkvsh export -o backup.jsonl.zst\nkvsh export --at 1",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision, 3 the file cannot be written, 7 the format cannot hold the data"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				sel.pattern = args[0]
			}
			if err := s.export(c.Context(), sel, o); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			return nil
		},
	}
	sel.bind(c)
	o.at.bindAt(c)
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "the format `F`")
	f.StringVarP(&o.target, "output", "o", "", "write to `FILE`, - for stdout")
	f.BoolVar(&o.all, "all", false, "all column families")
	f.BoolVar(&o.bare, "bare", false, "leave out what the format cannot hold: expiries, families")
	return c
}

// exportOptions are the flags of export.
type exportOptions struct {
	format, target string
	all            bool // families
	bare           bool // without what the format cannot hold
	at             moment
}

// export writes a selection to the output or to a file.
func (s *Session) export(ctx context.Context, sel selector, o exportOptions) error {
	target := o.target
	f, err := exportFormat(o.format, target)
	if err != nil {
		return err
	}
	if o.all && s.set.Family != "" {
		return usagef("--all and --cf do not go together")
	}
	if target == "" || isStdout(target) {
		err := s.exportTo(ctx, sel, o, f, s.out)
		if _, bad := format.ParseFormat(strings.TrimPrefix(filepath.Ext(sel.pattern), ".")); err == nil && bad == nil {
			s.remark(fmt.Sprintf("%s is taken as a pattern of keys; -o %[1]s writes a file", quoted(sel.pattern)))
		}
		return err
	}
	if err := s.otherFiles("-o"); err != nil {
		return err
	}
	if s.set.DryRun {
		if err := s.exportTo(ctx, sel, o, f, io.Discard); err != nil {
			return err
		}
		s.remark("dry run: would write " + target)
		return nil
	}
	err = writeFile(target, func(w io.Writer) error {
		compression, _ := format.CompressionOf(target)
		z, err := format.NewCompressor(w, compression)
		if err != nil {
			return err
		}
		if err := s.exportTo(ctx, sel, o, f, z); err != nil {
			z.Close()
			return err
		}
		return z.Close()
	})
	if err == nil && s.OutTerminal && !s.redirected {
		s.remark("wrote " + target)
	}
	return err
}

// isStdout reports whether a name means the output of the process.
func isStdout(name string) bool {
	return name == "-" || slices.Contains([]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, filepath.Clean(name))
}

// exportFormat is the format named, else the one of the file's name, else jsonl.
func exportFormat(name, target string) (format.Format, error) {
	if name != "" {
		return parseFormat(name)
	}
	_, base := format.CompressionOf(filepath.Base(target))
	if ext := filepath.Ext(base); ext != "" && !isStdout(target) {
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
			reason: fmt.Sprintf("--format: unknown format %s", quoted(name)),
			hint:   "formats are " + strings.Join(format.FormatNames(), " "),
		}
	}
	return f, nil
}

func (s *Session) exportTo(ctx context.Context, sel selector, o exportOptions, f format.Format, w io.Writer) error {
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	var x format.Exporter
	left := 0 // families
	err = s.viewAt(ctx, o.at, func(tx engine.Tx) error {
		x, err = format.NewExporter(w, f, format.ExportOptions{
			Database: filepath.Base(s.path()), Rev: uint64(tx.Rev()), Time: tx.Now(), Bare: o.bare,
		})
		if err != nil || none {
			return err
		}
		others, err := userFamilies(ctx, tx)
		if err != nil {
			return err
		}
		families := []engine.Tx{tx}
		names := []string{s.set.Family}
		if o.all {
			for _, name := range others {
				families, names = append(families, tx.In(name)), append(names, name)
			}
		} else {
			left = len(others)
		}
		to, end, err := s.exporting(ctx, families, r, x, w)
		if err != nil {
			return err
		}
		defer end()
		for i, family := range families {
			if err := exportFamily(ctx, to, family, names[i], r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = x.Close()
	}
	if err == nil {
		err = s.out.Flush() // whoever has gone away needs no remark
	}
	if err == nil && left > 0 && s.set.Family == "" {
		s.remark(fmt.Sprintf("column families left out: %d; --all exports every one", left))
	}
	return err
}

// exporting shows how far an export is, unless it is the data that stands on
// the terminal. Records are to be written to what it returns.
func (s *Session) exporting(ctx context.Context, families []engine.Tx, r engine.Range, x format.Exporter, w io.Writer) (format.Exporter, func(), error) {
	if w == s.out && s.OutTerminal && !s.redirected {
		return x, func() {}, nil
	}
	p := s.startProgress("export")
	if p == nil {
		return x, func() {}, nil
	}
	at := engine.Progress{Doing: "write"}
	for _, tx := range families {
		n, err := tx.Count(ctx, r)
		if err != nil {
			p.end()
			return nil, nil, err
		}
		at.Total += n
	}
	counted := &countingExporter{Exporter: x}
	p.follow(at, counted.n.Load)
	return counted, p.end, nil
}

// A countingExporter counts the records that are written.
type countingExporter struct {
	format.Exporter
	n atomic.Int64
}

func (c *countingExporter) Write(r format.Record) error {
	c.n.Add(1)
	return c.Exporter.Write(r)
}

// userFamilies are the column families but the default one and those that are
// the database's own.
func userFamilies(ctx context.Context, tx engine.Tx) ([]string, error) {
	all, err := tx.Families(ctx)
	return slices.DeleteFunc(all, func(name string) bool { return strings.HasPrefix(name, ".") }), err
}

func exportFamily(ctx context.Context, x format.Exporter, tx engine.Tx, family string, r engine.Range) error {
	var key []byte
	r.Lend = true // an entry is written before the next one is asked for
	for e, err := range tx.Scan(ctx, r) {
		if err != nil {
			return err
		}
		key = append(key[:0], e.Key...)
		err = x.Write(format.Record{
			Family: family, Key: key, Value: e.Value,
			Rev: uint64(e.Rev), Time: e.Stamp.Time(), Expires: e.Expires,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile makes a file appear whole, with what write writes, or not at all:
// it is written under a temporary name beside its place, synced and renamed.
// Only a regular file is replaced so: a symbolic link stays one, and a pipe or
// /dev/null is written to.
func writeFile(name string, write func(io.Writer) error) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		f, target, err := openBehind(name)
		if err != nil {
			return err
		}
		if target == "" {
			return errors.Join(write(f), f.Close())
		}
		f.Close()
		name = target
	}
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*.tmp")
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			path.Path = name // the temporary one tells nobody anything
		}
		return err
	}
	defer os.Remove(f.Name()) // fails when all went well: the name is gone
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
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

// openBehind opens what is no regular file: a pipe, a device, a link. Of a link
// to a regular file it says the name of that. The system opens the link, and
// refuses one that a stranger has put into a folder for everybody.
func openBehind(name string) (f *os.File, target string, err error) {
	// To append does nothing to a pipe or a device, and keeps what there is of a
	// file that somebody has open.
	f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, "", err
	}
	opened, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, "", err
	}
	// A link below /dev or /proc leads to a file that somebody has open.
	path := filepath.Clean(name)
	if opened.Mode().IsRegular() && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/") {
		if target, err = filepath.EvalSymlinks(name); err == nil {
			if info, err := os.Lstat(target); err == nil && os.SameFile(info, opened) {
				return f, target, nil
			}
		}
	}
	return f, "", nil
}

// modeOf is the mode of the file that is replaced, or that of the database it
// comes from: for its owner alone.
func modeOf(name string) os.FileMode {
	if info, err := os.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o600
}
