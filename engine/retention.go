package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Retention of history. Records are kept, and with them every version of a key
// that was ever current since, for the time of the setting history.keep, and
// while they take no more bytes than the live data or keepBytes, whichever is
// more. What goes is the oldest first.
const (
	settingKeep = "history.keep"
	keepDefault = 7 * 24 * time.Hour
	keepBytes   = 64 << 20
)

// parseKeep reads a duration such as 36h, 7d or 2w.
func parseKeep(s string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(number, 10, 15)
			if err != nil {
				return 0, fmt.Errorf("duration %q: %w", s, ErrInvalid)
			}
			return time.Duration(n) * length, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("duration %q: %w", s, ErrInvalid)
	}
	return d, nil
}

// A historyCut says up to where history is forgotten.
type historyCut struct {
	from  Rev   // the first revision to keep
	stamp Stamp // of the one before
	bytes int64 // that go
}

// oldHistory finds what of the folded records is older than the settings keep.
// bytes is what the history has in all.
func (db *DB) oldHistory(ctx context.Context, b *base, bytes int64) (historyCut, error) {
	keep, err := parseKeep(b.man.setting(settingKeep, keepDefault.String()))
	if err != nil {
		keep = keepDefault
	}
	live, err := db.liveBytes(b)
	if err != nil {
		return historyCut{}, err
	}
	// The records that wrote what is live are no old versions.
	return db.historyBefore(ctx, b.man, db.opts.now().Add(-keep), bytes-live-max(live, db.opts.sizes.keep))
}

// historyBefore finds the folded records that are not younger than a time, or
// among the oldest so many bytes.
func (db *DB) historyBefore(ctx context.Context, man *manifest, cutoff time.Time, excess int64) (historyCut, error) {
	cut := historyCut{from: man.historyFrom, stamp: man.historyStamp}
	err := db.records(ctx, man.historyFrom, man.folded.rev, func(r *record) error {
		if r.stamp.Time().After(cutoff) && cut.bytes >= excess {
			return errStop
		}
		size := frameSize(r.size)
		err := r.each(func(o *operation) bool {
			size += o.table.size
			return true
		})
		if err != nil {
			return corruptRecord(r, err)
		}
		cut.from, cut.stamp, cut.bytes = r.rev+1, r.stamp, cut.bytes+size
		return nil
	})
	if err == errStop {
		err = nil
	}
	return cut, err
}

// liveBytes estimates what the newest versions take of the tables.
func (db *DB) liveBytes(b *base) (int64, error) {
	var live int64
	for _, r := range b.runs {
		for _, l := range r.tables {
			t, err := l.open()
			if err != nil {
				return 0, err
			}
			if i := t.info(); i.entries > 0 {
				live += int64(float64(i.size) * float64(i.keys) / float64(i.entries))
			}
		}
	}
	return live, nil
}

// forget moves the beginning of history, if it is still where it was seen.
func (m *manifest) forget(seen *manifest, cut historyCut) {
	if m.historyFrom == seen.historyFrom && cut.from > m.historyFrom {
		m.historyFrom, m.historyStamp = cut.from, cut.stamp
		m.historyBytes = max(m.historyBytes-cut.bytes, 0) // a repair may have made records longer
	}
}
