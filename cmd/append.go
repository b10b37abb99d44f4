package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newAppend(s *Session) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "append KEY [VALUE]",
		Short: "Add to the end of a value, print its length",
		Long: `Adds VALUE, or what stdin holds, to the end of the value of a key and prints
the new length in bytes. A key that is not there counts as empty. An expiry
stays.`,
		Example:     "kvsh append notes:1 ' and more'\nkvsh append --file users.csv notes:1",
		Args:        operands(1, 2),
		Annotations: oneCommit(exits("0")),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := s.valueOperand(c, args[1:], file)
			if err != nil {
				return err
			}
			return s.append(c.Context(), args[0], value)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&file, "file", "", "add what `F` holds, - for stdin")
	s.set.bindRev(c)
	return c
}

// append adds to the end of a value and prints its length.
func (s *Session) append(ctx context.Context, key string, more []byte) error {
	length := 0
	w, err := s.update(ctx, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, key)
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		value := append(e.Value[:len(e.Value):len(e.Value)], more...)
		length = len(value)
		return put(ctx, tx, engine.Entry{Key: key, Value: value, Expires: e.Expires})
	})
	if err != nil {
		return named("append", key, err)
	}
	if err := s.number("length", int64(length)); err != nil {
		return err
	}
	return s.acknowledge(w)
}
