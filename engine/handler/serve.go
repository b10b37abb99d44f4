package handler

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// Serve is the whole of a Worker's process: it runs the handlers that come in
// on r until that ends, and writes their outcomes to w. It ends the process
// when a handler passes a limit. It changes limits of the process, so nothing
// else should run there.
func Serve(r io.Reader, w io.Writer) error { return serve(r, w, MaxTime) }

// serve is Serve with another limit on the time of a call.
func serve(r io.Reader, w io.Writer, maxTime time.Duration) error {
	// Ctrl-C at a terminal reaches this process, too. Whether it ends the call
	// is the affair of the one that called.
	signal.Ignore(os.Interrupt)
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(MaxMemory) // so that garbage is collected before it counts
	guard := newGuard(maxTime)
	go guard.watch()
	in, out := json.NewDecoder(bufio.NewReader(r)), bufio.NewWriter(w)
	var last served
	for {
		var req request
		if err := in.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		guard.begin(&req)
		a := last.run(&req)
		guard.end()
		if err := json.NewEncoder(out).Encode(a); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// maxStack is the bytes of stack that a handler may use: the limits on the
// source need less than a tenth of it, so it is data that goes beyond.
const maxStack = 64 << 20

// A served is the handler that ran last, kept compiled for the next call.
type served struct {
	name    string
	source  string
	program *Program
}

// run answers a request.
func (s *served) run(req *request) (a answer) {
	if s.program == nil || s.name != req.Name || s.source != string(req.Source) {
		program, err := Compile(req.Name, req.Source)
		if err != nil {
			a.fail(err)
			return a
		}
		s.name, s.source, s.program = req.Name, string(req.Source), program
	}
	c := Call{Values: req.Values, Arg: req.Arg, Now: req.Now}
	for _, key := range req.Keys {
		c.Keys = append(c.Keys, string(key))
	}
	outcome, err := s.program.Run(context.Background(), c)
	a.Outcome = outcome
	if err != nil {
		a.fail(err)
		return a
	}
	for i := range outcome.Writes {
		a.Keys = append(a.Keys, []byte(outcome.Writes[i].Key))
	}
	return a
}

// fail makes an error part of the answer.
func (a *answer) fail(err error) {
	a.Outcome.Writes = nil
	switch {
	case errors.As(err, &a.Refusal), errors.As(err, &a.Fault):
	case errors.Is(err, ErrArg):
		a.Arg = strings.TrimPrefix(err.Error(), ErrArg.Error())
	default:
		a.Other = err.Error()
	}
}

// A guard ends the process when a handler passes MaxTime or MaxMemory: while a
// built-in function of the interpreter runs, nothing else could stop it.
type guard struct {
	most  time.Duration
	looks *time.Ticker  // while a call runs
	since atomic.Int64  // when the call began, in ns since 1970; 0: none runs
	bytes atomic.Uint64 // what it may hold
}

// guardInterval is the time between two looks.
const guardInterval = 2 * time.Millisecond

// guardSlack is the bytes that a call may take beyond its limit between two
// looks, and what the process itself needs.
const guardSlack = 256 << 20

func newGuard(most time.Duration) *guard {
	g := &guard{most: most, looks: time.NewTicker(guardInterval)}
	g.looks.Stop()
	return g
}

func (g *guard) begin(req *request) {
	size := 0
	for _, value := range req.Values {
		size += len(value)
	}
	// The input is there as JSON, as bytes and as values of the handler.
	most := MaxMemory + 4*uint64(size)
	g.bytes.Store(most)
	limitData(most + guardSlack)
	g.since.Store(time.Now().UnixNano())
	g.looks.Reset(guardInterval)
}

func (g *guard) end() {
	g.looks.Stop()
	g.since.Store(0)
}

// watch looks again and again while a call runs. (Package runtime/metrics would
// tell the memory without stopping the world, but costs every start of every
// program that links it a dozen page faults.)
func (g *guard) watch() {
	var held runtime.MemStats
	for range g.looks.C {
		since := g.since.Load()
		if since == 0 {
			continue
		}
		if time.Since(time.Unix(0, since)) > g.most {
			os.Exit(exitTime)
		}
		runtime.ReadMemStats(&held)
		if held.Sys-held.HeapReleased > g.bytes.Load() {
			os.Exit(exitMemory)
		}
	}
}
