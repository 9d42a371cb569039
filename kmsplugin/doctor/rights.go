package doctor

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/vaultfacts"
)

func rightsRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-501", Title: "what the plugin needs is allowed", Why: "the plugin's request fails", Run: checkNeeded},
		{ID: "KD-502", Title: "nothing more is allowed", Why: "an attacker with the plugin's credentials can do this as well", Run: checkTooMuch},
		{ID: "KD-503", Title: "the plugin's own requests", Why: "the plugin cannot do its work", Run: checkTrials},
		{ID: "KD-504", Title: "audit device", Why: "no record shows afterwards who used the key", Run: checkAudit},
		{ID: "KD-505", Title: "a refused key is recognised", Why: "the plugin takes a refused key for a refused login: if its rights are taken away, it serves until the lease ends", Run: checkSelfLookup},
	}
}

// section and keyOf name what a check is about: one section of the configuration,
// or the key that it names.
func section(v vaultfacts.Vault) string { return v.Section }
func keyOf(v vaultfacts.Vault) string   { return v.Section + " " + v.KeyPath }

// eachLogin runs a check for every section that could log in.
func eachLogin(f Facts, name func(vaultfacts.Vault) string, run func(subject string, v vaultfacts.Vault) []check.Result) (all []check.Result) {
	for _, v := range f.Vaults {
		if v.Login.Skipped != "" || v.Login.Err != "" {
			all = append(all, check.Unevaluated(name(v), "the login failed or was not tried", "see KD-405"))
			continue
		}
		all = append(all, run(name(v), v)...)
	}
	return all
}

// eachToken runs a check for every token whose capabilities are known.
func eachToken(f Facts, run func(v vaultfacts.Vault) []check.Result) []check.Result {
	return eachLogin(f, section, func(_ string, v vaultfacts.Vault) []check.Result {
		if v.CapabilitiesErr == "" {
			return run(v)
		}
		found := check.Unevaluated(v.Section, "Vault does not list the token's capabilities: "+v.CapabilitiesErr, "nothing: with only the plugin's policy, a token may not read its own capabilities (sys/capabilities-self). KD-503 shows whether the policy suffices")
		found.Expected = true
		return []check.Result{found}
	})
}

func isRoot(have []string) bool { return slices.Contains(have, "root") }

func checkNeeded(f Facts) []check.Result {
	return eachToken(f, func(v vaultfacts.Vault) (all []check.Result) {
		for _, c := range v.Needed {
			subject := v.Section + " " + c.Path
			missing := slices.DeleteFunc(slices.Clone(c.Want), func(w string) bool { return slices.Contains(c.Have, w) })
			if len(missing) > 0 && !isRoot(c.Have) {
				all = append(all, check.Failed(subject, strings.Join(missing, ", ")+" is missing", "write the policy that kmsplugin policy prints"))
			} else {
				all = append(all, check.Passed(subject, strings.Join(c.Want, ", ")))
			}
		}
		return all
	})
}

func checkTooMuch(f Facts) []check.Result {
	return eachToken(f, func(v vaultfacts.Vault) (all []check.Result) {
		if slices.ContainsFunc(v.Needed, func(c vaultfacts.Capability) bool { return isRoot(c.Have) }) {
			return []check.Result{check.Failed(v.Section, "the token is a root token: it may do everything", "log in with a role that has only the policy that kmsplugin policy prints, and revoke this token")}
		}
		for _, c := range v.Needed {
			all = appendExtra(all, v.Section, c, "")
		}
		for _, c := range v.TooMuch {
			all = appendExtra(all, v.Section, c, c.Meaning)
		}
		if len(all) == 0 {
			all = append(all, check.Passed(v.Section, "no further right on the paths that were tried"))
		}
		return all
	})
}

func appendExtra(all []check.Result, section string, c vaultfacts.Capability, meaning string) []check.Result {
	extra := slices.DeleteFunc(slices.Clone(c.Have), func(h string) bool { return h == "deny" || slices.Contains(c.Want, h) })
	if len(extra) == 0 {
		return all
	}
	if meaning == "" && slices.Contains(extra, "create") && strings.Contains(c.Path, "/encrypt/") {
		meaning = "Vault would silently create a deleted key again"
	}
	found := strings.Join(extra, ", ") + " is allowed"
	if meaning != "" {
		found += ": " + meaning
	}
	return append(all, check.Failed(section+" "+c.Path, found, "write the policy that kmsplugin policy prints, and give the role no other"))
}

func checkTrials(f Facts) []check.Result {
	return eachLogin(f, section, func(_ string, v vaultfacts.Vault) (all []check.Result) {
		for _, t := range v.Trials {
			if t.Err != "" {
				all = append(all, check.Failed(v.Section+" "+t.What, t.Err, "check the policy and the key"))
			} else {
				all = append(all, check.Passed(v.Section+" "+t.What, "works"))
			}
		}
		return all
	})
}

func checkSelfLookup(f Facts) []check.Result {
	return eachLogin(f, section, func(subject string, v vaultfacts.Vault) []check.Result {
		if v.Login.SelfLookupErr != "" {
			return []check.Result{check.Failed(subject, "the token may not look itself up: "+v.Login.SelfLookupErr, "write the policy that kmsplugin policy prints: it grants read on auth/token/lookup-self")}
		}
		return []check.Result{check.Passed(subject, "the token may look itself up")}
	})
}

func checkAudit(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		switch {
		case v.Audit.Err != "":
			found := check.Unevaluated(v.Section, v.Audit.Err, "name a token that may read sys/audit with --admin-token-file, or ask Vault's admin")
			found.Expected = true
			all = append(all, found)
		case len(v.Audit.Devices) == 0:
			all = append(all, check.Failed(v.Section, "Vault has no audit device", "enable one (vault audit enable file file_path=...), better two: with a single one that fails, Vault stops serving"))
		default:
			all = append(all, check.Passed(v.Section, "audit devices: "+strings.Join(v.Audit.Devices, ", ")))
		}
	}
	return all
}
