package data

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/internal/check"
)

// sensitive is a resource besides Secrets that holds what a reader of etcd could use.
type sensitive struct {
	resource string // as an EncryptionConfiguration names it
	holds    string
	source   string // where that is documented
}

const (
	ofOpenShift = "https://docs.openshift.com/container-platform/4.11/security/encrypting-etcd.html"
	ofDex       = "https://dexidp.io/docs/configuration/storage/"
)

// credentials are resources whose objects are or hold credentials. What refers to Secrets, as
// the resources of most operators do, is not among them, nor is what its operator encrypts
// itself (SealedSecrets, SopsSecrets). A whole Secret in any object is EA-107's.
func credentials() []sensitive {
	return []sensitive{
		{"oauthaccesstokens.oauth.openshift.io", "access tokens, or their hashes", ofOpenShift},
		{"oauthauthorizetokens.oauth.openshift.io", "authorize tokens, or their hashes", ofOpenShift},
		{"routes.route.openshift.io", "private keys of TLS (spec.tls.key)", ofOpenShift},
		{"tokens.management.cattle.io", "tokens of Rancher's API, unless token hashing is on", "https://ranchermanager.docs.rancher.com/api/api-tokens"},
		{"signingkeies.dex.coreos.com", "Dex's private signing keys", ofDex},
		{"refreshtokens.dex.coreos.com", "refresh tokens of Dex", ofDex},
		{"authcodes.dex.coreos.com", "authorization codes of Dex, and tokens of the provider behind it", ofDex},
		{"offlinesessionses.dex.coreos.com", "tokens of the provider behind Dex", ofDex},
		{"oauth2clients.dex.coreos.com", "secrets of Dex's clients", ofDex},
		{"connectors.dex.coreos.com", "credentials of the provider behind Dex", ofDex},
		{"devicetokens.dex.coreos.com", "tokens of devices", ofDex},
		{"passwords.dex.coreos.com", "hashes of passwords", ofDex},
		{"kubeadmconfigs.bootstrap.cluster.x-k8s.io", "bootstrap tokens of nodes that join", "https://github.com/kubernetes-sigs/cluster-api, bootstrap/kubeadm/internal/controllers"},
	}
}

// mayHold are resources that hold something of use to a reader of etcd in some ways of using
// them, or for a short time.
func mayHold() []sensitive {
	return []sensitive{
		{"certificatesigningrequests.certificates.k8s.io", "who asked for which certificate, and a challenge password where the request has one; no private key", "https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/"},
		{"oauthclients.oauth.openshift.io", "secrets of OAuth clients, which OpenShift's own encryption leaves out", "https://github.com/openshift/api, oauth/v1/types.go"},
		{"clusterregistrationtokens.management.cattle.io", "tokens that register clusters with Rancher (older releases)", "https://github.com/rancher/rancher, pkg/apis/management.cattle.io/v3"},
		{"challenges.acme.cert-manager.io", "answers to ACME challenges, until they are made", "https://cert-manager.io/docs/reference/api-docs/"},
		{"receivers.notification.toolkit.fluxcd.io", "the path of the webhook, which is all that protects a receiver of type generic", "https://fluxcd.io/flux/components/notification/receivers/"},
		{"secretstores.external-secrets.io", "values of the fake provider", "https://external-secrets.io/latest/provider/fake/"},
		{"clustersecretstores.external-secrets.io", "values of the fake provider", "https://external-secrets.io/latest/provider/fake/"},
		{"fakes.generators.external-secrets.io", "values of the fake generator", "https://external-secrets.io/latest/api/generator/fake/"},
		{"virtualmachines.kubevirt.io", "passwords in cloud-init's userData, where it is inline", "https://kubevirt.io/user-guide/user_workloads/startup_scripts/"},
		{"virtualmachineinstances.kubevirt.io", "passwords in cloud-init's userData, where it is inline", "https://kubevirt.io/user-guide/user_workloads/startup_scripts/"},
	}
}

// unlisted is the Run of the rules about sensitive resources that are stored as plaintext. What
// the configuration encrypts is EA-111's, and what is another API server's is listed as such.
func unlisted(of []sensitive) func(facts.Store) []check.Result {
	known := map[string]sensitive{}
	for _, s := range of {
		known[s.resource] = s
	}
	todo := step{text: "name these resources in the EncryptionConfiguration of the API server that stores them (custom resources: from Kubernetes 1.26 on), and rewrite their objects", rewrites: true}
	return one(func(s facts.Store) check.Result {
		var evidence []check.Evidence
		there := 0
		for _, r := range s.Inventory.Resources() {
			if known[r.String()].resource != "" && !r.Foreign {
				there++
			}
		}
		f := find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
			return "", known[r.String()].resource != "" && !r.Foreign && c.Format.Plaintext() && !(r.Ruled && r.Rule.Encrypts())
		})
		for _, r := range f.resources {
			about := known[r.String()]
			evidence = append(evidence, check.Evidence{Source: about.source, Seen: about.resource + ": " + about.holds})
		}
		switch {
		case f.values > 0:
			result := f.finding(s, check.Warn, fmt.Sprintf("%s in plaintext%s: %s", values(f.values), why(s, f.resources), strings.Join(f.per, ", ")), todo)
			result.Evidence = evidence
			return result
		case there == 0:
			return check.Passed("", fmt.Sprintf("none of the %s in question is stored", number(int64(len(of)), "resource")))
		}
		return check.Passed("", fmt.Sprintf("what is stored of %s in question is encrypted, or is to be (EA-111)", number(int64(there), "resource")))
	})
}

// why says what the configuration has to do with it.
func why(s facts.Store, resources []*inventory.Resource) string {
	switch {
	case s.Inventory.Config == nil:
		return ""
	case slices.ContainsFunc(resources, func(r *inventory.Resource) bool { return !r.Ruled }):
		return ", which the configuration is not known to encrypt"
	}
	return ", which the configuration does not encrypt"
}
