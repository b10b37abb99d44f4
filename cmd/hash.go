package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newHash(s *Session) *cobra.Command {
	var at moment
	c := &cobra.Command{
		Use:   "hash",
		Short: "Print a digest of the state, equal on equal copies",
		Long: `Prints a digest of all keys, values and expiries in all column families. It is
equal on a database and its copy, snapshot or restored backup, whatever their
revisions, and differs where anything else does. What has expired does not
count; --at takes it as it was, so that the digest of a revision stays the same,
and is that of a snapshot of it too. With --json also the revision
and the number of keys. It reads everything once. It finds accidents; it is no
proof against somebody who means to deceive.`,
		Example:     "kvsh hash\nkvsh hash --json\nkvsh hash --at 1",
		Args:        operands(0, 0),
		Annotations: exits("0, 1 no such revision"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.hash(c.Context(), at); err != nil {
				return fmt.Errorf("hash: %w", err)
			}
			return nil
		},
	}
	at.bindAt(c)
	return c
}

// hash writes the digest of what there is to read, or of an earlier revision.
func (s *Session) hash(ctx context.Context, at moment) error {
	var (
		digest engine.Digest
		keys   int64
		rev    engine.Rev
	)
	p := s.startProgress("hash")
	defer p.end()
	sum := func(tx engine.Tx) (err error) {
		rev = tx.Rev()
		digest, keys, err = engine.Hash(ctx, p.scanning(tx))
		return err
	}
	err := s.viewAt(ctx, at, sum)
	p.end()
	if err != nil {
		return err
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	columns := []format.Column{{Name: "digest", Kind: format.Text}}
	switch {
	case m == format.Auto, m == format.Pretty:
		_, err := fmt.Fprintln(s.out, digest)
		return err
	case isRecordMode(m):
		columns = append(columns, format.Column{Name: "rev", Kind: format.Int}, format.Column{Name: "keys", Kind: format.Int})
		return s.row(columns, digest.String(), uint64(rev), keys)
	}
	return s.row(columns, digest.String())
}
