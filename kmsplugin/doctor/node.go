package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/check"
)

// apiServerTimeout is how long an API server waits for a KMS provider by
// default, in encryption configuration.
const apiServerTimeout = 3 * time.Second

func nodeRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-101", Title: "settings", Why: "these settings stop the control plane earlier, or keep a revoked key in use longer", Run: checkSettings},
		{ID: "KD-110", Title: "swap", Why: "local KEKs and tokens in memory may be written to disk and stay there", Run: checkSwap},
		{ID: "KD-111", Title: "core dumps", Why: "a core file of the plugin holds local KEKs and its token", Run: checkCoreDumps},
	}
}

func checkSettings(f Facts) (all []check.Result) {
	c := f.Config
	switch c.OnRefusal {
	case "lease":
		all = append(all, check.Warned("on-refusal", fmt.Sprintf("a key that Vault refuses is used for up to %v more", c.Lease), "set on-refusal: withhold, unless revoking the key must not stop the API server"))
	case "drop":
		all = append(all, check.Warned("on-refusal", "a key that is deleted in Vault by mistake is lost for good within a minute, on every node", "set on-refusal: withhold, unless root on the node must not be able to use the key after it is revoked"))
	}
	if now := f.Socket.Answer.OnRefusal; now != "" && now != c.OnRefusal {
		all = append(all, check.Warned("on-refusal", fmt.Sprintf("the configuration says %s, the running plugin uses %s", c.OnRefusal, now), "reload the configuration: systemctl reload kmsplugin, or kill -HUP the plugin's process"))
	}
	if c.ReportAfter > 0 {
		all = append(all, check.Warned("outage.report-after", fmt.Sprintf("after %v of outage healthz reports it, and the API server takes itself out of service", c.ReportAfter), "set it to 0, and alert on sealproof_vault_state instead"))
	}
	if c.RequestTimeout >= apiServerTimeout {
		all = append(all, check.Warned("request-timeout", fmt.Sprintf("%v: the API server's own limit is %v by default, so it gives up before it gets the plugin's error", c.RequestTimeout, apiServerTimeout), "set request-timeout below the provider's timeout"))
	}
	if len(all) == 0 {
		all = append(all, check.Passed("", "nothing unusual"))
	}
	return all
}

func checkSwap(f Facts) []check.Result {
	switch {
	case f.Node.SwapErr != "":
		return []check.Result{check.Unevaluated("", f.Node.SwapErr, "run doctor on the node")}
	case len(f.Node.Swap) == 0:
		return []check.Result{check.Passed("", "no swap is active")}
	case f.Config.LockMemory && f.Node.Plugin != nil && f.Node.Plugin.LockedKB > 0:
		return []check.Result{check.Passed("", fmt.Sprintf("swap on %s, and the plugin has locked %d KiB of memory", strings.Join(f.Node.Swap, ", "), f.Node.Plugin.LockedKB))}
	default:
		return []check.Result{check.Warned("", "swap on "+strings.Join(f.Node.Swap, ", ")+", and the plugin's memory is not locked", "turn swap off, encrypt it, or set local-kek.lock-memory")}
	}
}

func checkCoreDumps(f Facts) []check.Result {
	p := f.Node.Plugin
	switch {
	case f.Node.PluginErr != "":
		found := check.Unevaluated("", f.Node.PluginErr, "run doctor as root on the node, or look at Max core file size in /proc/PID/limits")
		found.Expected = f.Node.Hidden
		return []check.Result{found}
	case p == nil:
		return []check.Result{check.Unevaluated("", "no plugin listens on the socket", "start the plugin, then run doctor again")}
	case p.CoreLimit != 0:
		return []check.Result{check.Failed(fmt.Sprintf("process %d", p.PID), "it may write core files of "+p.CoreFiles()+" bytes", "find out which program serves the socket: kmsplugin disables core files when it starts")}
	default:
		return []check.Result{check.Passed(fmt.Sprintf("process %d", p.PID), "it writes no core files")}
	}
}
