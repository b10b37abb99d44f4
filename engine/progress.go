package engine

import (
	"context"
	"sync/atomic"
)

// A Progress says how far a long operation is with what it is doing. One
// operation may do several things, one after the other.
type Progress struct {
	Doing string // one word: merge, write, verify, copy, read
	Done  int64  // of Total; it may end below it
	Total int64  // 0: not known
	Bytes bool   // Done and Total are bytes; else they are entries
}

// WithProgress returns a context whose operations tell f how far they are:
// Load, Snapshot, VerifySnapshot, Restore, Check, Compact, Diff and Undo do. f is
// called many times a second, from several goroutines at once, and must not wait.
func WithProgress(ctx context.Context, f func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// progressKey is the key of a func(Progress), and stepKey that of a *step.
type (
	progressKey struct{}
	stepKey     struct{}
)

// A step is one thing that an operation does, of which it tells.
type step struct {
	Progress // but for Done
	done     atomic.Int64
	tell     func(Progress)
}

// withStep returns a context for one step of an operation. It costs nothing
// where nobody wants to be told.
func withStep(ctx context.Context, p Progress) context.Context {
	tell, _ := ctx.Value(progressKey{}).(func(Progress))
	if tell == nil {
		return ctx
	}
	tell(p)
	return context.WithValue(ctx, stepKey{}, &step{Progress: p, tell: tell})
}

// progressed adds to what the step of the context has done.
func progressed(ctx context.Context, n int64) { stepOf(ctx).add(n) }

// stepOf is the step of a context, or nil, for those who ask it often.
func stepOf(ctx context.Context) *step {
	s, _ := ctx.Value(stepKey{}).(*step)
	return s
}

// add is progressed for a step, which may be nil.
func (s *step) add(n int64) {
	if s == nil {
		return
	}
	p := s.Progress
	p.Done = s.done.Add(n)
	s.tell(p)
}
