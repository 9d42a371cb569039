package main

import (
	"fmt"
	"io"

	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// withheld says what Vault refuses and this node still holds, until when it can be
// saved, and what to do.
func (v statusView) withheld(w io.Writer, key *pluginv1.Key) {
	held := key.GetWithheld()
	title, use := "WITHHELD", "This plugin holds what opens the data that it sealed, and does not use it."
	if held.GetServed() {
		title, use = "REFUSED BUT SERVED", "This plugin uses what it holds all the same (on-refusal: lease)."
	}
	if !held.GetWholeKey() {
		// Vault has the version still: nothing is lost, and nothing is urgent.
		fmt.Fprintf(w, "\n%s %s, a version, for %s: %s\n  %s\n", v.colours.Warn(title), keyPath(key), span(held.GetSince()), term.Printable(held.GetReason()), use)
		fmt.Fprintln(w, "  Does something still need it? Lower the minimum in Vault: it is served again at once.")
		return
	}
	fmt.Fprintf(w, "\n%s %s, for %s: %s\n  %s\n", v.colours.Bad(title), keyPath(key), span(held.GetSince()), term.Printable(held.GetReason()), use)
	if held.GetLeft() != nil {
		fmt.Fprintf(w, "  The data is LOST in %s, unless Vault opens the key again or the data is sealed with another\n  key before.\n", v.colours.Bad(span(held.GetLeft())))
	}
	fmt.Fprintf(w, "  - %s\n", v.restartAdvice())
	fmt.Fprint(w, `  - Is the refusal a mistake? Undo it in Vault: this very key is served again at once, a new
    key of that name releases nothing.
`)
	if held.GetServed() {
		fmt.Fprint(w, `  - Is the key lost? Seal everything with another key now (docs/disaster-recovery.md).
  - Is the refusal meant? Set on-refusal: withhold, or drop to erase what is held, in the
    configuration file, and have it read: systemctl reload kmsplugin, or kill -HUP the process.
`)
		return
	}
	fmt.Fprint(w, `  - Is the key lost? On every control-plane node set on-refusal: lease in the plugin's
    configuration file and have it read: systemctl reload kmsplugin, or kill -HUP the process
    of kmsplugin serve. Then seal everything with another key (docs/disaster-recovery.md).
  - Is the refusal meant? Set on-refusal: drop in the same way, and what is held is erased.
`)
}

func (v statusView) restartAdvice() string {
	if v.info.GetKeep() == "systemd" {
		return "What is held survives a restart of the plugin, not one of this node: do not reboot it."
	}
	return "Do NOT restart or upgrade this plugin, or reboot this node: it keeps nothing across a restart."
}
