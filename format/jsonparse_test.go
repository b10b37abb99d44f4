package format

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Ensure that the run of plain bytes ends at the first that is not plain,
// wherever it stands.
func TestPlainRun(t *testing.T) {
	for n := range 20 {
		b := bytes.Repeat([]byte("~"), n)
		if got := plainRun(b); got != n {
			t.Errorf("plainRun(%q) = %d, want %d", b, got, n)
		}
		for i := range b {
			for c := range 256 {
				b[i] = byte(c)
				want := n
				if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
					want = i
				}
				if got := plainRun(b); got != want {
					t.Errorf("plainRun(%q) = %d, want %d", b, got, want)
				}
			}
			b[i] = '~'
		}
	}
}

// FuzzJSONValue compares what is made of a JSON value with encoding/json.
func FuzzJSONValue(f *testing.F) {
	for _, seed := range []string{
		`"text"`, `"\ud83d\ude00\u00e9\n"`, `"\ud800"`, "\"\xff\"", `-0.5e+10`, `01`, `1.`, `{"a":[1, 2 ,{}],"b":null}`, `[[]]`, `[1,]`, `{"a"}`, `true`, `nul`, "\"a\nb\"", `{"a":1,}`, `"`, `""`, ` [ ] `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := imported(t, FormatJSON, strings.NewReader(`[{"key":"k","value":`+text+"}]"))
		isOneValue := json.Valid([]byte(text))
		if err != nil {
			hasHalf := strings.Contains(err.Error(), "surrogate") && strings.Contains(text, `\u`)
			isNull := strings.TrimSpace(text) == "null"
			isDeep := strings.Contains(err.Error(), "nested too deep") && len(text) > maxJSONDepth
			if isOneValue && utf8.ValidString(text) && !hasHalf && !isNull && !isDeep {
				t.Fatalf("value %q: %v, want it taken", text, err)
			}
			return
		}
		if !isOneValue {
			// It may close the object and go on with fields or records of its own.
			if whole := `[{"key":"k","value":` + text + "}]"; !json.Valid([]byte(whole)) {
				t.Fatalf("value %q was taken as %s and is no JSON", text, show(got))
			}
			return
		}
		want := []byte(text)
		var s string
		if json.Unmarshal(want, &s) == nil {
			want = []byte(s)
		} else {
			var compact bytes.Buffer
			if err := json.Compact(&compact, want); err != nil {
				t.Fatal(err)
			}
			want = compact.Bytes()
		}
		if len(got) != 1 || !bytes.Equal(got[0].Value, want) {
			t.Fatalf("value %q was taken as %q, want %q", text, show(got), want)
		}
	})
}
