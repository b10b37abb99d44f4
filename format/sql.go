package format

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
)

// FormatSQL is one transaction of statements for sqlite3. No data is refused.
//
//	BEGIN;
//	CREATE TABLE IF NOT EXISTS kv (cf TEXT NOT NULL, key BLOB NOT NULL, …, PRIMARY KEY (cf, key));
//	INSERT OR REPLACE INTO kv VALUES ('',X'61',X'31',912,'2026-11-20T17:30:00.000Z',NULL);
//	COMMIT;
//
// Keys and values are blobs: "SELECT CAST(key AS TEXT)" shows them as text.
// rev, time and expires are NULL where they are not known, or never. A file
// that was cut has no COMMIT, so nothing of it stays in the database.
type sqlExport struct{ *sink }

const sqlHeader = `BEGIN;
CREATE TABLE IF NOT EXISTS kv (
  cf TEXT NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  rev INTEGER,
  time TEXT,
  expires TEXT,
  PRIMARY KEY (cf, key)
);
`

func newSQLExport(out *sink) *sqlExport {
	out.buf = append(out.buf, sqlHeader...)
	return &sqlExport{out}
}

func (e *sqlExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	if r.Rev > math.MaxInt64 {
		return e.refuse(fmt.Errorf("revision %d of %s: %w", r.Rev, quoteStart(r.Key), ErrNotHeld))
	}
	b := append(e.buf, "INSERT OR REPLACE INTO kv VALUES ('"...)
	b = append(b, r.Family...) // whose letters need no escape
	b = append(b, "',X'"...)
	b = hex.AppendEncode(b, r.Key)
	b = append(b, "',X'"...)
	b = hex.AppendEncode(b, r.Value)
	b = append(b, "',"...)
	if r.Rev == 0 {
		b = append(b, "NULL"...)
	} else {
		b = strconv.AppendUint(b, r.Rev, 10)
	}
	if r.Time.IsZero() {
		b = append(b, ",NULL"...)
	} else {
		b = append(appendTime(append(b, ",'"...), r.Time), '\'')
	}
	if r.Expires.IsZero() {
		b = append(b, ",NULL"...)
	} else {
		b = append(appendTime(append(b, ",'"...), r.Expires), '\'')
	}
	e.buf = append(b, ");\n"...)
	return e.flushIfFull()
}

func (e *sqlExport) Close() error {
	if e.err == nil {
		e.buf = append(e.buf, "COMMIT;\n"...)
	}
	return e.flush()
}
