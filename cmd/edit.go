package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newEdit(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "edit KEY",
		Short: "Change a value in your editor",
		Long: `Opens the value in $VISUAL, else $EDITOR, else vi, and writes it when the editor
is left, unless somebody changed the key meanwhile. A key that is not there
begins empty; an expiry stays. The line feed that editors put at the end is
taken off again if the value had none. What could not be written is kept in a
file, which is named.`,
		Example:     "kvsh edit user:1\nkvsh --dry-run edit text",
		Args:        operands(1, 1),
		Annotations: exits("0 written, 1 unchanged, 6 changed by somebody meanwhile"),
		RunE: func(c *cobra.Command, args []string) error {
			return s.edit(c.Context(), args[0])
		},
	}
	s.set.bindRev(c)
	return c
}

// edit lets the user's editor change a value, and writes it if the key is as it
// was.
func (s *Session) edit(ctx context.Context, key string) error {
	if err := s.otherFiles("an editor"); err != nil {
		return named("edit", key, err)
	}
	if s.set.ReadOnly {
		return named("edit", key, engine.ErrReadOnly)
	}
	old, err := s.entryOrNone(ctx, key)
	if err != nil {
		return named("edit", key, err)
	}
	if !utf8.Valid(old.Value) || bytes.IndexByte(old.Value, 0) >= 0 {
		return named("edit", key, &refusedError{
			reason: "the value is binary", hint: "get KEY > FILE and set --file FILE KEY take any bytes",
		})
	}
	dir, err := os.MkdirTemp("", "kvsh-")
	if err != nil {
		return named("edit", key, err)
	}
	file := filepath.Join(dir, editName(old.Value))
	w, keep, err := s.editIn(ctx, file, key, &old)
	if keep {
		s.remark("edit: your text is in " + file)
	} else {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return named("edit", key, err)
	}
	return s.acknowledge(w)
}

// editName is a file name by which editors know how to show a value.
func editName(value []byte) string {
	if kindOf(value) == kindJSON {
		return "value.json"
	}
	return "value.txt"
}

// entryOrNone is the entry of a key, or one of revision 0 if it is not there.
func (s *Session) entryOrNone(ctx context.Context, key string) (e engine.Entry, err error) {
	err = s.view(ctx, func(tx engine.Tx) (err error) {
		e, err = tx.Get(ctx, key)
		return err
	})
	if errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrNoDatabase) {
		return engine.Entry{Key: key}, nil
	}
	return e, err
}

// editIn lets the editor change a value in a file and writes it. It reports
// whether the file holds text that is nowhere else.
func (s *Session) editIn(ctx context.Context, file, key string, old *engine.Entry) (w written, keep bool, err error) {
	if err := os.WriteFile(file, old.Value, 0o600); err != nil {
		return w, false, err
	}
	if err := s.runEditor(ctx, file); err != nil {
		b, readErr := os.ReadFile(file)
		return w, readErr == nil && !bytes.Equal(b, old.Value), err
	}
	f, err := os.Open(file)
	if err != nil {
		return w, false, err
	}
	value, err := readValue(f)
	f.Close()
	if err != nil {
		return w, true, err
	}
	if !bytes.HasSuffix(old.Value, []byte{'\n'}) {
		value = bytes.TrimSuffix(value, []byte{'\n'})
	}
	if bytes.Equal(value, old.Value) {
		return w, false, answerNo("unchanged")
	}
	w, err = s.update(ctx, func(tx engine.Tx) error {
		now, err := tx.Get(ctx, key)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		if now.Rev != old.Rev || !bytes.Equal(now.Value, old.Value) {
			return &refusedError{reason: "changed by somebody meanwhile, nothing was written"}
		}
		return put(ctx, tx, engine.Entry{Key: key, Value: value, Expires: now.Expires})
	})
	return w, err != nil, err
}

// runEditor runs the user's editor on a file. The variable may hold flags, so
// the shell splits it.
func (s *Session) runEditor(ctx context.Context, file string) error {
	editor := s.Getenv("VISUAL")
	if editor == "" {
		editor = s.Getenv("EDITOR")
	}
	if editor == "" {
		if !s.InTerminal { // vi would wait for keys for ever
			return &refusedError{
				reason: "vi needs a terminal",
				hint:   "set takes a value from stdin; $EDITOR can name a program that needs no terminal",
			}
		}
		editor = "vi"
	}
	err := s.run(ctx, child{words: []string{"/bin/sh", "-c", editor + ` "$1"`, "sh", file}, stdin: s.childStdin()})
	var program *childError
	if errors.As(err, &program) {
		return fmt.Errorf("editor %q: %s, nothing was written", editor, program)
	}
	return err
}
