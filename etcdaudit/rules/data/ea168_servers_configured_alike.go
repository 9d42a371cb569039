package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func serversConfiguredAlike() check.Rule[facts.Facts] {
	return ofAPIServers(check.Rule[facts.Facts]{
		ID: "EA-168", Title: "All API servers have the same EncryptionConfiguration in force", Severity: check.High,
		Why:   "an API server that has not reloaded, or has refused to, goes on writing as the old file says, plaintext included, and may not read what others write",
		Reads: "the hash of the file in force in each API server's metrics (apiserver_encryption_config_controller_last_config_info), beside that of the given file",
	}, judgeConfigs)
}

func judgeConfigs(f facts.Facts) check.Result {
	const todo = "put the same file on every node; see why an API server has not taken it (its log; --encryption-provider-config-automatic-reload), and restart those that do not reload, one at a time"
	k := f.KeySources
	var evidence []check.Evidence
	var missing []string
	for _, s := range k.Servers {
		if s.Config == "" {
			missing = append(missing, term.Printable(s.Name)+": "+s.Missing)
			continue
		}
		evidence = append(evidence, check.Evidence{Source: term.Printable(s.Name), Seen: "in force: " + term.Printable(s.Config) + "; " + reloads(s)})
	}
	if k.FileHash != "" {
		evidence = append(evidence, check.Evidence{Source: term.Printable(k.File), Seen: k.FileHash})
	}
	var r check.Result
	switch camps := k.Configs(); {
	case len(camps) > 1 || len(camps) == 1 && k.FileHash != "" && camps[0].Hash != k.FileHash:
		r = check.Failed("", inForce(k, camps), todo)
	case len(missing) > 0:
		r = check.Unevaluated("", strings.Join(missing, "; "), "")
	case len(k.Servers) == 1 && k.FileHash == "":
		r = check.Unevaluated("", "one API server alone: give the metrics of every API server, or --encryption-provider-config as well", "")
	default:
		r = check.Passed("", fmt.Sprintf("one and the same is in force on %s", named(k.Servers)))
	}
	r.Evidence = evidence
	return r
}

// inForce says which API servers have which file.
func inForce(k *keyjoin.Sources, camps []keyjoin.Camp) string {
	var all []string
	for _, camp := range camps {
		var servers []string
		for _, s := range camp.Servers {
			servers = append(servers, fmt.Sprintf("%s (%s)", term.Printable(s.Name), reloads(s)))
		}
		text := strings.Join(servers, ", ")
		switch {
		case k.FileHash == "":
			text = term.Printable(camp.Hash) + " on " + text
		case camp.Hash == k.FileHash:
			text = term.Printable(k.File) + " on " + text
		default:
			text = "another file than " + term.Printable(k.File) + " on " + text
		}
		all = append(all, text)
	}
	return "in force are: " + strings.Join(all, "; ")
}
