package cmd

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Signals is how a process meets Ctrl-C, SIGTERM and a closed pipe. Until
// something of it is called, a signal ends the process as it ends any program.
//
// To watch for signals takes threads, a tenth of the time of a command that
// writes one key. Such a command asks for WatchLate and, before its commit, for
// Hold. So nobody waits for it in vain, and yet it is true that a command ended
// by a signal has written nothing.
type Signals interface {
	// Watch lets a signal end what is running in order, from now on. A second
	// call does nothing.
	Watch()

	// WatchLate is Watch for a process that is still there in a moment.
	WatchLate()

	// Hold keeps signals from ending the process until they are watched: one
	// that comes before is lost.
	Hold()

	// KeepInterrupts is called when the shell begins: from then on Ctrl-C ends
	// a command and no longer the context of the process.
	KeepInterrupts()
}

// watchSignals lets a signal end what is running in order, from now on.
func (s *Session) watchSignals() {
	if s.Signals != nil {
		s.Signals.Watch()
	}
}

// watchSignalsLate is watchSignals for a command that ends at once as a rule.
func (s *Session) watchSignalsLate() {
	if s.Signals != nil {
		s.Signals.WatchLate()
	}
}

// holdSignals keeps a signal from ending the process within a commit.
func (s *Session) holdSignals() {
	if s.Signals != nil {
		s.Signals.Hold()
	}
}

// lateWatch is when WatchLate begins to watch: several times what a short
// command takes, and sooner than a person can press a key twice.
const lateWatch = 10 * time.Millisecond

// signalWatch is the Signals of a real process.
type signalWatch struct {
	cancel  context.CancelCauseFunc // of the context of the process
	inShell atomic.Bool

	mu       sync.Mutex // guards all below
	watching bool
}

func (w *signalWatch) KeepInterrupts() { w.inShell.Store(true) }

func (w *signalWatch) WatchLate() { time.AfterFunc(lateWatch, w.Watch) }

func (w *signalWatch) Watch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watching {
		return
	}
	w.watching = true
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// What programs and libraries write to stdout on their own is not to end
	// the process either, see unkilled. (Ignoring the signal would pass to
	// children.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go w.endOn(signals)
}

func (w *signalWatch) Hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.watching {
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
	}
}

// endOn ends the context of the process at the first signal that is not for the
// shell. The next one ends the process.
func (w *signalWatch) endOn(signals <-chan os.Signal) {
	for sig := range signals {
		switch {
		case sig == syscall.SIGTERM:
			w.cancel(errTerminated)
		case w.inShell.Load():
			continue // it ends one command, see runShellCommand
		default:
			w.cancel(context.Canceled)
		}
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		return
	}
}
