package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// What others print stands above the line, whatever state that is in, and the
// line and its cursor are as before.
func TestEditorPrint(t *testing.T) {
	d := sit(t, 30, 12, EditorOptions{Complete: func(string) func(context.Context) Completion {
		return func(context.Context) Completion {
			return Completion{Candidates: []Candidate{{Text: "menu1"}, {Text: "menu2"}}}
		}
	}})
	print := func(text string) {
		t.Helper()
		if err := d.editor.Print(t.Context(), text); err != nil {
			t.Fatalf("Print(%q) = %v", text, err)
		}
	}
	// rows waits until these end with the one of the cursor.
	rows := func(column int, want ...string) {
		t.Helper()
		d.Wait(fmt.Sprintf("%q", want), func(s Screen) bool {
			top := s.Row - len(want) + 1
			return top >= 0 && strings.Join(s.Rows[top:s.Row+1], "\n") == strings.Join(want, "\n") && s.Column == column
		})
	}
	print("one\n")
	rows(2, "one", ">")
	d.Type("get 世界\x1b[D")
	rows(8, "one", "> get 世界")
	print("two\nthree")
	rows(8, "one", "two", "three", "> get 世界")
	print(strings.Repeat("x", 30) + "\n" + strings.Repeat("y", 31) + "\n")
	rows(8, strings.Repeat("x", 30), strings.Repeat("y", 30), "y", "> get 世界")
	d.Type("\x01\x0bset k 'a\rb' c\x1b[A") // the cursor in the first of two rows
	rows(6, "y", "> set k 'a")
	print("four\n")
	d.Wait("the lines under four", func(s Screen) bool {
		return slices.Equal(s.Rows[s.Row-1:s.Row+2], []string{"four", "> set k 'a", "… b' c"}) && s.Column == 6
	})
	d.Type("\x03")
	d.want("^C")
	d.WaitLine("> |")
	d.Type("m\t")
	d.WaitText("  menu2")
	print("five\n")
	d.Wait("the menu under five", func(s Screen) bool {
		return slices.Equal(s.Rows[s.Row-1:s.Row+3], []string{"five", "> menu", "  menu1", "  menu2"})
	})
	d.Type("\x07\x15\x12zz")
	d.WaitLine("(not found) zz: |")
	print("six\n")
	rows(16, "six", "(not found) zz:")
	d.Type("\x07\x0c")
	d.Wait("a cleared screen", func(s Screen) bool { return s.Rows[0] == ">" })
	print("seven\n")
	d.Wait("seven under a cleared screen", func(s Screen) bool { return s.Rows[0] == "seven" && s.Rows[1] == ">" && s.Row == 1 })
}

// Whoever prints, and however many at once: each line comes whole, in order, and
// what is typed meanwhile arrives.
func TestEditorPrintFromElsewhere(t *testing.T) {
	const printers, lines = 4, 100
	d := sit(t, 50, 12, EditorOptions{})
	var all sync.WaitGroup
	for i := range printers {
		all.Go(func() {
			for n := range lines {
				if err := d.editor.Print(t.Context(), fmt.Sprintf("<%d:%d>\n", i, n)); err != nil {
					t.Errorf("Print = %v, want nil", err)
				}
			}
		})
	}
	var typed strings.Builder
	for n := range 20 {
		for i := range 10 {
			c := string(rune('a' + (n+i)%26))
			d.Type(c)
			typed.WriteString(c)
		}
		d.Type("\r")
		d.want(typed.String())
		typed.Reset()
	}
	all.Wait()
	d.Type("end")
	d.WaitLine("> end|")
	out := strings.ReplaceAll(d.Output(), "\r", "") // of which the terminal adds some
	for i := range printers {
		at := 0
		for n := range lines {
			next := strings.Index(out[at:], fmt.Sprintf("<%d:%d>\n", i, n))
			if next < 0 {
				t.Fatalf("line %d of printer %d is not there, whole and in order", n, i)
			}
			at += next
		}
	}
}

// What is printed faster than it is shown waits; so does its printer, as long
// as its context does.
func TestPrintedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p printed
		line := strings.Repeat("x", 1023) + "\n"
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		n := 0
		var err error
		done := make(chan bool)
		go func() {
			defer close(done)
			for err == nil {
				if err = p.put(ctx, line); err == nil {
					n++
				}
			}
		}()
		synctest.Wait()
		if n != maxPrinted/len(line) {
			t.Errorf("%d lines of 1 KiB wait, want %d", n, maxPrinted/len(line))
		}
		if got := len(p.take()); got != maxPrinted {
			t.Errorf("take() = %d bytes, want %d", got, maxPrinted)
		}
		synctest.Wait()
		if n != 2*maxPrinted/len(line) {
			t.Errorf("after take %d lines were put, want %d", n, 2*maxPrinted/len(line))
		}
		cancel(why)
		<-done
		if err != why {
			t.Errorf("put() at the end of its context = %v, want its cause", err)
		}
		p.close()
		if err := p.put(t.Context(), line); err != os.ErrClosed {
			t.Errorf("put() behind close = %v, want %v", err, os.ErrClosed)
		}
	})
}
