//go:build linux

package blackbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ensure that a command of one commit that a signal ends has written nothing,
// and that one which ends by itself has written, whenever the signal comes.
func TestSignalBeforeOrAfterCommit(t *testing.T) {
	r := newRand(t)
	d := newDB(t)
	d.must(t, "", "init")
	runs := 150
	if *soak {
		runs = 5000
	}
	var written []string
	ended := 0
	for i := range runs {
		key := fmt.Sprintf("key:%06d", i)
		if d.setUnderSignal(t, r, key) {
			written = append(written, key)
		} else {
			ended++
		}
	}
	t.Logf("a signal ended %d of %d commands", ended, runs)
	got := strings.Fields(d.must(t, "", "list"))
	if !slices.Equal(got, written) {
		t.Errorf("keys: %q, want those of the commands that ended by themselves: %q", got, written)
	}
}

// setUnderSignal sets a key while a signal comes some time or other, and reports
// whether the command ended by itself.
func (d db) setUnderSignal(t *testing.T, r *rand.Rand, key string) (done bool) {
	t.Helper()
	sig := []os.Signal{os.Interrupt, syscall.SIGTERM}[r.IntN(2)]
	c := d.command(t.Context(), "set", key, "value")
	var stderr strings.Builder
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(r.Int64N(int64(5*time.Millisecond))), func() { _ = c.Process.Signal(sig) })
	err := c.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	status := exit.Sys().(syscall.WaitStatus)
	byDefault := status.Signaled() && os.Signal(status.Signal()) == sig
	inOrder := (status.ExitStatus() == 130 || status.ExitStatus() == 143) && stderr.Len() > 0
	if !byDefault && !inOrder {
		t.Errorf("set %s under %v = %v, stderr %q, want it to be ended by that signal", key, sig, err, stderr.String())
	}
	return false
}
