package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/vaultfacts"
)

func vaultRules() []check.Rule[Facts] {
	return []check.Rule[Facts]{
		{ID: "KD-401", Title: "Vault's addresses", Why: "an address that does not work is no fallback when the others fail", Run: checkAddresses},
		{ID: "KD-402", Title: "Vault's certificates", Why: "once one has expired the plugin cannot reach Vault, and its lease runs out", Run: checkVaultCertificates},
		{ID: "KD-403", Title: "clocks", Why: "this node's clock decides whether certificates and tokens are valid (the switch to a new key version follows Vault's clock)", Run: checkClocks},
		{ID: "KD-404", Title: "Vault does not depend on this cluster", Why: "after a stop of the whole cluster, the API server waits for Vault, and Vault for the API server", Run: checkCircle},
		{ID: "KD-405", Title: "login", Why: "without a login the plugin cannot start, and a running one stops serving when its lease ends", Run: checkLogin},
	}
}

func checkAddresses(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		serves := 0
		for _, a := range v.Addresses {
			found := checkAddress(v.Section+" "+a.URL, a)
			if found.Status == check.Pass {
				serves++
			}
			all = append(all, found)
		}
		// With a node that serves, one that does not is a loss of redundancy.
		if serves > 0 {
			for i := range all {
				if all[i].Status == check.Fail && strings.HasPrefix(all[i].Target, v.Section+" ") {
					all[i].Status = check.Warn
				}
			}
		}
	}
	return all
}

func checkAddress(subject string, a vaultfacts.Address) check.Result {
	switch {
	case a.ResolveErr != "":
		return check.Failed(subject, "the name is not resolved: "+a.ResolveErr, "correct the name or DNS, or add it to /etc/hosts: the name must resolve while the cluster is down")
	case a.ConnectErr != "":
		return check.Failed(subject, "no connection: "+a.ConnectErr, "check Vault, the route and the firewall")
	case a.TLSErr != "":
		return check.Failed(subject, "no trusted TLS: "+a.TLSErr, "check ca-file, server-name and Vault's certificate")
	case a.HealthErr != "":
		return check.Failed(subject, "the answer is not Vault's: "+a.HealthErr, "find out which program listens there")
	case !a.Initialised:
		return check.Failed(subject, "Vault is not initialised", "check that this is the right Vault")
	case a.Sealed:
		return check.Failed(subject, "Vault is sealed", "unseal Vault before the plugin's lease ends")
	}
	role := "active"
	if a.Standby {
		role = "standby, which forwards requests"
	}
	over := a.TLSVersion
	if a.Plain {
		over = "plain http on loopback"
	}
	return check.Passed(subject, fmt.Sprintf("Vault %s, %s, unsealed, over %s", a.Version, role, over))
}

func checkVaultCertificates(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		for _, a := range v.Addresses {
			for _, c := range a.Chain {
				all = append(all, checkCertificate(v.Section+" "+a.URL+" "+c.Subject, c, f.Now))
			}
		}
	}
	return all
}

// maxSkew is a difference of clocks that nothing depends on.
const maxSkew = time.Minute

func checkClocks(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		for _, a := range v.Addresses {
			if !a.ClockKnown {
				continue // KD-401 says why
			}
			subject := v.Section + " " + a.URL
			ahead := a.Ahead.Round(time.Second)
			if ahead.Abs() > maxSkew {
				all = append(all, check.Warned(subject, fmt.Sprintf("Vault's clock is %v ahead of this node's (negative: behind)", ahead), "check NTP on both"))
			} else {
				all = append(all, check.Passed(subject, fmt.Sprintf("less than %v apart", maxSkew)))
			}
		}
	}
	return all
}

// kubernetesRemedy is for a login that depends on an API server.
const kubernetesRemedy = "if that is this cluster's, no login works while it is down: use another auth method (jwt with Vault's own copy of the public keys, cert, approle)"

func checkCircle(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		bad := false
		for _, a := range v.Addresses {
			if name := clusterName(a.Host, a.Canonical); name != "" {
				bad = true
				all = append(all, check.Failed(v.Section+" "+a.URL, name+" is the name of a Service in a cluster", "run Vault elsewhere, or under an address that works while this cluster is down"))
			}
		}
		switch {
		case v.Login.Method == "kubernetes" && v.Login.Reviewer != "":
			bad = true
			all = append(all, check.Warned(v.Section+".auth", "Vault asks the API server at "+v.Login.Reviewer+" to review each login's token", kubernetesRemedy))
		case v.Login.Method == "kubernetes":
			bad = true
			all = append(all, check.Warned(v.Section+".auth", "Vault asks an API server to review each login's token; its address could not be read", kubernetesRemedy))
		case clusterIssuer(v.Login.Issuer):
			bad = true
			all = append(all, check.Warned(v.Section+".auth", "the JWT was issued by a cluster ("+v.Login.Issuer+")",
				"if it is this cluster, no new JWT is issued while it is down, and Vault must have a copy of its public keys (jwt_validation_pubkeys) instead of fetching them"))
		}
		if !bad {
			all = append(all, check.Passed(v.Section, "no address is the name of a Service ("+strings.Join(hosts(v), ", ")+"), and the login needs no API server; not checked: whether a load balancer, a node port or a Service's address of this cluster leads to Vault"))
		}
	}
	return all
}

// hosts returns the names of Vault's addresses and what they resolve to.
func hosts(v vaultfacts.Vault) (all []string) {
	for _, a := range v.Addresses {
		text := a.Host
		if others := slices.DeleteFunc(slices.Clone(a.IPs), func(ip string) bool { return ip == a.Host }); len(others) > 0 {
			text += " at " + strings.Join(others, ", ")
		}
		all = append(all, text)
	}
	return all
}

// clusterName returns the name that only a cluster's own DNS knows, or "".
func clusterName(names ...string) string {
	for _, name := range names {
		labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
		n := len(labels)
		if n >= 3 && labels[2] == "svc" || n >= 2 && labels[n-2] == "cluster" && labels[n-1] == "local" {
			return name
		}
	}
	return ""
}

func clusterIssuer(issuer string) bool {
	return strings.Contains(issuer, "kubernetes.default.svc")
}

func checkLogin(f Facts) (all []check.Result) {
	for _, v := range f.Vaults {
		subject := v.Section + ".auth"
		switch {
		case v.Login.Skipped != "":
			all = append(all, check.Unevaluated(subject, v.Login.Skipped, "see sealproof_vault_state or kmsplugin status"))
		case v.Login.Err != "":
			do := "check the role, its bound addresses, and the credential file"
			if v.Login.Method == "approle" {
				do += "; after five refusals within 15 minutes, Vault may have locked the role out"

			}
			all = append(all, check.Failed(subject, v.Login.Err, do))
		default:
			all = append(all, check.Passed(subject, "logged in with "+v.Login.Method))
		}
	}
	return all
}
