package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newCompletion(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "completion bash|zsh|fish|powershell",
		Short:       "Print what makes Tab work in your shell",
		Long:        "Prints a script for your shell, which completes commands, flags and keys.",
		Example:     "kvsh completion bash\nkvsh completion fish",
		Args:        operands(1, 1),
		ValidArgs:   []string{"bash", "zsh", "fish", "powershell"},
		Annotations: exits("0, 2 unknown shell"),
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(s.out, true)
			case "zsh":
				return root.GenZshCompletion(s.out)
			case "fish":
				return root.GenFishCompletion(s.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(s.out)
			}
			return usageOf(c, "unknown shell %s", quoted(args[0]))
		},
	}
}

// completionLimit is how many keys Tab offers at most.
const completionLimit = 200

// completeKeys completes a word to keys of the database. Errors complete to
// nothing: Tab is no place for messages.
func completeKeys(s *Session) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		if s.completing {
			s.keysWanted = true
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		keys, err := s.keysFrom(c.Context(), word)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return keys, cobra.ShellCompDirectiveNoFileComp
	}
}

// keysFrom is the first keys that begin with a word. A key that a completion
// script would cut, since it holds a tab or newline, is left out.
func (s *Session) keysFrom(ctx context.Context, word string) (keys []string, err error) {
	if ctx == nil {
		ctx = context.Background()
	}
	err = s.view(ctx, func(tx engine.Tx) error {
		for e, err := range tx.Scan(ctx, engine.Range{Prefix: word, KeysOnly: true, Limit: completionLimit}) {
			if err != nil {
				return fmt.Errorf("complete: %w", err)
			}
			if !strings.ContainsAny(e.Key, "\t\n\r") {
				keys = append(keys, e.Key)
			}
		}
		return nil
	})
	return keys, err
}
