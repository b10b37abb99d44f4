package cmd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// modelKeys are few, so that commands meet; some are no text.
var modelKeys = []string{"a", "b", "a:1", "a:2", "b:1", "ключ", "with space", "q'\"\\", "\x00\xff\t"}

var modelFamilies = []string{"drafts", "x.y"}

// modelValues are what conditions and increments have a chance to meet.
var modelValues = []string{"", "1", "7", "-3", "text", "9223372036854775807", "a\tb\nc", "\xff\x00", "-y"}

// drawCommand draws the next command of a run. revs is about how many
// revisions there are.
func drawCommand(r *rand.Rand, revs int) modelCommand {
	switch n := r.IntN(100); {
	case n < 3:
		return modelCommand{clock: time.Duration(1+r.IntN(8)) * time.Second}
	case n < 5:
		return modelCommand{restart: true}
	}
	d := drawer{r, max(revs, 1)}
	c := d.command()
	if r.IntN(4) == 0 && c.words[0] != "begin" && c.words[0] != "commit" && c.words[0] != "cf" {
		c.words = append([]string{"--cf", modelFamilies[r.IntN(2)]}, c.words...)
	}
	return c
}

type drawer struct {
	*rand.Rand
	revs int
}

func (d drawer) key() string   { return modelKeys[d.IntN(len(modelKeys))] }
func (d drawer) value() string { return modelValues[d.IntN(len(modelValues))] }
func (d drawer) rev() string   { return fmt.Sprint(1 + d.IntN(d.revs+1)) }

// some is one to three keys, with their values if they are to have any.
func (d drawer) some(values bool) []string {
	var words []string
	for _, i := range d.Perm(len(modelKeys))[:1+d.IntN(3)] {
		words = append(words, modelKeys[i])
		if values {
			words = append(words, d.value())
		}
	}
	return words
}

// maybe is the words, or none, most often none.
func (d drawer) maybe(words ...string) []string {
	if d.IntN(3) > 0 {
		return nil
	}
	return words
}

// selection is the flags of a selection.
func (d drawer) selection() []string {
	switch d.IntN(6) {
	case 0:
		return []string{"--prefix", []string{"a", "a:", "b", "ключ"}[d.IntN(4)]}
	case 1:
		return []string{"--suffix", ":1"}
	case 2:
		return []string{"--from", d.key(), "--to", d.key()}
	case 3:
		return []string{"--contains", ":", "--limit", fmt.Sprint(1 + d.IntN(3))}
	case 4:
		return []string{"--prefix", "a", "--limit", "2", "--reverse"}
	}
	return []string{"--from", "a", "--to", "b"}
}

// command draws a line. Conditions hold about as often as not.
func (d drawer) command() modelCommand {
	line := func(words ...[]string) modelCommand {
		var all []string
		for _, w := range words {
			all = append(all, w...)
		}
		return modelCommand{words: all}
	}
	w := func(words ...string) []string { return words }
	switch d.IntN(32) {
	case 0, 1, 2:
		return line(w("set"), d.maybe("--old"), d.maybe("--ttl", fmt.Sprintf("%ds", 1+d.IntN(20))), w(d.key(), d.value()))
	case 3:
		condition := [][]string{w("--if-absent"), w("--if-exists"), w("--if-value", d.value()), w("--if-rev", fmt.Sprint(d.IntN(d.revs+1)))}
		return line(w("set"), condition[d.IntN(len(condition))], w(d.key(), d.value()))
	case 4:
		return line(w("mset"), d.maybe("--if-absent"), w("--"), d.some(true))
	case 5:
		return line(w("del"), d.maybe("--strict"), w("--"), d.some(false))
	case 6:
		return line(w("del", "-y"), d.selection())
	case 7:
		return line(w("clear", "-y"), d.maybe(d.selection()...))
	case 8, 9:
		return line(w("incr", d.key(), []string{"1", "-5", "9223372036854775807"}[d.IntN(3)]))
	case 10:
		return line(w("append", d.key(), d.value()))
	case 11, 12:
		return line(w([]string{"mv", "cp"}[d.IntN(2)]), d.maybe("-f"), w(d.key(), d.key()))
	case 13:
		return line(w("ttl", d.key()), d.maybe([]string{"none", "5s", "1h"}[d.IntN(3)]))
	case 14, 15:
		return d.importing()
	case 16:
		return line(w("begin"))
	case 17:
		return line(w("commit"))
	case 18:
		return line(w([]string{"commit", "rollback"}[d.IntN(2)]))
	case 19:
		return line(w("use"), d.maybe(modelFamilies[d.IntN(2)]))
	case 20:
		return line(w("compact"))
	case 21:
		return line(w("undo"))
	case 22:
		way := [][]string{w("--rev", d.rev()), w("--to", d.rev()), w(fmt.Sprint(1 + d.IntN(4))), w("--key", d.key())}
		return line(w("undo"), way[d.IntN(len(way))], d.maybe("-f"))
	case 23:
		return line(w("history", d.key()))
	case 24:
		return line(w("diff", d.rev(), d.rev()))
	case 25:
		return line(w("list"), d.maybe(d.selection()...), d.maybe("--at", d.rev()))
	case 26:
		return line(w("count"), d.maybe(d.selection()...), d.maybe("--at", d.rev()))
	case 27:
		return line(w("get"), d.maybe("--default", "none"), d.maybe("--at", d.rev()), w("--"), d.some(false))
	case 28:
		return line(w([]string{"exists", "get"}[d.IntN(2)], d.key()))
	case 29:
		return line(w("--dry-run"), d.dry())
	case 30:
		return line(w("snapshot", "save", modelFile))
	}
	return line(w("cf", "ls"))
}

// dry is a writing command that is to write nothing.
func (d drawer) dry() []string {
	return [][]string{
		{"set", d.key(), d.value()},
		{"del", "--", d.key()},
		{"clear", "-y"},
		{"undo", "-f", "2"},
		{"incr", d.key(), "1"},
		{"mv", "-f", d.key(), d.key()},
	}[d.IntN(6)]
}

// importing is an import of up to five keys, now and then with a value so large
// that the log is folded after a few.
func (d drawer) importing() modelCommand {
	var b strings.Builder
	for i := range 1 + d.IntN(5) {
		fmt.Fprintf(&b, "a:%d\t%d\n", i, d.IntN(3))
	}
	words := []string{"import", "--format", "tsv", "--on-conflict", []string{"replace", "keep", "fail"}[d.IntN(3)]}
	words = append(words, d.maybe("--add-prefix", "b:")...)
	if d.IntN(6) == 0 {
		fmt.Fprintf(&b, "large\t%s\n", strings.Repeat(fmt.Sprintf("%07d ", d.IntN(1e6)), 200_000/8<<d.IntN(4)))
	}
	return modelCommand{words: append(words, modelFile), data: b.String()}
}
