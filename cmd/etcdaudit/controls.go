package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/controls"
	"github.com/sealproof/sealproof/etcdaudit/report"
)

func controlsCommand() *cobra.Command {
	var output, catalogue string
	cmd := &cobra.Command{
		Use:   "controls [ID...]",
		Short: "List the controls that checks are evidence for, or explain some of them",
		Long: `controls lists the requirements of benchmarks and standards beside the checks that are
evidence for them: for all of one, for a part, or only to show a person where to look.
None of that means that a control is met. What was not read in the text that is
published is marked as unverified.`,
		Example: `  # all of them
  etcdaudit controls

  # one catalogue
  etcdaudit controls --catalogue stig

  # which checks are evidence, how far, and where letter and truth can differ
  etcdaudit controls 2.2`,
		ValidArgsFunction: func(*cobra.Command, []string, string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
			all, _ := controls.All()
			for _, c := range all {
				if catalogue == "" || catalogue == c.Name {
					for _, control := range c.Controls {
						ids = append(ids, cobra.CompletionWithDesc(control.ID, c.Name+": "+control.Title))
					}
				}
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			all, err := chooseControls(catalogue, ids)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				err = controlsJSON(cmd.OutOrStdout(), all)
			case "table":
				err = controlsTable(cmd.OutOrStdout(), all, len(ids) > 0)
			default:
				return cli.Usage(fmt.Errorf("output: %q: want table or json", output))
			}
			if err != nil {
				return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("write the controls: %w", err))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.Flags().StringVar(&catalogue, "catalogue", "", "one catalogue, by its name in the list (cis-1.12, stig)")
	_ = cmd.RegisterFlagCompletionFunc("catalogue", func(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		all, _ := controls.All()
		for _, c := range all {
			names = append(names, cobra.CompletionWithDesc(c.Name, c.Title+" "+c.Version))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// chooseControls returns the catalogues with the controls that were asked for. One id can be
// in several.
func chooseControls(catalogue string, ids []string) (chosen []controls.Catalogue, err error) {
	all, err := controls.All()
	if err != nil {
		return nil, err
	}
	var names []string
	unknown := slices.Clone(ids)
	elsewhere := map[string][]string{} // catalogues that were not asked for, by what they have
	for _, c := range all {
		names = append(names, c.Name)
		if catalogue != "" && !strings.EqualFold(catalogue, c.Name) {
			for _, control := range c.Controls {
				id := strings.ToLower(control.ID)
				elsewhere[id] = append(elsewhere[id], c.Name)
			}
			continue
		}
		if len(ids) > 0 {
			c.Controls = slices.DeleteFunc(slices.Clone(c.Controls), func(control controls.Control) bool {
				asked := func(id string) bool { return strings.EqualFold(id, control.ID) }
				unknown = slices.DeleteFunc(unknown, asked)
				return !slices.ContainsFunc(ids, asked)
			})
		}
		if len(c.Controls) > 0 {
			chosen = append(chosen, c)
		}
	}
	switch {
	case catalogue != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, catalogue) }):
		return nil, cli.Usage(fmt.Errorf("catalogue: %q: want one of %s", catalogue, strings.Join(names, ", ")))
	case len(unknown) > 0 && elsewhere[strings.ToLower(unknown[0])] != nil:
		return nil, cli.Usage(fmt.Errorf("there is no control %q in %s: it is in %s", unknown[0], strings.ToLower(catalogue), strings.Join(elsewhere[strings.ToLower(unknown[0])], ", ")))
	case len(unknown) > 0:
		return nil, cli.Usage(fmt.Errorf("there is no control %q: etcdaudit controls lists them", unknown[0]))
	}
	return chosen, nil
}

func controlsTable(w io.Writer, all []controls.Catalogue, explain bool) error {
	titles := map[string]string{}
	for _, r := range allRules() {
		titles[r.ID] = r.Title
	}
	var out strings.Builder
	for i, c := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%s\n", wrap(fmt.Sprintf("%s %s (%s), %s: read in %s", c.Title, c.Version, c.Name, verified(c), c.Source), 100, 4))
		for _, control := range c.Controls {
			if explain {
				explainControl(&out, control, titles)
				continue
			}
			controlLine(&out, control.ID, control.Title+": "+evidenceOf(control))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func controlLine(out *strings.Builder, id, said string) {
	fmt.Fprintf(out, "  %s  %s\n", id, wrap(said, max(40, 96-len(id)), 6))
}

func verified(c controls.Catalogue) string {
	if c.Verified {
		return "verified"
	}
	return "unverified"
}

// evidenceOf lists the checks of a control in one line.
func evidenceOf(control controls.Control) string {
	var names []string
	for _, e := range control.Checks {
		switch e.Relation {
		case controls.Partly:
			names = append(names, e.Check+" (partly)")
		case controls.NeedsHuman:
			names = append(names, e.Check+" (needs a human)")
		default:
			names = append(names, e.Check)
		}
	}
	if len(names) == 0 {
		return "no check; needs a human"
	}
	return strings.Join(names, ", ")
}

func explainControl(out *strings.Builder, control controls.Control, titles map[string]string) {
	part := func(name, said string) {
		if said != "" {
			fmt.Fprintf(out, "    %s\n", wrap(name+": "+said, 94, 6))
		}
	}
	controlLine(out, control.ID, control.Title)
	for _, e := range control.Checks {
		said := titles[e.Check]
		if e.Note != "" {
			said = e.Note + ". Check: " + said
		}
		part(e.Check+" ("+strings.ReplaceAll(e.Relation, "needs-human", "needs a human")+")", said)
	}
	if len(control.Checks) == 0 {
		part("Evidence", "no check; needs a human")
	}
	if l := control.Letter; l != nil {
		part("By the letter", l.Asks)
		part("It can pass although a check finds something", l.PassesBut)
		part("It can fail although the checks pass", l.FailsBut)
		part("It is not evaluated", notHeld(l.NotInReport))
	}
	part("Read in", control.Source)
}

func notHeld(what string) string {
	if what == "" {
		return ""
	}
	return "no report holds " + what
}

func controlsJSON(w io.Writer, all []controls.Catalogue) error {
	type check struct {
		Check    string `json:"check"`
		Relation string `json:"relation"`
		Note     string `json:"note"`
	}
	type line struct {
		Catalogue string  `json:"catalogue"`
		Name      string  `json:"name"`
		Version   string  `json:"version"`
		ID        string  `json:"id"`
		Title     string  `json:"title"`
		Source    string  `json:"source"`
		Verified  bool    `json:"verified"`
		Checks    []check `json:"checks"`
		Letter    string  `json:"letter"`
		PassesBut string  `json:"passes_but"`
		FailsBut  string  `json:"fails_but"`
		// NotInReport is what no report holds, so that the letter is never evaluated.
		NotInReport string `json:"not_in_report"`
	}
	lines := []line{}
	for _, c := range all {
		for _, control := range c.Controls {
			l := line{Catalogue: c.Title, Name: c.Name, Version: c.Version, ID: control.ID, Title: control.Title, Source: control.Source, Verified: c.Verified, Checks: []check{}}
			for _, e := range control.Checks {
				l.Checks = append(l.Checks, check(e))
			}
			if letter := control.Letter; letter != nil {
				l.Letter, l.PassesBut, l.FailsBut, l.NotInReport = letter.Asks, letter.PassesBut, letter.FailsBut, letter.NotInReport
			}
			lines = append(lines, l)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(lines)
}
