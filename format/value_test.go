package format

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"
)

func TestWriteValue(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 10000)
	for _, c := range []struct {
		o           Options
		value, want string
	}{
		{Options{}, "v\x00\xff", "v\x00\xff"},
		{Options{}, "", ""},
		{Options{Newline: true}, "v", "v\n"},
		{Options{Newline: true}, "v\n", "v\n\n"},
		{Options{Newline: true}, string(big), string(big) + "\n"},
		{Options{Mode: Raw, Terminal: true}, "v", "v"},
		{Options{NUL: true}, "v", "v\x00"},
		{Options{Terminal: true}, "one\ntwo\t\x1b[0m", "one\ntwo\\t\\x1b[0m\n"},
		{Options{Terminal: true}, "ends\n", "ends\n"},
		{Options{Terminal: true}, "", "\n"},
		{Options{Terminal: true, Width: 20}, string(big), string(big) + "\n"},
		{Options{Mode: Quoted}, "a\nb", "\"a\\nb\"\n"},
		{Options{Mode: JSONL}, "a\nb", `{"key":"k","value":"a\nb"}` + "\n"},
		{Options{Mode: JSONL}, "\xff", `{"key":"k","value_b64":"/w=="}` + "\n"},
		{Options{Mode: JSON}, "v", "[\n" + `{"key":"k","value":"v"}` + "\n]\n"},
		{Options{Mode: CSV}, "a,b", "key,value\nk,\"a,b\"\n"},
		{Options{Mode: CSV}, "a\r", "key,value,value_b64\nk,,YQ0=\n"},
		{Options{Mode: TSV}, "a\tb", "k\ta\\tb\n"},
		{Options{Mode: Kvsh}, "v", "set \"k\" \"v\"\n"},
		{Options{Mode: Env}, "it's", "k='it'\\''s'\n"},
		{Options{Mode: Hex}, "v", "00000000  76                                                |v|\n00000001\n"},
	} {
		var out bytes.Buffer
		if err := WriteValue(&out, c.o, "k", []byte(c.value)); err != nil || out.String() != c.want {
			t.Errorf("WriteValue(%+v, %.40q) = %.80q, %v, want %.80q", c.o, c.value, out.String(), err, c.want)
		}
	}
	if err := WriteValue(&bytes.Buffer{}, Options{NUL: true}, "k", []byte("a\x00b")); !errors.Is(err, ErrNUL) {
		t.Errorf("WriteValue of a NUL in mode nul = %v, want ErrNUL", err)
	}
}

func TestHexdump(t *testing.T) {
	zeros := make([]byte, 48)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"hello, world\n\x00\xff~!", "" +
			"00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 00 ff 7e  |hello, world...~|\n" +
			"00000010  21                                                |!|\n" +
			"00000011\n"},
		{string(zeros) + "a", "" +
			"00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n" +
			"*\n" +
			"00000030  61                                                |a|\n" +
			"00000031\n"},
	} {
		var out bytes.Buffer
		if err := Hexdump(&out, []byte(c.in)); err != nil || out.String() != c.want {
			t.Errorf("Hexdump(%q) = %s, %v, want %s", c.in, out.String(), err, c.want)
		}
	}
}

// Mode kvsh writes flags before the key, and a key that looks like one after --.
func TestKvshFlags(t *testing.T) {
	var out bytes.Buffer
	r := NewRows(&out, Options{Mode: Kvsh}, Column{Name: "cf", Kind: Text}, Column{Name: "key", Kind: Bytes}, Column{Name: "value", Kind: Bytes}, Column{Name: "expires", Kind: Time})
	for _, row := range [][]any{{"", "-n", "1", nil}, {"pictures", "k", "2", testNow}} {
		if err := r.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := "set -- \"-n\" \"1\"\nset --cf pictures --expires-at 2026-11-21T08:00:00.000Z \"k\" \"2\"\n"
	if out.String() != want {
		t.Errorf("rows in mode kvsh = %q, want %q", out.String(), want)
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1229: "1.2 KiB", 1<<20 - 1: "1.0 MiB", 1<<20 - 100: "1023.9 KiB",
		5 << 30: "5.0 GiB", math.MaxInt64: "8.0 EiB", math.MinInt64: "-8.0 EiB", -5: "-5 B",
	} {
		if got := HumanSize(n); got != want {
			t.Errorf("HumanSize(%d) = %q, want %q", n, got, want)
		}
	}
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0s", time.Microsecond: "0s", 250 * time.Millisecond: "250ms", 59999 * time.Millisecond: "59s",
		time.Hour: "1h", 2*time.Hour + 5*time.Minute + 59*time.Second: "2h 5m", time.Hour + 59*time.Second: "1h",
		3 * day: "3d", 405 * day: "1y 40d", -time.Minute: "-1m",
	} {
		if got := HumanDuration(d); got != want {
			t.Errorf("HumanDuration(%d) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "now", 999 * time.Millisecond: "now", time.Second: "1s", 90 * time.Minute: "1h", 50 * day: "50d",
		-time.Millisecond: "now", -3 * time.Minute: "in 3m",
	} {
		if got := HumanAge(testNow, testNow.Add(-d)); got != want {
			t.Errorf("HumanAge of %v = %q, want %q", d, got, want)
		}
	}
}
