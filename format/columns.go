package format

import (
	"slices"
	"strings"
)

// recordColumns makes records of the fields of a line, for CSV and TSV.
type recordColumns struct {
	in     *input
	names  []string
	family string // of records that name none
	fams   families

	key, value, keyB64, valueB64, cf, expires int // columns; -1: there is none
	keyBuf, valueBuf                          []byte
}

// resolve finds the columns by their names.
func (c *recordColumns) resolve() error {
	for _, col := range []struct {
		name string
		at   *int
	}{
		{"key", &c.key},
		{"value", &c.value},
		{"key_b64", &c.keyB64},
		{"value_b64", &c.valueB64},
		{"cf", &c.cf},
		{"expires", &c.expires},
	} {
		*col.at = slices.Index(c.names, col.name)
		if *col.at >= 0 && slices.Contains(c.names[*col.at+1:], col.name) {
			return c.in.errorf("column %q twice in the header", col.name)
		}
	}
	if c.key < 0 && c.keyB64 < 0 {
		return c.in.errorf("no column key in the header %q", strings.Join(c.names, ","))
	}
	if c.value < 0 && c.valueB64 < 0 {
		return c.in.errorf("no column value in the header %q", strings.Join(c.names, ","))
	}
	return nil
}

// record makes a record of a line. It holds as long as the fields.
func (c *recordColumns) record(fields [][]byte) (r Record, err error) {
	if len(fields) != len(c.names) {
		return r, c.in.errorf("%d fields, want %d", len(fields), len(c.names))
	}
	at := func(i int) []byte {
		if i < 0 {
			return nil
		}
		return fields[i]
	}
	r.Family, r.Key, r.Value = c.family, at(c.key), at(c.value)
	if b := at(c.keyB64); len(b) > 0 {
		if len(r.Key) > 0 {
			return r, c.in.errorf("key and key_b64 in one record")
		}
		if c.keyBuf, err = appendBase64(c.keyBuf[:0], b); err != nil {
			return r, c.in.errorf("key_b64: %v", err)
		}
		r.Key = c.keyBuf
	}
	if b := at(c.valueB64); len(b) > 0 {
		if len(r.Value) > 0 {
			return r, c.in.errorf("value and value_b64 in one record")
		}
		if c.valueBuf, err = appendBase64(c.valueBuf[:0], b); err != nil {
			return r, c.in.errorf("value_b64: %v", err)
		}
		r.Value = c.valueBuf
	}
	if b := at(c.cf); len(b) > 0 {
		r.Family = c.fams.name(b)
	}
	if b := at(c.expires); len(b) > 0 {
		if r.Expires, err = parseTime(b); err != nil {
			return r, c.in.errorf("expires: %v", err)
		}
	}
	if err := checkRecord(&r); err != nil {
		return r, c.in.errorf("%v", err)
	}
	return r, nil
}
