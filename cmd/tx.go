package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newBegin(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "begin",
		Short: "Begin a transaction",
		Long: `Begins a transaction: the commands up to commit read one state of the database
and their own writes, and are written together or not at all. Nobody else has to
wait meanwhile: if something read here was changed by then, commit says so and
writes nothing. For the shell and for scripts. A command that answers no, as set
with a condition that does not hold, queues nothing and stops neither the script
nor the transaction: a stored handler ("kvsh help handler") both decides and
writes.`,
		Example:     "kvsh -c 'begin; set a 1; incr visits; commit'\nkvsh -c 'begin; get visits; del user:2; rollback'",
		Args:        operands(0, 0),
		Annotations: exits("0, 2 there is one already"),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case s.door == doorProcess:
				return &usageError{
					reason: "begin: a transaction ends with its process",
					hint:   `-c 'begin; …; commit' runs several commands as one transaction`,
				}
			case s.atomic:
				return usagef("begin: --atomic has begun a transaction for the whole script")
			case s.tx != nil:
				return usagef("begin: a transaction is open already")
			}
			if err := s.begin(c.Context()); err != nil {
				return fmt.Errorf("begin: %w", err)
			}
			return nil
		},
	}
}

func newCommit(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:         "commit",
		Short:       "Write what the transaction holds",
		Example:     "kvsh -c 'begin; set a 1; set b 2; commit'\nkvsh -c 'begin; del user:1; commit --rev'",
		Args:        operands(0, 0),
		Annotations: exits("0, 1 something was changed meanwhile: nothing is written, 2 no transaction"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.canEnd("commit"); err != nil {
				return err
			}
			writes := s.tx.Writes()
			result, err := s.tx.Commit(c.Context())
			s.endTx()
			if err != nil {
				return fmt.Errorf("commit: %w", err)
			}
			if writes == 0 {
				s.remark("nothing to write")
				return nil
			}
			return s.acknowledge(written{rev: result.Rev})
		},
	}
	s.set.bindRev(c)
	return c
}

func newRollback(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "rollback",
		Short:       "Discard what the transaction holds",
		Example:     "kvsh -c 'begin; set a 1; rollback'\nkvsh -c 'begin; clear -y; list; rollback; list'",
		Args:        operands(0, 0),
		Annotations: exits("0, 2 no transaction"),
		RunE: func(*cobra.Command, []string) error {
			if err := s.canEnd("rollback"); err != nil {
				return err
			}
			s.endTx()
			return nil
		},
	}
}

// canEnd reports why a command cannot end the transaction.
func (s *Session) canEnd(command string) error {
	switch {
	case s.atomic:
		return usagef("%s: --atomic ends the transaction with the script", command)
	case s.tx == nil:
		return usagef("%s: no transaction is open", command)
	}
	return nil
}
