package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/etcdaudit/fleet"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/check"
)

func rulesCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "rules [ID...]",
		Short: "List the rules, or explain some of them",
		Example: `  # all of them
  etcdaudit rules

  # what one looks at, and what follows from a finding
  etcdaudit rules EA-302`,
		ValidArgsFunction: func(*cobra.Command, []string, string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, r := range allRules() {
				ids = append(ids, cobra.CompletionWithDesc(r.ID, r.Title))
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			chosen, err := choose(ids)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				err = listJSON(cmd.OutOrStdout(), chosen)
			case "table":
				err = list(cmd.OutOrStdout(), chosen, len(ids) > 0)
			default:
				return cli.Usage(fmt.Errorf("output: %q: want table or json", output))
			}
			if err != nil {
				return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("write the rules: %w", err))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// rule is what is said of one check.
type rule struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Severity string `json:"severity"`
	Reads    string `json:"reads"`
	Why      string `json:"why"`
}

// allRules are those about one node and its etcd, those about several nodes, and the checks of the audit itself.
func allRules() []rule {
	all := append(about(rules.All()), about(fleet.Rules())...)
	for _, c := range acceptance.Checks() {
		all = append(all, rule{c.Id, c.Title, strings.ToLower(strings.TrimPrefix(c.Severity.String(), "SEVERITY_")), c.Reads, c.Why})
	}
	return all
}

func about[F any](all []check.Rule[F]) (said []rule) {
	for _, r := range all {
		said = append(said, rule{r.ID, r.Title, r.Severity.String(), r.Reads, r.Why})
	}
	return said
}

// checkIDs are those of every check that a report can have.
func checkIDs() (ids []string) {
	for _, r := range allRules() {
		ids = append(ids, r.ID)
	}
	return ids
}

func choose(ids []string) ([]rule, error) {
	all := allRules()
	if len(ids) == 0 {
		return all, nil
	}
	var chosen []rule
	for _, id := range ids {
		i := slices.IndexFunc(all, func(r rule) bool { return strings.EqualFold(r.ID, id) })
		if i < 0 {
			return nil, cli.Usage(fmt.Errorf("there is no rule %q: etcdaudit rules lists them", id))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// list writes a line for each rule, or all that is to be said of it.
func list(w io.Writer, chosen []rule, explain bool) error {
	var out strings.Builder
	for i, r := range chosen {
		fmt.Fprintf(&out, "%s  %-8s  %s\n", r.ID, r.Severity, wrap(r.Title, 80, 18))
		if !explain {
			continue
		}
		for _, part := range []struct{ name, said string }{{"Reads", r.Reads}, {"Why", r.Why}} {
			if part.said != "" {
				fmt.Fprintf(&out, "  %s: %s\n", part.name, wrap(part.said, 90, 4))
			}
		}
		if i < len(chosen)-1 {
			out.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// wrap breaks a text between words, and indents what follows the first line.
func wrap(s string, width, indent int) string {
	var lines []string
	for line := range strings.Lines(text.WrapSoft(s, width)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

func listJSON(w io.Writer, chosen []rule) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(chosen)
}
