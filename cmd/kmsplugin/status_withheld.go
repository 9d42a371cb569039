package main

import (
	"fmt"
	"io"

	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// withheld says which key Vault refuses and this node still has in memory, until when
// the data can be recovered, and what to do.
func (v statusView) withheld(w io.Writer, key *pluginv1.Key) {
	held := key.GetWithheld()
	title, use := "WITHHELD", "This plugin can decrypt the data under this key, and does not (on-refusal)."
	if held.GetServed() {
		title, use = "REFUSED BUT SERVED", "This plugin uses its copies of the key although Vault refuses it (on-refusal: lease)."
	}
	if !held.GetWholeKey() {
		// Vault still has the version: nothing is lost.
		fmt.Fprintf(w, "\n%s %s, a version, for %s: %s\n  %s\n", v.colours.Warn(title), keyPath(key), span(held.GetSince()), term.Printable(held.GetReason()), use)
		fmt.Fprintln(w, "  If data still needs this version, lower the minimum in Vault: it is served again at once.")
		return
	}
	fmt.Fprintf(w, "\n%s %s, for %s: %s\n  %s\n", v.colours.Bad(title), keyPath(key), span(held.GetSince()), term.Printable(held.GetReason()), use)
	if held.GetLeft() != nil {
		fmt.Fprintf(w, "  The data is LOST in %s, unless Vault accepts the key again or the data is re-encrypted with\n  another key before that.\n", v.colours.Bad(span(held.GetLeft())))
	}
	fmt.Fprintf(w, "  - %s\n", v.restartAdvice())
	fmt.Fprint(w, `  - If the refusal is a mistake, undo it in Vault: the same key is served again at once. A new
    key of that name does not help.
`)
	if held.GetServed() {
		fmt.Fprint(w, `  - If the key is lost, re-encrypt everything with another key now (docs/disaster-recovery.md).
  - If the refusal is intended, set on-refusal: withhold (or drop, to erase the copies in memory)
    in the configuration file and reload it: systemctl reload kmsplugin, or kill -HUP the process.
`)
		return
	}
	fmt.Fprint(w, `  - If the key is lost, set on-refusal: lease in the plugin's configuration file on every
    control-plane node and reload it: systemctl reload kmsplugin, or kill -HUP the process of
    kmsplugin serve. Then re-encrypt everything with another key (docs/disaster-recovery.md).
  - If the refusal is intended, set on-refusal: drop in the same way: the copies are erased.
`)
}

func (v statusView) restartAdvice() string {
	if v.info.GetKeep() == "systemd" {
		return "The copies survive a restart of the plugin, but not of this node: do NOT reboot it."
	}
	return "Do NOT restart or upgrade this plugin, or reboot this node: the copies are in its memory only."
}
