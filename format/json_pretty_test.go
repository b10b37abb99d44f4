package format

import (
	"bytes"
	"strings"
	"testing"
)

func TestWriteJSON(t *testing.T) {
	const text = "{\n  \"a \\\" b\": [1, -2.5e3, true, null],\n  \"c\":\"x: \u009b31m\"\n}"
	var plain, colored bytes.Buffer
	if err := WriteJSON(&plain, Options{}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(&colored, Options{Color: true}, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(text, "\u009b", `\u{9b}`) + "\n"; plain.String() != want {
		t.Errorf("WriteJSON = %q, want %q", plain.String(), want)
	}
	const name, literal, end = "\x1b[36m", "\x1b[33m", "\x1b[0m"
	want := "{\n  " + name + `"a \" b"` + end + ": [" + literal + "1" + end + ", " + literal + "-2.5e3" + end + ", " +
		literal + "true" + end + ", " + literal + "null" + end + "],\n  " + name + `"c"` + end + `:"x: \u{9b}31m"` + "\n}\n"
	if colored.String() != want {
		t.Errorf("WriteJSON in colour = %q, want %q", colored.String(), want)
	}
}
