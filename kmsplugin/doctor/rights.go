package doctor

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/check"
)

func rightsRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-501", Title: "what the plugin needs is allowed", Why: "the plugin's request fails", Run: checkNeeded},
		{ID: "KD-502", Title: "nothing more is allowed", Why: "whoever gets at the plugin's credentials can do this as well", Run: checkTooMuch},
		{ID: "KD-503", Title: "the plugin's own requests", Why: "the plugin cannot do its work", Run: checkTrials},
		{ID: "KD-504", Title: "audit device", Why: "nobody can tell afterwards who used the key", Run: checkAudit},
		{ID: "KD-505", Title: "a refused key is recognised", Why: "to the plugin a refusal of the key looks like a login that is refused: if its rights are taken away, it serves on until the lease ends", Run: checkSelfLookup},
	}
}

// unasked says why Vault was not asked what the token may do.
func unasked(v Vault) (check.Result, bool) {
	switch {
	case v.Login.Skipped != "" || v.Login.Err != "":
		return check.Unevaluated(v.Section, "nobody is logged in", "see KD-405"), true
	case v.CapabilitiesErr != "":
		found := check.Unevaluated(v.Section, "Vault does not tell: "+v.CapabilitiesErr, "nothing: with no policy but the plugin's own, a token may not ask what it may do (sys/capabilities-self). KD-503 shows whether it suffices")
		found.Expected = true
		return found, true
	}
	return check.Result{}, false
}

func isRoot(have []string) bool { return slices.Contains(have, "root") }

func checkNeeded(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		if found, ok := unasked(v); ok {
			all = append(all, found)
			continue
		}
		for _, c := range v.Needed {
			subject := v.Section + " " + c.Path
			missing := slices.DeleteFunc(slices.Clone(c.Want), func(w string) bool { return slices.Contains(c.Have, w) })
			if len(missing) > 0 && !isRoot(c.Have) {
				all = append(all, check.Failed(subject, strings.Join(missing, ", ")+" is missing", "write the policy that kmsplugin policy prints"))
			} else {
				all = append(all, check.Passed(subject, strings.Join(c.Want, ", ")))
			}
		}
	}
	return all
}

func checkTooMuch(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		if found, ok := unasked(v); ok {
			all = append(all, found)
			continue
		}
		if slices.ContainsFunc(v.Needed, func(c Capability) bool { return isRoot(c.Have) }) {
			all = append(all, check.Failed(v.Section, "the token is a root token: it may do everything", "log in with a role that has only the policy that kmsplugin policy prints, and revoke this token"))
			continue
		}
		before := len(all)
		for _, c := range v.Needed {
			all = appendExtra(all, v.Section, c, "")
		}
		for _, c := range v.TooMuch {
			all = appendExtra(all, v.Section, c, c.Meaning)
		}
		if len(all) == before {
			all = append(all, check.Passed(v.Section, "no right beyond those on the paths that were tried"))
		}
	}
	return all
}

func appendExtra(all []check.Result, section string, c Capability, meaning string) []check.Result {
	extra := slices.DeleteFunc(slices.Clone(c.Have), func(h string) bool { return h == "deny" || slices.Contains(c.Want, h) })
	if len(extra) == 0 {
		return all
	}
	if meaning == "" && slices.Contains(extra, "create") && strings.Contains(c.Path, "/encrypt/") {
		meaning = "a key that was deleted would be made anew silently"
	}
	found := strings.Join(extra, ", ") + " is allowed"
	if meaning != "" {
		found += ": " + meaning
	}
	return append(all, check.Failed(section+" "+c.Path, found, "write the policy that kmsplugin policy prints, and give the role no other"))
}

func checkTrials(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		if v.Login.Skipped != "" || v.Login.Err != "" {
			all = append(all, check.Unevaluated(v.Section, "nobody is logged in", "see KD-405"))
			continue
		}
		for _, t := range v.Trials {
			if t.Err != "" {
				all = append(all, check.Failed(v.Section+" "+t.What, t.Err, "look at the policy and at the key"))
			} else {
				all = append(all, check.Passed(v.Section+" "+t.What, "works"))
			}
		}
	}
	return all
}

func checkSelfLookup(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		switch {
		case v.Login.Skipped != "" || v.Login.Err != "":
			all = append(all, check.Unevaluated(v.Section, "nobody is logged in", "see KD-405"))
		case v.Login.SelfLookupErr != "":
			all = append(all, check.Failed(v.Section, "the token may not look itself up: "+v.Login.SelfLookupErr, "write the policy that kmsplugin policy prints: it grants read on auth/token/lookup-self"))
		default:
			all = append(all, check.Passed(v.Section, "the token may look itself up"))
		}
	}
	return all
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
