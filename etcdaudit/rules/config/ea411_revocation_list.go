package config

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func revocationList() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-411", Title: "etcd can read its revocation list, and the list is current", Severity: check.High,
		Why:   "etcd reads the list at each connection: one that it cannot read refuses every client; one that is overdue may lack what was revoked since, and etcd does not look at its dates",
		Reads: "the files of client-crl-file and peer-crl-file: encoding, entries, next update. etcd 3.5 reads PEM and DER, later releases DER only",
		Needs: []check.Need[etcd]{understood, starts}, Run: judgeCRLs,
	}
}

func judgeCRLs(e etcd) (results []check.Result) {
	for _, s := range []struct{ flag, path string }{{"client-crl-file", e.Config.Client.CRL}, {"peer-crl-file", e.Config.Peer.CRL}} {
		if s.path == "" {
			continue
		}
		r := e.judgeCRL(s.path, e.Files[s.path])
		r.Target, r.Identity = s.path, []string{s.flag}
		f := e.Files[s.path]
		r = with(r, append(e.set(s.flag), check.Evidence{Source: s.path, Seen: fmt.Sprintf("%q, %d entries, next update %s", f.CRL, f.Revoked, f.NextUpdate.UTC().Format("2006-01-02"))}))
		results = append(results, r)
	}
	if results == nil {
		return []check.Result{check.Inapplicable("no revocation list is in force")}
	}
	return results
}

func (e etcd) judgeCRL(path string, f facts.File) check.Result {
	der := fmt.Sprintf("openssl crl -in %s -outform DER -out %s.der, and move that into its place in one step", path, path)
	switch {
	case f.Err != "":
		return check.Unevaluated("", "it could not be read: "+f.Err, "run etcdaudit as root")
	case !f.Exists:
		return check.Failed("", "the file does not exist: every client with a certificate is refused", "put the list of the CA there")
	case f.CRL == "":
		return check.Failed("", "it is no revocation list: every client with a certificate is refused; "+f.ContentErr, "put the list of the CA there")
	case f.CRL == "PEM" && e.derOnly():
		return check.Failed("", fmt.Sprintf("it is PEM, and etcd %s reads DER only: every client with a certificate is refused", e.Config.Release), der)
	case !f.NextUpdate.IsZero() && f.NextUpdate.Before(e.host.Now):
		return check.Warned("", "overdue since "+f.NextUpdate.UTC().Format("2006-01-02")+": what was revoked since is not in it", "publish the CA's current list there; etcd reads it at the next connection")
	}
	return check.Passed("", fmt.Sprintf("%s, which etcd %s reads, with %d entries", f.CRL, e.Config.Release, f.Revoked))
}

// derOnly reports whether the release reads DER only (client/pkg/transport/listener_tls.go:
// x509.ParseCRL until 3.5, x509.ParseRevocationList since).
func (e etcd) derOnly() bool {
	r := e.Config.Release
	return r == etcdconfig.Release{} || r.Major > 3 || r.Minor > 5
}
