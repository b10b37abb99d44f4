package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
)

// keptDays runs the rules over one backup a day at noon, counted back from a
// Sunday, and returns the ages in days of those that stay.
func keptDays(t *testing.T, text string, ages []int) (kept []int) {
	t.Helper()
	rules, err := parseKeep(text)
	if err != nil {
		t.Fatalf("parseKeep(%q) = %v", text, err)
	}
	sunday := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	var moments []time.Time
	for _, age := range ages {
		moments = append(moments, sunday.AddDate(0, 0, -age))
	}
	for i, keep := range rules.kept(moments) {
		if keep {
			kept = append(kept, ages[i])
		}
	}
	return kept
}

func TestKeepRules(t *testing.T) {
	days := func(n int) (ages []int) {
		for i := range n {
			ages = append(ages, i)
		}
		return ages
	}
	for _, c := range []struct {
		rules string
		ages  []int
		want  []int
	}{
		{"3d", days(10), []int{0, 1, 2}},
		{"3", days(10), []int{0, 1, 2}},
		{"2w", days(20), []int{0, 7}},                  // the newest of a week is its Sunday
		{"3m", days(100), []int{0, 22, 53}},            // 22 Nov, 31 Oct, 30 Sep
		{"2y", days(700), []int{0, 326}},               // 22 Nov 2026, 31 Dec 2025
		{"2d,2w,2m", days(60), []int{0, 1, 7, 22}},     // rules add up
		{"7d", []int{0, 100, 200}, []int{0, 100, 200}}, // days without a backup do not count
		{"1d", []int{5, 6}, []int{5}},
		{"1y", nil, nil},
	} {
		if got := keptDays(t, c.rules, c.ages); !slices.Equal(got, c.want) {
			t.Errorf("%s keeps the backups that are %v days old, want %v", c.rules, got, c.want)
		}
	}
	for _, bad := range []string{"", "d", "0d", "-1d", "7x", "7d,", "7 d", "1.5d", "99999999999d"} {
		if _, err := parseKeep(bad); err == nil {
			t.Errorf("parseKeep(%q) = nil, want an error", bad)
		}
	}
}

// Backups in one hour count as one hour, also where the clock is set back for
// the winter and the hour comes twice.
func TestKeepHours(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("SKIP: no time zones on this machine; the hour that comes twice was not shown")
	}
	rules, err := parseKeep("3h")
	if err != nil {
		t.Fatal(err)
	}
	newest := time.Date(2026, 10, 25, 2, 45, 0, 0, time.UTC).In(zone)
	var moments []time.Time
	for i := range 8 {
		moments = append(moments, newest.Add(-time.Duration(i)*30*time.Minute))
	}
	want := []bool{true, false, true, false, true, false, false, false}
	if got := rules.kept(moments); !slices.Equal(got, want) {
		t.Errorf("3h keeps %v of %v, want %v", got, moments, want)
	}
}

// Pruning removes what the rules say of one database, the increments that
// nothing needs any more, and leftovers; and nothing else.
func TestPruneBackups(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.Local)
	save := func(name string, days int) (id string) {
		db, err := engine.Open(t.Context(), filepath.Join(dir, name+".kv"), engine.Options{
			Create: true, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var last engine.SnapshotInfo
		for day := range days {
			now = time.Date(2026, 11, 1+day, 12, 0, 0, 0, time.Local)
			res, err := db.Update(t.Context(), func(tx engine.Tx) error {
				return tx.Set(t.Context(), "day", fmt.Append(nil, day))
			})
			if err == nil && day > 0 {
				_, err = db.Increment(t.Context(), fmt.Sprintf("%s/b/%s-%02d.kvi", dir, name, day), last.Rev, last.Stamp)
			}
			if err == nil {
				last, err = db.Snapshot(t.Context(), fmt.Sprintf("%s/b/%s-%02d.kvs", dir, name, day))
			}
			if err != nil || res.Rev != engine.Rev(day+1) {
				t.Fatal(err)
			}
		}
		return db.ID()
	}
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := save("mine", 12)
	save("other", 2)
	for name, content := range map[string]string{
		"notes.txt": "mine", "broken.kvs": "not a snapshot", "mine-20.kvs.0a0b0c0d.tmp": "left by a killed backup",
	} {
		if err := os.WriteFile(filepath.Join(dir, "b", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := parseKeep("3d,2w")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pruneBackups(t.Context(), filepath.Join(dir, "b"), mine, rules); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	// 12 Nov 2026 is a Thursday: days 9, 10 and 11, and the Sunday before.
	want := "broken.kvs mine-07.kvs mine-08.kvi mine-09.kvi mine-09.kvs mine-10.kvi mine-10.kvs mine-11.kvi mine-11.kvs " +
		"notes.txt other-00.kvs other-01.kvi other-01.kvs"
	if got := strings.Join(left, " "); got != want {
		t.Errorf("after pruning there is\n%s\nwant\n%s", got, want)
	}
}
