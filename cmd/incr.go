package cmd

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newIncr(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "incr KEY [N]",
		Short: "Add to a number, print the sum",
		Long: `Adds N, which may be negative and is 1 if it is left out, to the value of a key
and prints the sum. A key that is not there counts as 0. Values and sums are
decimal integers of 64 bits with a sign. An expiry stays.`,
		Example:     "kvsh incr visits\nkvsh incr visits -5",
		Args:        operands(1, 2),
		Annotations: oneCommit(exits("0, 2 not an integer or overflow")),
		RunE: func(c *cobra.Command, args []string) error {
			n := int64(1)
			if len(args) == 2 {
				var err error
				if n, err = strconv.ParseInt(args[1], 10, 64); err != nil {
					return operandError(c, args, "not an integer: %s", quoted(args[1]))
				}
			}
			return s.incr(c.Context(), args[0], n)
		},
	}
	c.Flags().SetInterspersed(false)
	s.set.bindRev(c)
	return c
}

// incr adds to the number that a key holds and prints the sum.
func (s *Session) incr(ctx context.Context, key string, n int64) error {
	var sum int64
	w, err := s.update(ctx, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, key)
		old := int64(0)
		switch {
		case errors.Is(err, engine.ErrNotFound):
		case err != nil:
			return err
		default:
			if old, err = strconv.ParseInt(string(e.Value), 10, 64); err != nil {
				return usagef("not an integer: %q", shorten(e.Value))
			}
		}
		sum = old + n
		if (sum > old) != (n > 0) && n != 0 {
			return usagef("%d + %d is over the limit of 64 bits", old, n)
		}
		return put(ctx, tx, engine.Entry{Key: key, Value: strconv.AppendInt(nil, sum, 10), Expires: e.Expires})
	})
	if err != nil {
		return named("incr", key, err)
	}
	if err := s.number("value", sum); err != nil {
		return err
	}
	return s.acknowledge(w)
}

// put writes key, value and expiry of an entry.
func put(ctx context.Context, tx engine.Tx, e engine.Entry) error {
	if e.Expires.IsZero() {
		return tx.Set(ctx, e.Key, e.Value)
	}
	return tx.SetExpiring(ctx, e.Key, e.Value, e.Expires)
}

// shorten is the start of a value, for messages.
func shorten(value []byte) string {
	const most = 32 // bytes
	if len(value) <= most {
		return string(value)
	}
	return string(value[:most]) + "…"
}
