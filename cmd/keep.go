package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A keepRule keeps the newest of each of so many periods.
type keepRule struct {
	count  int
	period func(time.Time) string // names the period a moment is in
}

// keepRules say which of many backups stay: those that any rule keeps, and the
// newest. A rule looks at the newest periods that have a backup, as in restic
// and borg: when backups stop being made, nothing is pruned because of that.
type keepRules []keepRule

// keepPeriods are the units of --keep. Days, weeks, months and years are those
// of the calendar where the program runs, weeks from Monday.
var keepPeriods = map[byte]func(time.Time) string{
	'h': func(t time.Time) string { return t.UTC().Format("2006-01-02T15") },
	'd': func(t time.Time) string { return t.Format(time.DateOnly) },
	'w': func(t time.Time) string {
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%d", year, week)
	},
	'm': func(t time.Time) string { return t.Format("2006-01") },
	'y': func(t time.Time) string { return t.Format("2006") },
}

// parseKeep reads the value of --keep: rules like 7d,4w,6m; a bare number
// keeps so many of the newest.
func parseKeep(text string) (rules keepRules, err error) {
	for word := range strings.SplitSeq(text, ",") {
		number, period := word, func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
		if n := len(word); n > 0 && (word[n-1] < '0' || word[n-1] > '9') {
			number, period = word[:n-1], keepPeriods[word[n-1]]
		}
		count, err := strconv.ParseUint(number, 10, 31)
		if err != nil || count == 0 || period == nil {
			return nil, &usageError{
				reason: fmt.Sprintf("--keep: not a rule: %q", word),
				hint:   "rules are like 7d,4w,6m: one a day for 7 days, one a week for 4 weeks, one a month for 6 months",
			}
		}
		rules = append(rules, keepRule{int(count), period})
	}
	return rules, nil
}

// kept says of each moment, the newest first, whether its backup stays.
func (rules keepRules) kept(moments []time.Time) []bool {
	keep := make([]bool, len(moments))
	for _, rule := range rules {
		left, last := rule.count, ""
		for i, t := range moments {
			period := rule.period(t)
			if period == last {
				continue // a newer one stands for it
			}
			if left == 0 {
				break
			}
			keep[i], last = true, period
			left--
		}
	}
	if len(keep) > 0 {
		keep[0] = true
	}
	return keep
}
