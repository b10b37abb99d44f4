package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newTTL(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "ttl KEY [DUR|none]",
		Short: "Show or set when a key expires",
		Long: `Shows how long a key has to live, or none. With DUR, a time span like 90s, 10m,
1h30m, 7d or 2w, the key is gone after so long; with none it stays.`,
		Example:     "kvsh ttl user:1\nkvsh ttl user:1 1h30m\nkvsh ttl user:1 none",
		Args:        operands(1, 2),
		Annotations: oneCommit(exits("0, 1 key not found")),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return s.showTTL(c.Context(), args[0])
			}
			ttl := time.Duration(0)
			if args[1] != "none" {
				var err error
				if ttl, err = parseDuration(args[1]); err != nil {
					return fmt.Errorf("ttl: %w", err)
				}
				if ttl <= 0 {
					return usageOf(c, "%s is not more than zero", quoted(args[1]))
				}
			}
			return s.setTTL(c.Context(), args[0], ttl)
		},
	}
	s.set.bindRev(c)
	return c
}

// showTTL prints how long a key has to live.
func (s *Session) showTTL(ctx context.Context, key string) error {
	var e engine.Entry
	var now time.Time
	err := s.view(ctx, func(tx engine.Tx) (err error) {
		e, err = tx.Get(ctx, key)
		now = tx.Now()
		return err
	})
	if err != nil {
		return named("ttl", key, err)
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	if isRecordMode(m) {
		return s.row([]format.Column{{Name: "key", Kind: format.Bytes}, {Name: "ttl", Kind: format.TTL}}, []byte(key), remaining(e.Expires, now))
	}
	text := "none"
	if !e.Expires.IsZero() {
		text = durationText(e.Expires.Sub(now))
	}
	_, err = s.out.WriteString(text + "\n")
	return err
}

// setTTL lets a key expire after ttl, or never if that is 0.
func (s *Session) setTTL(ctx context.Context, key string, ttl time.Duration) error {
	w, err := s.update(ctx, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, key)
		if err != nil {
			return err
		}
		if ttl == 0 && e.Expires.IsZero() {
			return nil // a commit that changes nothing would be the one to undo
		}
		e.Expires = time.Time{}
		if ttl > 0 {
			e.Expires = tx.Now().Add(ttl)
		}
		return put(ctx, tx, e)
	})
	if err != nil {
		return named("ttl", key, err)
	}
	return s.acknowledge(w)
}
