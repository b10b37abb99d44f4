package format

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Ensure that a cut inside a record of a file that kvsh wrote is refused, and
// that a cut between two records loses no more than the records behind it.
func TestCutRecords(t *testing.T) {
	rnd := newRand(t)
	for _, f := range []Format{FormatCSV, FormatTSV, FormatKvsh, FormatNUL} {
		for range 8 {
			want := randomRecords(rnd, f, 6)
			file := exported(t, f, want)
			ends := map[int]int{} // offset of the end of each record, and how many end there
			for n := range len(want) + 1 {
				ends[len(exported(t, f, want[:n]))] = n
			}
			for i := range len(file) + 1 {
				got, err := imported(t, f, bytes.NewReader(file[:i]))
				n, isBetween := ends[i]
				switch {
				case !isBetween && f == FormatKvsh && err == nil && file[i] == '\n':
					// All of the record is there but its line feed.
					n, isBetween = ends[i+1]
				case !isBetween && i == 0 && f == FormatTSV:
					isBetween = true // an empty file of another program
				}
				if !isBetween && err == nil {
					t.Fatalf("%s: a file cut after %d bytes was accepted:\n%s", f, i, file[:i])
				}
				if !isBetween {
					continue
				}
				if err != nil {
					t.Fatalf("%s: a file cut after record %d: %v, want nil", f, n, err)
				}
				if d := diffRecords(got, want[:n]); d != "" {
					t.Fatalf("%s: a file cut after record %d: %s", f, n, d)
				}
			}
		}
	}
}

// Ensure that what other programs write is read for what it means.
func TestImportForeign(t *testing.T) {
	for _, test := range []struct {
		f    Format
		file string
		want string // of show
	}{
		{FormatJSONL, "{\"key\":\"a\",\"value\":\"b\"}", "a=b"},
		{FormatJSONL, "\xef\xbb\xbf\r\n{ \"value\" : \"b\" , \"key\" : \"a\" }\r\n\r\n", "a=b"},
		{FormatJSONL, `{"key":"n","value": -1.50e+3 }` + "\n" + `{"key":"o","value":{"b": [1, 2,{} ,[ ]] ,"a":"x\u00e9 y"}}` + "\n" + `{"key":"t","value":true}`, `n=-1.50e+3 o={"b":[1,2,{},[]],"a":"x\u00e9 y"} t=true`},
		{FormatJSONL, `{"id":7,"key":"a","tags":[null,{"key":1}],"value":"","rev":"x","time":12,"kvsh":3}`, "a="},
		{FormatJSONL, `{"k\u0065y":"\ud83d\ude00\u0000\/","value":"\b\f\n\r\t\"\\"}`, "😀\x00/=\b\f\n\r\t\"\\"},
		{FormatJSONL, `{"key_b64":"/w==","value_b64":"\/w=="}`, "\xff=\xff"},
		{FormatJSONL, `{"key":"a","value":"b","cf":null,"expires":null}`, "a=b"},
		{FormatJSONL, `{"key":"a","value":"b","cf":"x","expires":"2026-12-01T02:00:00+02:00"}`, "x/a=b@2026-12-01T00:00:00.000Z"},
		{FormatJSON, " [ ] ", ""},
		{FormatJSON, "[{\"key\":\"a\",\"value\":\"b\"}\n,\n{\"key\":\"c\",\"value\":[1, 2]}]", "a=b c=[1,2]"},
		{FormatCSV, "key,value\r\na,b\r\n\r\n\"c\"\"\",\"d\r\ne\"", "a=b c\"=d\r\ne"},
		{FormatCSV, "\xef\xbb\xbf\"value\",note,key\nb,\"x,y\",a\n,,c\n", "a=b c="},
		{FormatCSV, "key_b64,value\n/w==,\xfe\n", "\xff=\xfe"},
		{FormatCSV, "key,value,cf,expires\na,b,x,2026-12-01T00:00:00Z\nc,d,,\n", "x/a=b@2026-12-01T00:00:00.000Z c=d"},
		{FormatCSV, "key,value\n a , b \n", " a = b "},
		{FormatTSV, "a\tb c\r\n\nd\\t\\\\\\x00\\u{e9}\t", "a=b c d\t\\\x00é="},
		{FormatTSV, "value\tnote\tkey\nb\tx\ta\n", "a=b"},
		{FormatTSV, "", ""},
		{FormatKvsh, "", ""},
		{FormatKvsh, "# all\n set a b # c\nset 'a;b'\"\\x63\"d e;set \"x\ny\" ''\r\n;;set a#b \\n", "a=b a;bcd=e x\ny= a#b=\\n"},
		{FormatKvsh, `set --cf=x --expires-at=2026-12-01T00:00:00Z -- -a -b`, "x/-a=-b@2026-12-01T00:00:00.000Z"},
		{FormatKvsh, `set --cf x a -1`, "x/a=-1"},
		{FormatNUL, "a\x00b\x00c\x00\x00", "a=b c="},
	} {
		got, err := imported(t, test.f, strings.NewReader(test.file))
		if err != nil {
			t.Errorf("%s: import of %q = %v, want nil", test.f, test.file, err)
			continue
		}
		if s := show(got); s != test.want {
			t.Errorf("%s: import of %q = %q, want %q", test.f, test.file, s, test.want)
		}
	}
}

// show writes records briefly.
func show(records []Record) string {
	var parts []string
	for _, r := range records {
		s := fmt.Sprintf("%s=%s", r.Key, r.Value)
		if r.Family != "" {
			s = r.Family + "/" + s
		}
		if !r.Expires.IsZero() {
			s += "@" + r.Expires.Format(TimeLayout)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

// Ensure that records that name no family get the one of the options.
func TestImportFamily(t *testing.T) {
	for _, f := range []Format{FormatJSONL, FormatJSON, FormatCSV, FormatTSV, FormatKvsh, FormatNUL} {
		records := []Record{{Key: []byte("a")}, {Key: []byte("b"), Family: "own"}}
		want := []string{"given", "own"}
		if f == FormatNUL {
			records[1].Family, want[1] = "", "given"
		}
		var got []string
		for r, err := range NewImporter(bytes.NewReader(exported(t, f, records)), f, ImportOptions{Family: "given"}).Records() {
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			got = append(got, r.Family)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: families %q, want %q", f, got, want)
		}
	}
}

// Ensure that bad data is refused with its place and what is wrong there.
func TestImportErrors(t *testing.T) {
	const header = `{"kvsh":"export","version":1}` + "\n"
	const record = `{"key":"a","value":"b"}` + "\n"
	for _, test := range []struct {
		f          Format
		file, want string // the message, which this begins
	}{
		{FormatJSONL, "", `data:1: the input is empty`},
		{FormatJSONL, record + "{\"key\":\"\xff\",\"value\":\"\"}\n", `data:2: bad JSON: bytes that are not UTF-8 (as base64, name the field key_b64 or value_b64) (column 9)`},
		{FormatJSONL, "{\"key\":\"\xed\xa0\x80\",\"value\":\"\"}\n", `data:1: bad JSON: bytes that are not UTF-8`},
		{FormatJSONL, "{\"key\":\"\xc3", `data:1: bad JSON: the line is cut off`},
		{FormatJSONL, `{"key":"\ud800","value":""}`, `data:1: bad JSON: half of a surrogate pair`},
		{FormatJSONL, `{"key":"\ud800\u0041","value":""}`, `data:1: bad JSON: half of a surrogate pair`},
		{FormatJSONL, `{"key":"\udc00","value":""}`, `data:1: bad JSON: half of a surrogate pair`},
		{FormatJSONL, `{"key":"\x41","value":""}`, `data:1: bad JSON: no such escape in a string (column 9)`},
		{FormatJSONL, "{\"key\":\"a\tb\",\"value\":\"\"}", `data:1: bad JSON: control character in a string (column 10)`},
		{FormatJSONL, `{"key":"a","value":"b"} x`, `data:1: bad JSON: text after the object (column 25)`},
		{FormatJSONL, `{"key":"a","value":"b",}`, `data:1: bad JSON: want '"'`},
		{FormatJSONL, `{"key":"a","value":01}`, `data:1: bad JSON: want , or }`},
		{FormatJSONL, `{"key":"a","value":[1,]}`, `data:1: bad JSON: no JSON value`},
		{FormatJSONL, `{"key":"a","value":-}`, `data:1: bad JSON: bad number`},
		{FormatJSONL, `{"key":"a","value":nul}`, `data:1: bad JSON: no JSON value`},
		{FormatJSONL, `{"key":"a","value":` + strings.Repeat("[", 2000), `data:1: bad JSON: nested too deep`},
		{FormatJSONL, `{"key":"a","value":null}`, `data:1: bad JSON: the value is null`},
		{FormatJSONL, `["a","b"]`, `data:1: bad JSON: want '{'`},
		{FormatJSONL, `{"value":"b"}`, `data:1: no field "key"`},
		{FormatJSONL, `{"key":"a"}`, `data:1: no field "value"`},
		{FormatJSONL, `{"key":1,"value":"b"}`, `data:1: bad JSON: the key is not a string`},
		{FormatJSONL, `{"key":"a","value":"b","key_b64":"YQ=="}`, `data:1: bad JSON: a second key`},
		{FormatJSONL, `{"key":"a","value":"b","value":"c"}`, `data:1: bad JSON: a second value`},
		{FormatJSONL, `{"key":"a","value_b64":"YR=="}`, `data:1: bad JSON: bad base64 (column 25)`},
		{FormatJSONL, `{"key":"a","value_b64":"Y"}`, `data:1: bad JSON: bad base64 (column 25)`},
		{FormatJSONL, `{"key":"a","value_b64":"YQ\n=="}`, `data:1: bad JSON: bad base64`},
		{FormatJSONL, `{"key":"","value":"b"}`, `data:1: empty key`},
		{FormatJSONL, `{"key":"a","value":"b","expires":"soon"}`, `data:1: expires is "soon": want a time like 2006-01-02T15:04:05.000Z`},
		{FormatJSONL, `{"key":"a","value":"b","cf":"x/y"}`, `data:1: column family "x/y": a name has`},
		{FormatJSONL, record + header, `data:2: a header after the first object`},
		{FormatJSONL, `{"kvsh":"export","version":2}`, `data:1: export version 2, this program reads 1`},
		{FormatJSONL, `{"kvsh":"import"}`, `data:1: unknown sort of object: kvsh is "import"`},
		{FormatJSONL, header + record, `data:3: cut off: no end record`},
		{FormatJSONL, record + `{"kvsh":"end","count":1,"checksum":"00000000"}` + "\n", `data:2: an end record without a header`},
		{FormatJSONL, header + record + `{"kvsh":"end","count":2,"checksum":"00000000"}` + "\n", `data:3: the file holds 1 records and was written with 2;`},
		{FormatJSONL, header + record + `{"kvsh":"end","count":1,"checksum":"00000000"}` + "\n", `data:3: checksum mismatch`},
		{FormatJSONL, string(exported(t, FormatJSONL, nil)) + record, `data:3: an object after the end record`},
		{FormatJSON, "", `data:1: the input is empty`},
		{FormatJSON, record, `data:1: bad JSON: want one array of records`},
		{FormatJSON, "[" + record + "]x", `data:2: bad JSON: text after the array (column 2)`},
		{FormatJSON, "[" + record + record + "]", `data:2: bad JSON: want , or ] after an element`},
		{FormatJSON, "[" + record + ",]", `data:2: bad JSON: want '{' (column 2)`},
		{FormatJSON, "[" + record + ",{\"key\"", `data:2: bad JSON: the array is cut off`},
		{FormatCSV, "key,value,expires\na,b,0001-01-01T00:00:00Z\n", `data:2: expires in the year 1: want 1970 to 9999 (column 5)`},
		{FormatCSV, "", `data:1: the input is empty`},
		{FormatCSV, "a,b\n", `data:1: the header names no column key (column 1)`},
		{FormatCSV, "key,note\n", `data:1: the header names no column value`},
		{FormatCSV, "key,value,key\n", `data:1: the header has two columns key`},
		{FormatCSV, "key,value", `data:1: cut off: no line feed after the header`},
		{FormatCSV, "key,value\na,\"b\nc", `data:2: a quote is still open at the end of the file (column 3)`},
		{FormatCSV, "key,value\na,b\"c\n", `data:2: a quote in a field without quotes (column 4)`},
		{FormatCSV, "key,value\n\"a\nb\"c,d\n", `data:3: text after a closing quote`},
		{FormatCSV, "key,value\na\rb,c\n", `data:2: a carriage return outside quotes`},
		{FormatCSV, "key,value\na\n", `data:2: 1 fields, the header has 2`},
		{FormatCSV, "key,value\na,b,c\n", `data:2: 3 fields, the header has 2`},
		{FormatCSV, "key,value\n,b\n", `data:2: empty key`},
		{FormatCSV, "key,value,value_b64\na,b,YQ==\n", `data:2: both the plain column and its _b64 twin are filled (column 5)`},
		{FormatCSV, "key,value_b64\na,*\n", `data:2: bad base64 (column 3)`},
		{FormatTSV, "a\tb\nc\n", `data:2: 1 fields split by tabs, want 2`},
		{FormatTSV, "a\tb\tc\n", `data:1: 3 fields split by tabs, want 2`},
		{FormatTSV, "a\tb\\q\n", `data:1: no such escape \q (a backslash is written \\) (column 4)`},
		{FormatTSV, "a\\\tb\n", `data:1: a single backslash at the end of a field (write \\) (column 2)`},
		{FormatTSV, "key\tvalue", `data:1: cut off: no line feed after the header`},
		{FormatKvsh, "set a b\nincr a\n", `data:2: only set and del commands can be imported (column 1)`},
		{FormatKvsh, "del --expires-at 2030-01-01T00:00:00Z a\n", `data:1: no flag that an import knows: want del [--cf NAME] KEY (a key that begins with - comes after --) (column 5)`},
		{FormatKvsh, "del a b\n", `data:1: want del [--cf NAME] KEY (column 1)`},
		{FormatKvsh, "set a\n", `data:1: want set [--cf NAME]`},
		{FormatKvsh, "set a b c\n", `data:1: want set [--cf NAME]`},
		{FormatKvsh, "set --cf\n", `data:1: want set [--cf NAME]`},
		{FormatKvsh, "set --ttl 3s a b\n", `data:1: no flag that an import knows`},
		{FormatKvsh, "\nset a \"b\n", `data:2: cut off: an open " (column 7)`},
		{FormatKvsh, "set a 'b\n", `data:1: cut off: an open ' (column 7)`},
		{FormatKvsh, "set a \"\\q\"", `data:1: no such escape \q`},
		{FormatKvsh, "set '' b", `data:1: empty key (column 5)`},
		{FormatNUL, "a", `data: byte 1: cut off: the last key does not end in NUL`},
		{FormatNUL, "a\x00", `data: byte 2: cut off: the last key has no value`},
		{FormatNUL, "a\x00b\x00c\x00d", `data: byte 7: cut off: the last value does not end in NUL`},
		{FormatNUL, "\x00b\x00", `data: byte 0: empty key`},
		{FormatUnknown, "", `data: byte 0: import from format unknown is not supported`},
	} {
		got, err := imported(t, test.f, strings.NewReader(test.file))
		if err == nil {
			t.Errorf("%s: import of %.100q = %q, want %s", test.f, test.file, show(got), test.want)
		} else if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: import of %.100q: %v\nwant %s", test.f, test.file, err, test.want)
		}
	}
}

// Ensure that limits are kept by reader and writer, to the byte.
func TestRecordLimits(t *testing.T) {
	key := func(n int) Record { return Record{Key: bytes.Repeat([]byte("k"), n)} }
	for _, f := range fileFormats {
		for _, test := range []struct {
			name string
			r    Record
			ok   bool
		}{
			{"empty key", key(0), false},
			{"longest key", key(MaxKeySize), true},
			{"longer key", key(MaxKeySize + 1), false},
			{"longer value", Record{Key: []byte("a"), Value: make([]byte, MaxValueSize+1)}, false},
			{"bad family", Record{Key: []byte("a"), Family: "a b"}, false},
		} {
			e, err := NewExporter(&bytes.Buffer{}, f, ExportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Write(test.r); (err == nil) != test.ok {
				t.Errorf("%s: Write of %s = %v, want success %v", f, test.name, err, test.ok)
			}
		}
		long := []byte(strings.Replace(string(exported(t, f, []Record{key(3)})), "kkk", strings.Repeat("k", MaxKeySize+1), 1))
		if _, err := imported(t, f, bytes.NewReader(long)); err == nil || !strings.Contains(err.Error(), "key of 65536 bytes, the limit is 65535") {
			t.Errorf("%s: import of a longer key = %v", f, err)
		}
	}
}

// Ensure that the NUL format refuses what it cannot hold, and that nothing
// more is written then.
func TestExportNULRefuses(t *testing.T) {
	for _, r := range []Record{
		{Key: []byte("a\x00")},
		{Key: []byte("a"), Value: []byte{0}},
		{Key: []byte("a"), Family: "x"},
		{Key: []byte("a"), Expires: mustTime(t, "2026-12-01T00:00:00Z")},
	} {
		var out bytes.Buffer
		e, _ := NewExporter(&out, FormatNUL, ExportOptions{})
		err := e.Write(r)
		hasNUL := bytes.IndexByte(r.Key, 0) >= 0 || bytes.IndexByte(r.Value, 0) >= 0
		want := ErrNotHeld
		if hasNUL {
			want = ErrNUL
		}
		if !errors.Is(err, want) {
			t.Errorf("Write(%q) = %v, want %v", r.Key, err, want)
		}
		if again := e.Write(Record{Key: []byte("b")}); again != err {
			t.Errorf("Write after an error = %v, want %v", again, err)
		}
		if closed := e.Close(); closed != err || out.Len() > 0 {
			t.Errorf("Close after an error = %v with %q written, want %v and nothing", closed, out.Bytes(), err)
		}
		e, _ = NewExporter(&out, FormatNUL, ExportOptions{Bare: true})
		if err := e.Write(r); (err == nil) == hasNUL {
			t.Errorf("bare Write(%q) = %v", r.Key, err)
		}
	}
}
