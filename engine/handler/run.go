package handler

import (
	"context"
	"fmt"
	"time"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
)

// A Call is what a handler is run on.
type Call struct {
	Keys   []string  // each once, at most MaxKeys
	Values [][]byte  // of the keys, in their order; nil: the key is not there
	Arg    string    // JSON; empty: none
	Now    time.Time // of the transaction
}

// A Write is the new value of a key.
type Write struct {
	Key     string
	Value   []byte
	Delete  bool      // the key goes; Value and Expires say nothing
	Expires time.Time // zero: never
}

// An Outcome is what a handler returned.
type Outcome struct {
	Writes  []Write // in the order of the keys; only what differs from before
	Result  string  // JSON; empty: none
	Printed []string
	Steps   uint64 // instructions it took
}

// Run runs the handler within this process, where only MaxSteps and the limits
// on what goes in and out hold; see the package comment. A handler that calls
// fail is a *RefusalError, a fault in it an *Error, a bad argument ErrArg; the
// end of the context ends the run with its cause. Nothing was written after
// any of them.
func (p *Program) Run(ctx context.Context, c Call) (o Outcome, err error) {
	if err := c.check(); err != nil {
		return o, err
	}
	thread := p.thread(&o)
	stop := context.AfterFunc(ctx, func() { thread.Cancel("cancelled") })
	defer stop()
	defer func() {
		if fault := recover(); fault != nil {
			err = &Error{Name: p.name, Reason: fmt.Sprintf("the interpreter gave up: %v", fault)}
		}
		o.Steps = thread.ExecutionSteps()
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	arg, err := decodeArg(thread, c.Arg)
	if err != nil {
		return o, err
	}
	globals, err := p.compiled.Init(thread, predeclared())
	if err != nil {
		return o, runError(p.name, err)
	}
	globals.Freeze()
	handle, ok := globals[entry].(*starlark.Function)
	if !ok {
		return o, &Error{Name: p.name, Reason: "handle is no function"}
	}
	thread.SetLocal(nowKey, c.Now.UnixMilli())
	returned, err := starlark.Call(thread, handle, starlark.Tuple{c.dict(), arg}, nil)
	if err != nil {
		return o, runError(p.name, err)
	}
	values, result, err := split(returned)
	if err == nil {
		o.Writes, err = c.writes(values)
	}
	if err == nil {
		o.Result, err = encodeResult(thread, result)
	}
	if err != nil {
		return o, errorAt(p.name, handle.Position(), err.Error())
	}
	return o, nil
}

// thread is a new thread of the interpreter, which prints into an outcome.
func (p *Program) thread(o *Outcome) *starlark.Thread {
	left := MaxPrintSize
	thread := &starlark.Thread{
		Name: p.name,
		Print: func(_ *starlark.Thread, text string) {
			if left > 0 {
				o.Printed = append(o.Printed, clip(text, left))
				left -= len(text) + 1
			}
		},
		OnMaxSteps: func(thread *starlark.Thread) {
			thread.Cancel(fmt.Sprintf("more than %d steps", MaxSteps))
		},
	}
	thread.SetMaxExecutionSteps(MaxSteps)
	return thread
}

// check refuses a call that passes a limit.
func (c *Call) check() error {
	if len(c.Keys) > MaxKeys {
		return fmt.Errorf("%d keys, the limit is %d", len(c.Keys), MaxKeys)
	}
	if len(c.Keys) != len(c.Values) {
		return fmt.Errorf("%d keys and %d values", len(c.Keys), len(c.Values))
	}
	size := 0
	for _, value := range c.Values {
		size += len(value)
	}
	if size > MaxInputSize {
		return fmt.Errorf("values of %d bytes together, the limit is %d", size, MaxInputSize)
	}
	return CheckArg(c.Arg)
}

// decodeArg is the argument as the handler sees it.
func decodeArg(thread *starlark.Thread, arg string) (starlark.Value, error) {
	if arg == "" {
		return starlark.None, nil
	}
	v, err := starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(arg)}, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrArg, err)
	}
	return v, nil
}

// encodeResult is the JSON of a result; empty for None.
func encodeResult(thread *starlark.Thread, result starlark.Value) (string, error) {
	if result == starlark.None {
		return "", nil
	}
	v, err := starlark.Call(thread, json.Module.Members["encode"], starlark.Tuple{result}, nil)
	if err != nil {
		return "", fmt.Errorf("result: %w", err)
	}
	text, _ := starlark.AsString(v)
	if len(text) > MaxResultSize {
		return "", fmt.Errorf("result of %d bytes, the limit is %d", len(text), MaxResultSize)
	}
	return text, nil
}
