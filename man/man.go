// Package man writes man pages. It knows roff and nothing of commands: the
// caller says what a page holds. The pages beside it are written by
// `make generate`.
package man

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Date stands in every page. It changes by hand, when a version is released,
// so that a page written twice is the same.
const Date = "2026-11-21"

// A Page is what the man page of one command says. Text is plain: paragraphs
// are separated by empty lines, and a paragraph whose lines are indented is
// kept line by line. Empty parts are left out.
type Page struct {
	Name     string // words of the command: "kvsh", "kvsh snapshot save"
	Short    string // one line: what it does
	Synopsis []string
	Text     string
	Groups   []Group  // flags, or the commands below this one
	Examples string   // lines of a shell
	Exits    string   // exit codes and what they mean, one a line
	SeeAlso  []string // commands, or pages with their section, as kvsh-format(5)
}

// A Group is a section of a page that lists terms with their meaning.
type Group struct {
	Title string // for example "Options"; printed in capitals
	Items []Item
}

// An Item is a term such as "-n, --newline" and its meaning.
type Item struct{ Term, Text string }

// File is the name of the page's file: words joined by hyphens, in section 1.
func (p Page) File() string { return strings.ReplaceAll(p.Name, " ", "-") + ".1" }

// WriteTo writes the page in the man(7) macros of roff. The error is that of w.
func (p Page) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".\\\" Written by \"make generate\". Do not edit.\n")
	fmt.Fprintf(&b, ".TH %s 1 %s kvsh\n", strings.ToUpper(strings.TrimSuffix(p.File(), ".1")), Date)
	// Words are not broken and lines not stretched: what is printed can be copied.
	b.WriteString(".nh\n.ad l\n")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(strings.TrimSuffix(p.File(), ".1")), escape(p.Short))
	if len(p.Synopsis) > 0 {
		b.WriteString(".SH SYNOPSIS\n")
		for i, line := range p.Synopsis {
			if i > 0 {
				b.WriteString(".br\n")
			}
			fmt.Fprintf(&b, "%s\n", escape(line))
		}
	}
	if p.Text != "" {
		b.WriteString(".SH DESCRIPTION\n")
		writeText(&b, p.Text)
	}
	for _, group := range p.Groups {
		if len(group.Items) == 0 {
			continue
		}
		fmt.Fprintf(&b, ".SH %s\n", escape(strings.ToUpper(group.Title)))
		for _, item := range group.Items {
			fmt.Fprintf(&b, ".TP\n%s\n%s\n", escape(item.Term), escape(item.Text))
		}
	}
	if p.Examples != "" {
		b.WriteString(".SH EXAMPLES\n")
		writeLiteral(&b, strings.Split(strings.Trim(p.Examples, "\n"), "\n"))
	}
	if p.Exits != "" {
		b.WriteString(".SH EXIT STATUS\n")
		writeLiteral(&b, strings.Split(strings.Trim(p.Exits, "\n"), "\n"))
	}
	if len(p.SeeAlso) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, name := range p.SeeAlso {
			end := ","
			if i == len(p.SeeAlso)-1 {
				end = ""
			}
			if !strings.HasSuffix(name, ")") {
				name = strings.ReplaceAll(name, " ", "-") + "(1)"
			}
			fmt.Fprintf(&b, "%s%s\n", escape(name), end)
		}
	}
	return b.WriteTo(w)
}

// writeText writes paragraphs; one whose first line is indented stays as it is.
func writeText(b *bytes.Buffer, text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		if strings.HasPrefix(lines[0], " ") || strings.HasPrefix(lines[0], "\t") {
			if i > 0 {
				b.WriteString(".PP\n")
			}
			writeLiteral(b, lines)
			continue
		}
		if i > 0 {
			b.WriteString(".PP\n")
		}
		for _, line := range lines {
			fmt.Fprintf(b, "%s\n", escape(strings.TrimSpace(line)))
		}
	}
}

// writeLiteral writes lines that are printed as they are, indented, without
// the indent they have in common.
func writeLiteral(b *bytes.Buffer, lines []string) {
	indent := -1
	for _, line := range lines {
		if rest := strings.TrimLeft(line, " \t"); rest != "" && (indent < 0 || len(line)-len(rest) < indent) {
			indent = len(line) - len(rest)
		}
	}
	b.WriteString(".RS 4\n.nf\n")
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			b.WriteString(".sp\n")
			continue
		}
		fmt.Fprintf(b, "%s\n", escape(strings.TrimRight(strings.ReplaceAll(line[indent:], "\t", "    "), " ")))
	}
	b.WriteString(".fi\n.RE\n")
}

// escape makes text stand for itself: no escapes, no requests at the start of
// a line, and the hyphens, quotes and carets that a shell knows.
func escape(s string) string {
	s = strings.NewReplacer(
		`\`, `\e`,
		"-", `\-`,
		"'", `\(aq`,
		"`", `\(ga`,
		"^", `\(ha`,
		"~", `\(ti`,
		"\n", " ",
	).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
