package engine

import (
	"testing"
	"time"
)

// A writer that goes on without a pause leaves the lock alone once in a turn,
// for as long as another one takes to look; one that pauses by itself never.
func TestTurn(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name        string
		hold, pause time.Duration // with the lock, and between two
		n, want     int           // times it takes the lock, and how often it is over
	}{
		{"a fast disk", 100 * time.Microsecond, 0, 10_001, 4},
		{"a slow disk", 40 * time.Millisecond, 10 * time.Microsecond, 70, 9},
		{"one commit longer than a turn", time.Second, 0, 10, 9},
		{"pauses in which others look", 40 * time.Millisecond, turnPause, 70, 0},
		{"once", 0, 0, 1, 0},
	} {
		var turn turn
		now, got := start, 0
		for range c.n {
			if turn.over(now) {
				got++
				now = now.Add(turnPause)
			}
			now = now.Add(c.hold)
			turn.released = now
			now = now.Add(c.pause)
		}
		if got != c.want {
			t.Errorf("%s: over %d times in %d, want %d", c.name, got, c.n, c.want)
		}
	}
	if turnPause <= lockPoll {
		t.Errorf("the pause of %v is no longer than %v between two looks", turnPause, lockPoll)
	}
}
