package cmd

import (
	"context"
	"strconv"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/repl"
)

// levelSeparators end the levels of the namespace that keys make.
const levelSeparators = ":/."

// levelsTime is how long Tab looks for levels of keys, and counts them. Tests
// that know what is found change it: their machine may be slow.
var levelsTime = 40 * time.Millisecond

// countLimit is how many keys of a level are counted.
const countLimit = 1000

// completeLevels completes a word to keys, a level of their namespace at a
// time: user: first, and what is behind it at the next Tab.
func (s *Session) completeLevels(family, word string) func(context.Context) repl.Completion {
	store := s.completeStore()
	if store == nil {
		return nil
	}
	patience := levelsTime
	if s.tabTime > 0 {
		patience = s.tabTime
	}
	return func(ctx context.Context) (found repl.Completion) {
		_ = store.View(ctx, engine.Newest, func(tx engine.Tx) (err error) {
			if family != "" {
				tx = tx.In(family)
			}
			deadline := time.Now().Add(patience)
			if found, err = levels(ctx, tx, word, deadline); err == nil {
				countLevels(ctx, tx, found.Candidates, deadline)
			}
			return err
		})
		return found
	}
}

// levels finds the next level of the keys that begin with a prefix. It goes
// from one level to the next, so it costs what there is to show, however many
// keys there are. What is not found by the deadline is left out.
func levels(ctx context.Context, tx engine.Tx, prefix string, deadline time.Time) (found repl.Completion, err error) {
	for from := ""; ; {
		e, ok, err := edgeKey(ctx, tx, engine.Range{Prefix: prefix, From: from})
		if err != nil || !ok {
			return found, err
		}
		if n := len(found.Candidates); n == completionLimit || n > 0 && time.Now().After(deadline) {
			last, _, err := edgeKey(ctx, tx, engine.Range{Prefix: prefix, Reverse: true})
			found.Greatest = last
			return found, err
		}
		c := repl.Candidate{Text: e}
		if i := strings.IndexAny(e[len(prefix):], levelSeparators); i >= 0 {
			// A key that ends with its separator is itself the level.
			c = repl.Candidate{Text: e[:len(prefix)+i+1], Partial: true}
			from = behindPrefix(c.Text)
		} else {
			from = e + "\x00"
		}
		found.Candidates = append(found.Candidates, c)
		if from == "" {
			return found, nil
		}
	}
}

// edgeKey is the first key of a range.
func edgeKey(ctx context.Context, tx engine.Tx, r engine.Range) (key string, ok bool, err error) {
	r.KeysOnly, r.Limit = true, 1
	for e, err := range tx.Scan(ctx, r) {
		return e.Key, err == nil, err
	}
	return "", false, nil
}

// behindPrefix is the least key behind all that begin with a prefix; empty if
// there is none.
func behindPrefix(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// countLevels notes how many keys each level has, as far as there is time. In
// place of a level with one key stands that key.
func countLevels(ctx context.Context, tx engine.Tx, all []repl.Candidate, deadline time.Time) {
	for i := range all {
		if !all[i].Partial {
			continue
		}
		if time.Now().After(deadline) {
			return
		}
		n, err := tx.Count(ctx, engine.Range{Prefix: all[i].Text, Limit: countLimit + 1})
		switch {
		case err != nil:
			return
		case n == 1: // no level, but the key itself
			if key, ok, err := edgeKey(ctx, tx, engine.Range{Prefix: all[i].Text}); ok && err == nil {
				all[i] = repl.Candidate{Text: key}
			}
		case n > countLimit:
			all[i].Note = "over " + strconv.Itoa(countLimit) + " keys"
		default:
			all[i].Note = plural(n, "key")
		}
	}
}
