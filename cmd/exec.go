package cmd

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// execOptions are the flags of exec.
type execOptions struct {
	upper bool
	strip string // taken off the beginning of keys that have it
}

func newExec(s *Session) *cobra.Command {
	var (
		o   execOptions
		sel selector
	)
	c := &cobra.Command{
		Use:   "exec [PATTERN] -- CMD…",
		Short: "Run a program with keys as its environment",
		Long: `Runs CMD with the selected keys as variables of its environment. Each must be a
name of one: letters, digits and _, no digit first; with --upper, in upper case.
CMD also has KVSH_DB, the database. Without a selection all keys are taken.`,
		Example: "kvsh exec visits --upper -- true\n" +
			"kvsh exec --regex '^(text|visits)$' -- env",
		Args:        beforeProgram(0, 1, true),
		Annotations: exits("that of CMD, 7 a key is no name or a value holds NUL, 126 CMD cannot be run, 127 CMD is not there"),
		RunE: func(c *cobra.Command, args []string) error {
			before, program := childWords(c, args)
			if len(before) > 0 {
				sel.pattern = before[0]
			}
			if err := s.exec(c.Context(), sel, o, program); err != nil {
				return fmt.Errorf("exec: %w", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.upper, "upper", false, "names in upper case")
	c.Flags().StringVar(&o.strip, "strip-prefix", "", "take `P` off the beginning of keys")
	sel.bind(c)
	return c
}

// exec runs a program with the keys of a selection as its environment.
func (s *Session) exec(ctx context.Context, sel selector, o execOptions, program []string) error {
	if err := s.otherFiles("a program"); err != nil {
		return err
	}
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	var env []string
	keys := map[string]string{} // by the name they became
	err = s.view(ctx, func(tx engine.Tx) error {
		if none {
			return nil
		}
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			name, err := o.name(e.Key)
			if err != nil {
				return err
			}
			if other, taken := keys[name]; taken {
				return fmt.Errorf("keys %s and %s both become %s: %w", quoted(other), quoted(e.Key), name, format.ErrEnvName)
			}
			if bytes.IndexByte(e.Value, 0) >= 0 {
				return fmt.Errorf("value of %s %w", quoted(e.Key), format.ErrNUL)
			}
			keys[name] = e.Key
			env = append(env, name+"="+string(e.Value))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.run(ctx, child{words: program, env: env, stdin: s.childStdin()})
}

// name is the variable that a key becomes. A key that is no name is
// format.ErrEnvName.
func (o *execOptions) name(key string) (string, error) {
	name := strings.TrimPrefix(key, o.strip)
	if o.upper {
		name = strings.ToUpper(name)
	}
	if !isEnvName(name) {
		return "", fmt.Errorf("key %s: %w", quoted(key), format.ErrEnvName)
	}
	return name, nil
}

// isEnvName reports whether a text is a name of a variable for sh.
func isEnvName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}
