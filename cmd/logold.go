package cmd

import (
	"context"
	"errors"

	"kvsh/engine"
)

// A heldState says what is known of a key before a record changed it. The
// words are part of what programs read.
type heldState string

// The states.
const (
	heldUnknown heldState = "unknown" // the state before the record is not kept, or cannot be read
	heldNothing heldState = "none"
	heldValue   heldState = "value"
)

// maxRemembered is the bytes of keys and values that a pastReader remembers.
const maxRemembered = 64 << 20

// A pastReader tells what keys held before the records of a walk through the
// log changed them: from earlier records of the same walk, else from the
// database, if that opens and its history reaches.
type pastReader struct {
	db    beforeReader // nil: it does not open
	seen  map[string]engine.OpInfo
	bytes int // in seen
}

// beforeReader is what the database is asked.
type beforeReader interface {
	Before(ctx context.Context, rev engine.Rev, stamp engine.Stamp, family, key string) (engine.Entry, error)
}

// past begins a walk. That the database does not open is no error: the log is
// looked at most when something is wrong.
func (s *Session) past(ctx context.Context) *pastReader {
	p := &pastReader{seen: make(map[string]engine.OpInfo)}
	if store, err := s.open(ctx, toRead); err == nil {
		p.db, _ = store.(beforeReader)
	}
	return p
}

// before says what the key of an operation held.
func (p *pastReader) before(ctx context.Context, r *engine.RecordInfo, o *engine.OpInfo) (heldState, []byte) {
	if r.Stamp == 0 || o.Op == engine.OpIngest {
		return heldUnknown, nil
	}
	if last, ok := p.seen[o.Family+"\x00"+o.Key]; ok {
		expired := !last.Expires.IsZero() && !last.Expires.After(r.Stamp.Time())
		if last.Op == engine.OpDelete || expired {
			return heldNothing, nil
		}
		return heldValue, last.Value
	}
	if p.db == nil {
		return heldUnknown, nil
	}
	e, err := p.db.Before(ctx, r.Rev, r.Stamp, o.Family, o.Key)
	switch {
	case err == nil:
		return heldValue, e.Value
	case errors.Is(err, engine.ErrNotFound):
		return heldNothing, nil
	case engine.ClassOf(err) != engine.ClassHistoryGone:
		p.db = nil // it would say so again for every key
	}
	return heldUnknown, nil
}

// pass remembers what a record did. Behind a bad place, and behind a table of
// which only the name stands in the log, nothing of before counts.
func (p *pastReader) pass(r *engine.RecordInfo) {
	if r.Bad != "" || len(r.Ops) > 0 && r.Ops[0].Op == engine.OpIngest || p.bytes > maxRemembered {
		clear(p.seen)
		p.bytes = 0
	}
	if r.Bad != "" {
		return
	}
	for _, o := range r.Ops {
		if o.Op != engine.OpIngest {
			p.seen[o.Family+"\x00"+o.Key] = o
			p.bytes += len(o.Family) + len(o.Key) + len(o.Value)
		}
	}
}
