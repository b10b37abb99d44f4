package format

import (
	"fmt"
	"time"
)

// A columns value says in which field of a row each part of a record stands:
// the number of the field from 0, or -1.
type columns struct {
	key, value, keyBase64, valueBase64, family, expires int
	count                                               int // of fields in a row
}

// columnsOf reads a header. The fault is empty if it is a good one.
func columnsOf(names [][]byte) (c columns, fault string) {
	c = columns{-1, -1, -1, -1, -1, -1, len(names)}
	for i, name := range names {
		var dst *int
		switch string(name) {
		case "key":
			dst = &c.key
		case "value":
			dst = &c.value
		case "key_b64":
			dst = &c.keyBase64
		case "value_b64":
			dst = &c.valueBase64
		case "cf":
			dst = &c.family
		case "expires":
			dst = &c.expires
		default:
			continue
		}
		if *dst >= 0 {
			return c, "the header has two columns " + string(name)
		}
		*dst = i
	}
	switch {
	case c.key < 0 && c.keyBase64 < 0:
		return c, "the header names no column key"
	case c.value < 0 && c.valueBase64 < 0:
		return c, "the header names no column value"
	}
	return c, ""
}

// A rowReader turns the fields of rows into records.
type rowReader struct {
	columns
	keyBuf, valueBuf []byte
}

// record reads a row. fault is empty if that is one; else field is the number
// of the bad one.
func (w *rowReader) record(m *importer, row [][]byte) (r Record, field int, fault string) {
	if len(row) != w.count {
		return r, 0, fmt.Sprintf("%d fields, the header has %d", len(row), w.count)
	}
	if r.Key, field, fault = pickBytes(row, w.key, w.keyBase64, &w.keyBuf); fault != "" {
		return r, field, fault
	}
	if r.Value, field, fault = pickBytes(row, w.value, w.valueBase64, &w.valueBuf); fault != "" {
		return r, field, fault
	}
	if fault := recordFault(&r); fault != "" {
		return r, max(w.key, 0), fault
	}
	r.Family = m.family
	if w.family >= 0 {
		if r.Family, fault = m.familyOf(row[w.family]); fault != "" {
			return r, w.family, fault
		}
	}
	if w.expires >= 0 && len(row[w.expires]) > 0 {
		if r.Expires, fault = expiryOf(row[w.expires]); fault != "" {
			return r, w.expires, fault
		}
	}
	return r, 0, ""
}

// expiryOf reads the time at which a record expires.
func expiryOf(text []byte) (t time.Time, fault string) {
	t, ok := parseTime(text)
	if !ok {
		return t, "expires is " + quoteStart(text) + ": want a time like " + TimeLayout
	}
	return t, expiryFault(t)
}

// expiryFault says why a record cannot expire at t, or "". Before 1970 lies the
// zero time of many languages, which some program meant as never; after 9999
// RFC 3339 has no times.
func expiryFault(t time.Time) string {
	if year := t.UTC().Year(); year < 1970 || year > 9999 {
		return fmt.Sprintf("expires in the year %d: want 1970 to 9999", year)
	}
	return ""
}

// pickBytes returns the data in a plain column or in its base64 twin.
func pickBytes(row [][]byte, plain, coded int, scratch *[]byte) (b []byte, field int, fault string) {
	if plain >= 0 {
		b = row[plain]
	}
	if coded < 0 || len(row[coded]) == 0 {
		return b, 0, ""
	}
	if len(b) > 0 {
		return nil, coded, "both the plain column and its _b64 twin are filled"
	}
	*scratch, fault = appendBase64Decoded((*scratch)[:0], row[coded])
	return *scratch, coded, fault
}
