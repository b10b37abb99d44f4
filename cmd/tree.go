package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newTree(s *Session) *cobra.Command {
	var (
		sel   selector
		sep   string
		depth int
		at    moment
	)
	c := &cobra.Command{
		Use:   "tree [PREFIX]",
		Short: "Show the namespaces of keys, with counts and bytes",
		Long: `Shows the namespaces below PREFIX: what keys share up to a separator, with how
many keys are in each and how many bytes they and their values have. The last
row is the total. Values are not read. The flags of a selection choose which
keys count.`,
		Example:     "kvsh tree\nkvsh tree user: --depth 1\nkvsh tree --sep /\nkvsh tree --at 1",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision"),
		RunE: func(c *cobra.Command, args []string) error {
			if sep == "" {
				return usageOf(c, "--sep: empty")
			}
			if depth < 0 {
				return usageOf(c, "--depth %d: below zero", depth)
			}
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			if err := s.tree(c.Context(), prefix, sel, sep, depth, at); err != nil {
				return fmt.Errorf("tree: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&sep, "sep", ":", "namespaces end in `S`")
	c.Flags().IntVar(&depth, "depth", 0, "at most `N` levels; 0: all")
	sel.bind(c)
	at.bindAt(c)
	return c
}

// A namespace is the keys with the same beginning, which ends in a separator.
type namespace struct {
	name  string // with what it is in, so that it is a prefix
	level int    // of nesting, from 0
	keys  int64
	bytes int64 // of the keys and values
}

func (n *namespace) add(e *engine.Entry) {
	n.keys++
	n.bytes += int64(len(e.Key)) + int64(e.Size)
}

// below narrows a selector to the keys with a prefix. It reports whether there
// can be any.
func (sel *selector) below(prefix string) bool {
	if strings.HasPrefix(prefix, sel.prefix) {
		sel.prefix = prefix
	}
	return strings.HasPrefix(sel.prefix, prefix)
}

// tree writes the namespaces of the selected keys below a prefix, then their
// total.
func (s *Session) tree(ctx context.Context, prefix string, sel selector, sep string, depth int, at moment) error {
	possible := sel.below(prefix)
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	r.KeysOnly, r.Lend = true, true
	write, end, err := s.namespaceWriter(prefix)
	if err != nil {
		return err
	}
	w := treeWalk{prefix: prefix, sep: sep, depth: depth, write: write}
	total := namespace{name: prefix}
	p := s.startProgress("tree")
	defer p.end()
	read := p.counting()
	err = s.viewAt(ctx, at, func(tx engine.Tx) error {
		if none || !possible {
			return nil
		}
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			if read != nil {
				read.Add(1)
			}
			total.add(&e)
			if err := w.key(&e); err != nil {
				return err
			}
		}
		return nil
	})
	p.end()
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = write(&total)
	}
	if err != nil {
		return err
	}
	return end()
}

// A treeWalk collects namespaces from keys in their order. It holds those of one
// namespace of the top level, since a row comes before the rows below it but
// its counts are known only behind them.
type treeWalk struct {
	prefix, sep string
	depth       int // most levels; 0: all
	write       func(*namespace) error
	held        []namespace
	open        []int // indexes in held of the namespaces that hold the last key
}

// key counts a key, which may be lent: a namespace is written when the transaction
// has ended. Keys come in their order or, all of them, against it.
func (w *treeWalk) key(e *engine.Entry) error {
	for len(w.open) > 0 && !strings.HasPrefix(e.Key, w.held[w.open[len(w.open)-1]].name) {
		w.open = w.open[:len(w.open)-1]
	}
	if len(w.open) == 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	end := len(w.prefix)
	if n := len(w.open); n > 0 {
		end = len(w.held[w.open[n-1]].name)
	}
	for w.depth == 0 || len(w.open) < w.depth {
		i := strings.Index(e.Key[end:], w.sep)
		if i < 0 {
			break
		}
		end += i + len(w.sep)
		w.held = append(w.held, namespace{name: strings.Clone(e.Key[:end]), level: len(w.open)})
		w.open = append(w.open, len(w.held)-1)
	}
	for _, i := range w.open {
		w.held[i].add(e)
	}
	return nil
}

// flush writes the namespaces held.
func (w *treeWalk) flush() error {
	for i := range w.held {
		if err := w.write(&w.held[i]); err != nil {
			return err
		}
	}
	w.held, w.open = w.held[:0], w.open[:0]
	return nil
}

// namespaceWriter is how tree writes namespaces: for people indented by their
// level and with the part that is their own, else by their whole prefix.
func (s *Session) namespaceWriter(prefix string) (write func(*namespace) error, end func() error, err error) {
	m, err := s.mode()
	if err != nil {
		return nil, nil, err
	}
	people := m == format.Pretty || m == format.Table || m == format.Auto && s.OutTerminal && !s.redirected
	kind := format.Bytes
	if people {
		kind = format.Text
	}
	rows, err := s.rows(format.Column{Name: "prefix", Kind: kind},
		format.Column{Name: "keys", Kind: format.Int}, format.Column{Name: "bytes", Kind: format.Size})
	if err != nil {
		return nil, nil, err
	}
	above := []string{prefix} // the names of what encloses a level
	write = func(n *namespace) error {
		name := n.name
		switch {
		case people && n.name == prefix:
			name = "total"
		case people:
			above = append(above[:n.level+1], n.name)
			name = strings.Repeat("  ", n.level) + format.Word([]byte(n.name[len(above[n.level]):]))
		}
		return rows.Row(name, n.keys, n.bytes)
	}
	return write, rows.Close, nil
}
