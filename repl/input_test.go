package repl

import (
	"io"
	"os"
	"testing"
	"time"
	"unicode/utf8"
)

// Behind a key that ends the reading nothing is read until it was handled, so
// that what is there, before that key was read or later, is left to other
// programs.
func TestInputHolds(t *testing.T) {
	for _, key := range []string{"\r", "\n", "\x03", "\x04", "\x1a", "\x18\x05"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := newInput(int(r.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		in.proceed()
		buffer := make([]byte, 64)
		if _, err := w.WriteString(key + "for "); err != nil {
			t.Fatal(err)
		}
		for held := false; !held; {
			n, err := in.Read(buffer)
			if err != nil || n == 0 {
				t.Fatalf("Read() of %q = %d, %v", key, n, err)
			}
			last, _ := utf8.DecodeLastRune(buffer[:n])
			held = endsReading(last)
		}
		if _, err := w.WriteString("others"); err != nil {
			t.Fatal(err)
		}
		// Only the end of the input ends this Read, whenever it comes.
		time.AfterFunc(20*time.Millisecond, func() { in.Close() })
		if n, err := in.Read(buffer); err != io.EOF {
			t.Fatalf("Read() behind %q = %q, %v, want it to wait", key, buffer[:n], err)
		}
		n, err := r.Read(buffer)
		if got := string(buffer[:n]); err != nil || got != "for others" {
			t.Errorf("what is left behind %q = %q, %v", key, got, err)
		}
		r.Close()
		w.Close()
		if err := in.release(); err != nil {
			t.Error(err)
		}
	}
}

// The input says when nothing waits, and when somebody has notified it.
func TestInputSays(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := newInput(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	in.proceed()
	var got []rune
	next := func(want ...rune) {
		t.Helper()
		buffer := make([]byte, 64)
		for len(got) < len(want) {
			n, err := in.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			for b := buffer[:n]; len(b) > 0; {
				key, size := utf8.DecodeRune(b)
				got, b = append(got, key), b[size:]
			}
		}
		if string(got) != string(want) {
			t.Errorf("keys = %U, want %U", got, want)
		}
		got = nil
	}
	if _, err := w.WriteString("ab"); err != nil {
		t.Fatal(err)
	}
	next('a', 'b', keyIdle)
	in.notify()
	in.notify()
	next(keyWake, keyIdle)
	if _, err := w.WriteString("\x1b"); err != nil { // which waits, and is a key by itself
		t.Fatal(err)
	}
	next(keyIdle, keyEscape, keyIdle)
	w.Close()
	if n, err := in.Read(make([]byte, 64)); err != io.EOF {
		t.Errorf("Read() at the end = %d, %v, want %v", n, err, io.EOF)
	}
	r.Close()
	in.Close()
	if err := in.release(); err != nil {
		t.Error(err)
	}
}
