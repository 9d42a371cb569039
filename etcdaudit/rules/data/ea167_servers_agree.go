package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func serversAgree() check.Rule[facts.Facts] {
	return ofAPIServers(check.Rule[facts.Facts]{
		ID: "EA-167", Title: "All API servers write with the plugin's current key_id", Severity: check.Medium,
		Why:   "an API server that is behind writes back under the old key what others have rewritten, so that the old key can never be retired; one whose plugin has another key writes what the others may not be able to read",
		Reads: "the hash of the key_id that Status returned last, of each provider in each API server's metrics, beside the key_id of the plugins",
	}, judgeServers)
}

func judgeServers(f facts.Facts) check.Result {
	const todo = "wait for the API server's next poll of its plugin (a minute, 3 at worst); if it stays behind, look at the plugin on that node (kmsplugin status) and at the API server's log"
	k := f.KeySources
	var apart, agreed []string
	var evidence []check.Evidence
	for _, provider := range k.Providers() {
		name, camps := term.Printable(provider), k.Camps(provider)
		for _, camp := range camps {
			for _, s := range camp.Servers {
				evidence = append(evidence, check.Evidence{Source: term.Printable(s.Name), Seen: fmt.Sprintf("provider %s: %s", name, keyIDOf(f, camp.Hash))})
			}
			switch {
			case len(camps) > 1:
				apart = append(apart, fmt.Sprintf("provider %s: %s on %s", name, keyIDOf(f, camp.Hash), named(camp.Servers)))
			case !k.Followed(camp.Hash):
				apart = append(apart, fmt.Sprintf("provider %s: %s on %s, which is not what a plugin writes with", name, keyIDOf(f, camp.Hash), named(camp.Servers)))
			default:
				agreed = append(agreed, fmt.Sprintf("provider %s: %s on %s", name, keyIDOf(f, camp.Hash), named(camp.Servers)))
			}
		}
	}
	var r check.Result
	switch mute := silent(k); {
	case len(apart) > 0:
		r = check.Warned("", strings.Join(apart, "; "), todo)
	case len(agreed) == 0:
		r = check.Inapplicable("no API server has a KMS v2 provider")
	case mute != "":
		r = check.Unevaluated("", mute, "")
	case len(k.Servers) == 1 && len(k.Plugins) == 0:
		r = check.Unevaluated("", "one API server alone: give the metrics of every API server, or --plugin-socket as well", "")
	default:
		r = check.Passed("", strings.Join(agreed, "; "))
	}
	r.Evidence = evidence
	return r
}
