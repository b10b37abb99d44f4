package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newConfig(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "config [NAME [VALUE]]",
		Short: "Show or change settings of the database",
		Long: `Shows the settings of the database and where each comes from, or changes one:
sync is when a write is on the disk for sure: always (before it is answered),
interval (a second later) or never (as the system likes); history.keep is the
time span, like 7d, for which earlier values can be read; limit.key, limit.value
and limit.transaction are the most bytes that are taken from now on, like 64KiB.`,
		Example: "kvsh config\nkvsh config sync\nkvsh config history.keep 30d\n" +
			"kvsh config limit.value 64KiB",
		Args:        settingOperands,
		Annotations: exits("0, 2 unknown setting or value"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if len(args) == 2 {
				err = s.setSetting(c.Context(), args[0], args[1])
			} else {
				err = s.showSettings(c.Context(), args)
			}
			if err != nil {
				return fmt.Errorf("config: %w", err)
			}
			return nil
		},
	}
}

// settingOperands checks the operands of config. How other programs have a
// setting written leads to how it is done here.
func settingOperands(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	name, value, ok := strings.Cut(args[0], "=")
	switch {
	case len(args) == 1 && ok:
		meant = "config " + format.Word([]byte(name)) + " " + format.Word([]byte(value))
	case len(args) > 1 && (args[0] == "set" || args[0] == "get"):
		meant = "config"
		for _, arg := range args[1:] {
			meant += " " + format.Word([]byte(arg))
		}
	case len(args) == 3 && args[1] == "=":
		meant = "config " + format.Word([]byte(name)) + " " + format.Word([]byte(args[2]))
	default:
		return operands(0, 2)(c, args)
	}
	return &usageError{reason: "config: unknown setting " + quoted(args[0]), hint: fmt.Sprintf("did you mean %q?", meant), word: args[0]}
}

func (s *Session) showSettings(ctx context.Context, names []string) error {
	db, err := maintain[configurer](ctx, s)
	if err != nil {
		return err
	}
	settings, err := db.Settings(ctx)
	if err != nil {
		return err
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	if len(names) == 1 && (m == format.Raw || s.isPlain()) {
		for _, setting := range settings {
			if setting.Name == names[0] {
				_, err := s.out.WriteString(setting.Value + "\n")
				return err
			}
		}
		return unknownSetting(names[0])
	}
	rows, err := s.rows(format.Column{Name: "name", Kind: format.Text},
		format.Column{Name: "value", Kind: format.Text}, format.Column{Name: "source", Kind: format.Text})
	if err != nil {
		return err
	}
	found := false
	for _, setting := range settings {
		if len(names) == 1 && setting.Name != names[0] {
			continue
		}
		found = true
		if err := rows.Row(setting.Name, setting.Value, setting.Source); err != nil {
			return err
		}
	}
	if !found && len(names) == 1 {
		return unknownSetting(names[0])
	}
	return rows.Close()
}

func unknownSetting(name string) error {
	return &usageError{reason: "unknown setting " + quoted(name), hint: "config without a name lists them", word: name}
}

func (s *Session) setSetting(ctx context.Context, name, value string) error {
	if s.set.ReadOnly {
		return engine.ErrReadOnly
	}
	if s.tx != nil {
		return usagef("a setting is not part of a transaction")
	}
	db, err := maintain[configurer](ctx, s)
	if err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: nothing was written")
		return nil
	}
	if err := db.SetSetting(ctx, name, value); err != nil {
		return err
	}
	if s.OutTerminal && !s.redirected {
		s.remark("OK")
	}
	return nil
}
