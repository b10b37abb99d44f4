package cmd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
)

// diffRand is a source that KVSH_SEED repeats. Its seed is in the log.
func diffRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KVSH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("KVSH_SEED=%q: %v", s, err)
		}
	}
	t.Logf("KVSH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 2))
}

// writeRandomly writes to a few random keys of a database: of any bytes, in families,
// with expiries.
func writeRandomly(t *testing.T, r *rand.Rand, path string) {
	t.Helper()
	db, err := engine.Open(t.Context(), path, engine.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	pick := func(from string) string { return string(from[r.IntN(len(from))]) }
	_, err = db.Update(ctx, func(tx engine.Tx) error {
		for range 1 + r.IntN(12) {
			in := tx.In([]string{"", "", "f", "g.1"}[r.IntN(4)])
			key := pick("-a\x00\xff\"") + strings.Repeat(pick("-b\n#; "), r.IntN(3))
			value := []byte(strings.Repeat(pick("x\x00\xfe'\\\n"), r.IntN(4)))
			var err error
			switch r.IntN(5) {
			case 0, 1:
				err = in.Delete(ctx, key)
			case 2:
				err = in.SetExpiring(ctx, key, value, time.UnixMilli(4_000_000_000_000+r.Int64N(3)))
			default:
				err = in.Set(ctx, key, value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A patch makes the state it was made from equal to the other one: keys,
// values, expiries and families, between revisions and between databases.
func TestPatchMakesEqual(t *testing.T) {
	r := diffRand(t)
	ask := func(db string, stdin string, want int, words ...string) string {
		t.Helper()
		code, out, errs := invoke(t, stdin, append([]string{"-d", db}, words...)...)
		if code != want && want >= 0 {
			t.Fatalf("%q = %d, want %d: %s", words, code, want, errs)
		}
		return out
	}
	for range 15 {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a.kv"), filepath.Join(dir, "b.kv")
		const revs = 8
		for range revs {
			writeRandomly(t, r, a)
		}
		writeRandomly(t, r, b)
		// Between two databases.
		patch := ask(a, "", -1, "diff", "--patch", b, a)
		ask(b, patch, exitYes, "import", "--format", "kvsh")
		if got, want := ask(b, "", exitYes, "hash"), ask(a, "", exitYes, "hash"); got != want {
			t.Fatalf("after the patch %q the digest is %s, want %s", patch, got, want)
		}
		ask(a, "", exitYes, "diff", b)
		// Between two revisions, applied to a copy of the first.
		newest := strings.TrimSpace(ask(a, "", exitYes, "set", "--rev", "last", "1"))
		last, err := strconv.Atoi(newest)
		if err != nil {
			t.Fatal(err)
		}
		from, to := fmt.Sprint(1+r.IntN(last)), fmt.Sprint(1+r.IntN(last))
		copied := filepath.Join(dir, "c.kv")
		ask(a, "", exitYes, "restore", "--to-rev", from, "--to", copied)
		patch = ask(a, "", -1, "diff", "--patch", from, to)
		ask(copied, patch, exitYes, "import", "--format", "kvsh")
		if got, want := ask(copied, "", exitYes, "hash"), ask(a, "", exitYes, "hash", "--at", to); got != want {
			t.Fatalf("after the patch %q from %s to %s the digest is %s, want %s", patch, from, to, got, want)
		}
	}
}

// A difference takes one line of the terminal, whatever it holds.
func TestDifferenceLineFits(t *testing.T) {
	long := strings.Repeat("日本\x1b[2J", 100)
	old := &engine.Entry{Value: []byte(long)}
	changed := &engine.Entry{Value: []byte("b" + long)}
	for _, d := range []engine.Difference{
		{Key: "k", New: changed}, {Key: long, Old: old}, {Key: "k", Old: old, New: changed}, {Key: long, Old: old, New: changed},
	} {
		line := differenceLine("family", d, 100)
		if n := len([]rune(line)); n > 100 || strings.ContainsAny(line, "\x1b\n") {
			t.Errorf("a line of %d characters: %q", n, line)
		}
		if !strings.Contains(line, "…+") {
			t.Errorf("%q does not say what was left out", line)
		}
	}
	if got, want := differenceLine("", engine.Difference{Key: "a b", Old: old, New: old}, 0), `~ "a b" `; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " (ttl)") {
		t.Errorf("a line for another expiry = %q, want %q… (ttl)", got, want)
	}
}

// Each form of a moment is read, and nothing that could be two things.
func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 30, 0, 0, time.Local)
	for text, want := range map[string]moment{
		"913":                  {rev: 913},
		"10m":                  {time: now.Add(-10 * time.Minute)},
		"3d":                   {time: now.Add(-72 * time.Hour)},
		"08:00":                {time: time.Date(2026, 11, 21, 8, 0, 0, 0, time.Local)},
		"08:00:05":             {time: time.Date(2026, 11, 21, 8, 0, 5, 0, time.Local)},
		"2026-11-20":           {time: time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local)},
		"2026-11-20 10:00":     {time: time.Date(2026, 11, 20, 10, 0, 0, 0, time.Local)},
		"2026-11-20 10:00:05":  {time: time.Date(2026, 11, 20, 10, 0, 5, 0, time.Local)},
		"2026-11-20T10:00:05Z": {time: time.Date(2026, 11, 20, 10, 0, 5, 0, time.UTC)},
	} {
		if got, err := parseMoment(text, now); err != nil || got.rev != want.rev || !got.time.Equal(want.time) {
			t.Errorf("parseMoment(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "yesterday", "24:61", "2026-13-01", "1.5", "99999999999999999999"} {
		if got, err := parseMoment(text, now); exitCode(err) != exitUsage {
			t.Errorf("parseMoment(%q) = %+v, %v, want a usage error", text, got, err)
		}
	}
}
