package enginetest

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"kvsh/engine"
)

var dataLaws = []law{
	{"A new store is empty and at revision 0", 0, newStore},
	{"Any bytes go in and the same bytes come out, in the order of the bytes", engine.CanWrite, anyBytes},
	{"An empty value is a value", engine.CanWrite, emptyValue},
	{"An entry tells its size, revision and stamp", engine.CanWrite, entryFacts},
	{"A value is copied on its way in and on its way out", engine.CanWrite, valuesAreCopied},
	{"A lent value is the value until the transaction ends", engine.CanWrite, lentValues},
	{"The greatest key and the greatest value are taken", engine.CanWrite, greatest},
	{"What is over a limit is refused and nothing is written", engine.CanWrite, overLimit},
	{"Deleting a key that is not there is no error", engine.CanWrite, deleteMissing},
}

func newStore(e *env) {
	e.view(engine.Newest, func(tx engine.Tx) {
		if tx.Rev() != 0 {
			e.Errorf("Rev() = %d, want 0", tx.Rev())
		}
		e.wantIn(tx, engine.Range{})
		e.wantCount(tx, engine.Range{}, 0)
		e.wantNone(tx, "a")
		e.wantFamilies(tx)
	})
}

// oddData is keys and values that programs like to get wrong.
func oddData() model {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	m := model{
		"\x00": "NUL", "\x00\x00": "", "a": "1", "a\x00": "2", "a\x00b": "3", "a\x01": "4", "ab": "5", "aa": "\x00",
		"b": "\x00\x00\x00\x00", "\xff": "\xff", "\xff\xff": "\xff\xff", "\xff\x00": "6", "\xc3\x28": "bad \xff UTF-8",
		"é": "é", "e\u0301": "combined", "日本": "🙂", " ": " ", "\n": "\r\n", "\t": "\t", "-1": "--", "'": `"`, "\\": `\\`,
		"\x7f": "\x1b[31m", "\x80": "8", ".": "..", "a:b:c": "::", "k=v": "=", "A": strings.Repeat("x", 100_000),
	}
	m[string(all)] = string(all)
	m[string(all)+"\x00"] = string(all[:255])
	return m
}

func anyBytes(e *env) {
	m := oddData()
	e.update(func(tx engine.Tx) error {
		for k, v := range m {
			if err := tx.Set(e.ctx, k, []byte(v)); err != nil {
				return err
			}
		}
		e.wantIn(tx, engine.Range{}, m.entries(engine.Range{})...)
		return nil
	})
	e.view(engine.Newest, func(tx engine.Tx) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			e.wantGet(tx, k, m[k])
		}
		e.wantIn(tx, engine.Range{}, m.entries(engine.Range{})...)
		e.wantIn(tx, engine.Range{Reverse: true}, m.entries(engine.Range{Reverse: true})...)
		e.wantNone(tx, "a\x00\x00")
		e.wantNone(tx, "B")
	})
}

func emptyValue(e *env) {
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.Set(e.ctx, "empty", []byte{}), tx.Set(e.ctx, "nil", nil))
	})
	e.want("empty=", "nil=")
	e.view(engine.Newest, func(tx engine.Tx) {
		e.wantGet(tx, "empty", "")
		e.wantGet(tx, "nil", "")
		e.wantCount(tx, engine.Range{}, 2)
	})
}

func entryFacts(e *env) {
	first := e.set("a", "12345")
	second := e.set("b", "")
	if first.Rev != 1 || second.Rev != 2 || second.Stamp <= first.Stamp {
		e.Errorf("two commits are %+v and %+v, want revisions 1 and 2 and growing stamps", first, second)
	}
	check := func(got engine.Entry, res engine.Result, size int) {
		e.Helper()
		if got.Rev != res.Rev || got.Stamp != res.Stamp || got.Size != size || !got.Expires.IsZero() {
			e.Errorf("entry of %q = %+v, want size %d, no expiry and what %+v says", got.Key, got, size, res)
		}
	}
	e.view(engine.Newest, func(tx engine.Tx) {
		a, _ := tx.Get(e.ctx, "a")
		check(a, first, 5)
		for _, keysOnly := range []bool{false, true} {
			for entry, err := range tx.Scan(e.ctx, engine.Range{KeysOnly: keysOnly}) {
				switch {
				case err != nil:
					e.Fatalf("Scan(KeysOnly: %v) ended with %v", keysOnly, err)
				case entry.Key == "a":
					check(entry, first, 5)
				default:
					check(entry, second, 0)
				}
				if keysOnly && entry.Value != nil {
					e.Errorf("Scan(KeysOnly) yields the value %q of %q, want nil", entry.Value, entry.Key)
				}
			}
		}
	})
}

func valuesAreCopied(e *env) {
	e.update(func(tx engine.Tx) error {
		v := []byte("before")
		err := tx.Set(e.ctx, "a", v)
		copy(v, "XXXXXX")
		return err
	})
	e.view(engine.Newest, func(tx engine.Tx) {
		got, _ := tx.Get(e.ctx, "a")
		copy(got.Value, "YYYYYY")
		_ = append(got.Value[:0], "ZZZZZZZZZ"...)
		for entry := range tx.Scan(e.ctx, engine.Range{}) {
			copy(entry.Value, "VVVVVV")
		}
		e.wantGet(tx, "a", "before")
	})
}

func lentValues(e *env) {
	want := map[string]string{"a": "", "b": "1", "c": strings.Repeat("x", 100_000), "d": "own"}
	e.update(func(tx engine.Tx) error {
		for _, key := range []string{"a", "b", "c"} {
			if err := tx.Set(e.ctx, key, []byte(want[key])); err != nil {
				return err
			}
		}
		return nil
	})
	e.update(func(tx engine.Tx) error {
		if err := tx.Set(e.ctx, "d", []byte("own")); err != nil {
			return err
		}
		for _, r := range []engine.Range{{}, {Reverse: true}, {Limit: 3}, {KeysOnly: true}} {
			r.Lend = true
			var lent []engine.Entry
			for entry, err := range tx.Scan(e.ctx, r) {
				if err != nil {
					return err
				}
				lent = append(lent, entry)
			}
			for _, entry := range lent { // read and written since
				e.wantGet(tx, entry.Key, want[entry.Key])
				if err := tx.Set(e.ctx, entry.Key, []byte("since")); err != nil {
					return err
				}
			}
			for _, entry := range lent {
				if r.KeysOnly != (entry.Value == nil) || !r.KeysOnly && string(entry.Value) != want[entry.Key] {
					e.Errorf("Scan(%+v) lends %.40q of %q, want %.40q", r, entry.Value, entry.Key, want[entry.Key])
				}
				if err := tx.Set(e.ctx, entry.Key, []byte(want[entry.Key])); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func greatest(e *env) {
	key := strings.Repeat("\xff", engine.MaxKeySize)
	value := bytes.Repeat([]byte{0xa5}, engine.MaxValueSize)
	e.update(func(tx engine.Tx) error { return tx.Set(e.ctx, key, value) })
	e.view(engine.Newest, func(tx engine.Tx) {
		got, err := tx.Get(e.ctx, key)
		if err != nil || !bytes.Equal(got.Value, value) {
			e.Errorf("Get(greatest key) = %d bytes, %v, want the %d bytes written", len(got.Value), err, len(value))
		}
		e.wantCount(tx, engine.Range{Prefix: key}, 1)
		e.wantCount(tx, engine.Range{Prefix: "\xff", Reverse: true}, 1)
	})
}

func overLimit(e *env) {
	e.set("a", "1")
	long := strings.Repeat("k", engine.MaxKeySize+1)
	half := make([]byte, engine.MaxTxSize/2)
	for _, c := range []struct {
		name  string
		fn    func(tx engine.Tx) error
		want  error
		class engine.Class
	}{
		{"Set of an empty key", func(tx engine.Tx) error { return tx.Set(e.ctx, "", nil) }, engine.ErrInvalid, engine.ClassInvalid},
		{"Delete of an empty key", func(tx engine.Tx) error { return tx.Delete(e.ctx, "") }, engine.ErrInvalid, engine.ClassInvalid},
		{"Get of an empty key", func(tx engine.Tx) error { _, err := tx.Get(e.ctx, ""); return err }, engine.ErrInvalid, engine.ClassInvalid},
		{"Set of a long key", func(tx engine.Tx) error { return tx.Set(e.ctx, long, nil) }, engine.ErrTooLarge, engine.ClassTooLarge},
		{"Delete of a long key", func(tx engine.Tx) error { return tx.Delete(e.ctx, long) }, engine.ErrTooLarge, engine.ClassTooLarge},
		{"Set of a large value", func(tx engine.Tx) error {
			return tx.Set(e.ctx, "b", make([]byte, engine.MaxValueSize+1))
		}, engine.ErrTooLarge, engine.ClassTooLarge},
		{"Set of more than a transaction holds", func(tx engine.Tx) error {
			return errors.Join(tx.Set(e.ctx, "b", half), tx.Set(e.ctx, "c", half))
		}, engine.ErrTooLarge, engine.ClassTooLarge},
	} {
		res, err := e.store.Update(e.ctx, func(tx engine.Tx) error {
			if err := tx.Set(e.ctx, "before", nil); err != nil {
				return err
			}
			return c.fn(tx)
		})
		e.wantRefused(c.name, res, err, c.want, c.class)
	}
	e.want("a=1")
	if rev := e.newest(); rev != 1 {
		e.Errorf("the newest revision is %d after refused writes, want 1", rev)
	}
}

func deleteMissing(e *env) {
	e.set("a", "1")
	e.del("b")
	e.want("a=1")
	e.del("a")
	e.del("a")
	e.want()
}
