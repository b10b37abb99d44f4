package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of one database, below those of every database (MaxKeySize,
// MaxValueSize, MaxTxSize). They are settings, and hold for what is written
// from then on, by whichever process; what is there already stays.
const (
	settingMaxKey   = "limit.key"         // bytes in a key
	settingMaxValue = "limit.value"       // bytes in a value
	settingMaxTx    = "limit.transaction" // bytes of one transaction, but for an import
)

// limitKind makes a setting of a limit from 1 to most bytes.
func limitKind(name string, most int64, def string) settingKind {
	return settingKind{name, def, func(value string) error {
		if n, err := parseSize(value); err != nil {
			return err
		} else if n < 1 || n > most {
			return fmt.Errorf("%q is not between 1 and %d bytes: %w", value, most, ErrInvalid)
		}
		return nil
	}}
}

// parseSize reads a number of bytes, or of KiB or MiB: 4096, 64KiB, 1MiB.
func parseSize(text string) (int64, error) {
	number, unit := text, int64(1)
	if n, ok := strings.CutSuffix(text, "KiB"); ok {
		number, unit = n, 1<<10
	} else if n, ok := strings.CutSuffix(text, "MiB"); ok {
		number, unit = n, 1<<20
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is no size like 4096, 64KiB or 1MiB: %w", text, ErrInvalid)
	}
	return int64(n) * unit, nil
}

// limits are the limits of one database, in bytes.
type limits struct{ key, value, tx int64 }

// limits reads the limits of a manifest.
func (m *manifest) limits() limits {
	l := limits{MaxKeySize, MaxValueSize, MaxTxSize}
	for _, s := range m.settings {
		var limit *int64
		switch s.name {
		case settingMaxKey:
			limit = &l.key
		case settingMaxValue:
			limit = &l.value
		case settingMaxTx:
			limit = &l.tx
		default:
			continue
		}
		// One that a later version wrote and this one cannot read is none.
		if n, err := parseSize(s.value); err == nil {
			*limit = min(*limit, n)
		}
	}
	return l
}

// limits reads the limits of the database as it is now.
func (db *DB) limits() (limits, error) {
	if !db.exists.Load() {
		return (&manifest{}).limits(), nil
	}
	b, _, err := db.pin()
	if err != nil {
		return limits{}, err
	}
	defer b.release()
	return b.man.limits(), nil
}

// check refuses a key or value over its limit. Deleting a key is always allowed.
func (l *limits) check(key, value int, deletes bool) error {
	switch {
	case deletes:
		return nil
	case int64(key) > l.key:
		return fmt.Errorf("key of %d bytes, %s is %d: %w", key, settingMaxKey, l.key, ErrTooLarge)
	case int64(value) > l.value:
		return fmt.Errorf("value of %d bytes, %s is %d: %w", value, settingMaxValue, l.value, ErrTooLarge)
	}
	return nil
}

// checkAll refuses a transaction over a limit.
func (l *limits) checkAll(ops []operation, size int64) error {
	if size > l.tx {
		return fmt.Errorf("transaction of %d bytes, %s is %d, and import takes any number: %w", size, settingMaxTx, l.tx, ErrTooLarge)
	}
	for i := range ops {
		if err := l.check(len(ops[i].key), len(ops[i].value), ops[i].op == OpDelete); err != nil {
			return err
		}
	}
	return nil
}
