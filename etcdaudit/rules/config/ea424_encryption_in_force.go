package config

import (
	"fmt"
	"time"

	"github.com/sealproof/sealproof/internal/check"
)

func encryptionInForce() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-424", Title: "The EncryptionConfiguration on disk is the one in force", Severity: check.High,
		Why:   "a file that the API server refused when it read it again leaves the old one in force: it may write plaintext while the file on disk promises encryption",
		Reads: "the SHA-256 of the file, beside the one in the API server's metrics (apiserver_encryption_config_controller_last_config_info); else the times of file and process",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeEncryptionInForce),
	}
}

func judgeEncryptionInForce(s apiServer) check.Result {
	evidence := s.given("encryption-provider-config", "encryption-provider-config-automatic-reload")
	e := s.Encryption
	if e == nil {
		return check.Inapplicable("there is no EncryptionConfiguration (EA-423)")
	}
	evidence = append(evidence, check.Evidence{Source: e.Path, Seen: fmt.Sprintf("%s, changed %s", e.Hash, e.File.Written().UTC().Format(time.RFC3339))})
	if e.InForce != "" {
		evidence = append(evidence, check.Evidence{Source: s.Name + ", /metrics", Seen: fmt.Sprintf("in force: %s; %d failed reloads", e.InForce, e.Failures)})
	}
	const metrics = "give the API server's metrics: --kubeconfig FILE, or --apiserver-metrics FILE with the answer of kubectl get --raw /metrics"
	switch {
	case e.InForce != "" && e.Hash == "":
		return with(check.Unevaluated("", "the file could not be read: "+e.Err, "run etcdaudit as root"), evidence)
	case e.InForce != "" && e.InForce != e.Hash:
		why := ""
		if e.Failures > 0 {
			why = fmt.Sprintf("; %d reloads were refused", e.Failures)
		}
		if e.Err != "" {
			why += "; the file is refused: " + e.Err
		}
		return with(check.Failed("", "in force is another EncryptionConfiguration than "+e.Path+why, "correct the file as the API server's log says, or restart the API server, one at a time, if it does not reload by itself"), evidence)
	case e.InForce != "":
		return with(check.Passed("", e.Path+" is in force, by its hash in the API server's metrics"), evidence)
	case s.host.Live && !s.Config.EncryptionReload && s.Process != nil && !s.Process.Started.IsZero() && e.File.WrittenAfter(s.Process.Started):
		return with(check.Warned("", e.Path+" was changed after the API server started, which does not reload it by itself: in force is what was there before", "restart the API servers, one at a time"), evidence)
	}
	why := e.NoMetrics
	if !s.host.Live {
		why = "only files were read, and nothing says that they are in force"
	}
	r := check.Unevaluated("", why, metrics)
	r.Expected = true
	return with(r, evidence)
}
