package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// without lists what the node could decrypt if Vault failed now.
func (v statusView) without(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "\nIf Vault failed now, this node could still decrypt:\n  KEY\tVERSION\tCREATED\tKEY_ID\tDECRYPTS"
	for _, key := range v.info.GetKeys() {
		for _, version := range key.GetVersions() {
			if header != "" {
				fmt.Fprintln(t, header)
				header = ""
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", key.GetSource(), number(version),
				created(version), version.GetKeyId(), v.decrypts(version))
		}
	}
	if header != "" {
		fmt.Fprintln(t, "\nIf Vault failed now, this node could decrypt "+v.colours.Bad("nothing")+".")
	}
	_ = t.Flush() // into memory
	if seeds := v.info.GetHeld().GetOpenedSeeds(); seeds > 0 {
		fmt.Fprintf(w, "and %d seeds that Vault wrapped and that were unwrapped before.\n", seeds)
	}
}

func number(v *pluginv1.Version) string {
	text := strconv.Itoa(int(v.GetNumber()))
	if v.GetWrites() {
		text += " (writes)"
	}
	return text
}

func created(v *pluginv1.Version) string {
	if v.GetCreated() == nil {
		return "unlisted" // below the minimum, or of a replaced key
	}
	return v.GetCreated().AsTime().Format(time.DateOnly)
}

func (v statusView) decrypts(version *pluginv1.Version) string {
	switch {
	case version.GetWithheld():
		return v.colours.Bad("no") + ": withheld; recoverable for another " + span(version.GetWithheldLeft())
	case version.GetRefused() && version.GetOpensWithoutVault():
		return v.colours.Warn("yes") + ", although Vault refuses it, for " + span(version.GetLeaseLeft())
	case version.GetRefused():
		return v.colours.Bad("no") + ": Vault refuses this version"
	case !version.GetOpensWithoutVault():
		return v.colours.Warn("no") + ": no local KEK in memory"
	case version.GetUnconfirmed() != "":
		return v.colours.Warn("yes") + ", for " + span(version.GetLeaseLeft()) + "; Vault does not renew its lease: " + term.Printable(version.GetUnconfirmed())
	default:
		return v.colours.Good("yes") + ", for " + span(version.GetLeaseLeft())
	}
}
