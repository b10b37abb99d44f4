package handler

import (
	"fmt"
	"strings"
	"sync"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// entry is the function that a handler defines.
const entry = "handle"

// dialect is what a handler may use of Starlark. Without while and recursion
// nothing in the language itself runs for ever.
var dialect = syntax.FileOptions{Set: true}

// A Program is a compiled handler. It may be run by several goroutines at once.
type Program struct {
	name     string
	compiled *starlark.Program
}

// Compile compiles a handler. name stands in its errors, of which each is an
// *Error. Nothing of the handler is run.
func Compile(name string, source []byte) (*Program, error) {
	if len(source) > MaxSourceSize {
		return nil, &Error{Name: name, Reason: fmt.Sprintf("source of %d bytes, the limit is %d", len(source), MaxSourceSize)}
	}
	file, err := dialect.Parse(name, source, 0)
	if err != nil {
		return nil, compileError(name, err)
	}
	if err := checkEntry(name, file); err != nil {
		return nil, err
	}
	compiled, err := starlark.FileProgram(file, predeclared().Has)
	if err != nil {
		return nil, compileError(name, err)
	}
	if compiled.NumLoads() > 0 {
		_, pos := compiled.Load(0)
		return nil, errorAt(name, pos, "a handler is one file: load is not available")
	}
	return &Program{name: name, compiled: compiled}, nil
}

// checkEntry refuses a file that does not define handle(kv, arg).
func checkEntry(name string, file *syntax.File) error {
	var found *syntax.DefStmt
	for _, statement := range file.Stmts {
		if def, ok := statement.(*syntax.DefStmt); ok && def.Name.Name == entry {
			found = def
		}
	}
	if found == nil {
		return &Error{Name: name, Line: 1, Reason: "no def handle(kv, arg)"}
	}
	plain := len(found.Params) == 2
	for _, param := range found.Params {
		if _, ok := param.(*syntax.Ident); !ok {
			plain = false
		}
	}
	if !plain {
		return errorAt(name, found.Name.NamePos, "handle takes two parameters: def handle(kv, arg)")
	}
	return nil
}

// predeclared is what a handler finds beside the built-in functions of the
// language. It is made when it is first needed: most runs of a program that
// links this package run no handler.
var predeclared = sync.OnceValue(func() starlark.StringDict {
	return starlark.StringDict{
		"json":     json.Module,
		"fail":     starlark.NewBuiltin("fail", fail),
		"now":      starlark.NewBuiltin("now", now),
		"expiring": starlark.NewBuiltin("expiring", newExpiring),
	}
})

// fail ends the run with an answer "no". Its words are joined with spaces.
func fail(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 || len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: want a message", b.Name())
	}
	words := make([]string, len(args))
	for i, arg := range args {
		if text, ok := starlark.AsString(arg); ok {
			words[i] = text
		} else {
			words[i] = arg.String()
		}
	}
	return nil, &RefusalError{Message: clip(strings.Join(words, " "), MaxPrintSize)}
}

// clip is the start of a text, of at most so many bytes.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// nowKey is where a thread keeps the time of the transaction.
const nowKey = "now"

// now is the time of the transaction.
func now(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0); err != nil {
		return nil, err
	}
	ms, ok := thread.Local(nowKey).(int64)
	if !ok {
		return nil, fmt.Errorf("%s: there is no transaction yet", b.Name())
	}
	return starlark.MakeInt64(ms), nil
}

// CheckName refuses a name that is not 1 to 64 of the characters a-z 0-9 _ -.
func CheckName(name string) error {
	const most = 64
	if name == "" || len(name) > most {
		return fmt.Errorf("the name of a handler has 1 to %d characters", most)
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return fmt.Errorf("the name of a handler has the characters a-z 0-9 _ - only")
		}
	}
	return nil
}
