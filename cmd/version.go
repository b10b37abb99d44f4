package cmd

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kvsh/format"
)

// Version is the release, set by the linker; empty in other builds.
var Version string

func newVersion(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print the version",
		Example:     "kvsh version\nkvsh version --json",
		Args:        operands(0, 0),
		Annotations: exits("0"),
		RunE:        func(*cobra.Command, []string) error { return s.version() },
	}
}

func (s *Session) version() error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	version, commit := Version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if version == "" {
			version = info.Main.Version
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	if version == "" {
		version = "(devel)"
	}
	if !isRecordMode(m) {
		_, err := s.out.WriteString("kvsh " + version + "\n")
		return err
	}
	columns := []format.Column{
		{Name: "version", Kind: format.Text},
		{Name: "commit", Kind: format.Text},
		{Name: "go", Kind: format.Text},
		{Name: "platform", Kind: format.Text},
	}
	return s.row(columns, version, commit, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
}
