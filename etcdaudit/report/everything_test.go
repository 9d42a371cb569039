package report_test

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Statuses and severities, in short.
const (
	pass     = auditv1.Status_STATUS_PASS
	fail     = auditv1.Status_STATUS_FAIL
	warn     = auditv1.Status_STATUS_WARN
	failed   = auditv1.Status_STATUS_ERROR
	accepted = auditv1.Status_STATUS_ACCEPTED
	no       = auditv1.Status_STATUS_NOT_APPLICABLE
	open     = auditv1.Status_STATUS_NOT_EVALUATED

	low      = auditv1.Severity_SEVERITY_LOW
	medium   = auditv1.Severity_SEVERITY_MEDIUM
	high     = auditv1.Severity_SEVERITY_HIGH
	critical = auditv1.Severity_SEVERITY_CRITICAL
)

// at is some days after the report was made.
func at(days int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).AddDate(0, 0, days))
}

// between is a time between two days.
func between(low, high int, lowSource, highSource string) *auditv1.Bounds {
	return &auditv1.Bounds{NotBefore: at(low), NotAfter: at(high), NotBeforeSource: lowSource, NotAfterSource: highSource}
}

// everything is a report with something in every list that a writer shows.
func everything() *auditv1.Report {
	const (
		server  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
		ca      = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
		old     = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
		client  = "https://192.0.2.1:2379"
		metrics = "http://192.0.2.1:2381"
	)
	manifest := "/etc/kubernetes/manifests/etcd.yaml"
	return &auditv1.Report{
		Tool: &auditv1.Tool{Name: "etcdaudit", Version: "v0.0.0", Commit: "0000000"},
		Scopes: []*auditv1.Scope{
			{
				Id: "live:cdf8:/registry/", Text: "live values at revision 4711 of etcd cluster cdf8 (" + client + "), keys under /registry/", Layer: "live", LayerName: "live values",
				Sources: []*auditv1.Source{{Name: client}}, Revision: 4711, Time: at(0), ClusterId: "cdf8", Store: "cdf8", Prefix: "/registry/", KeysCounted: 1207, KeysRead: 1207, ValueBytes: 4 << 20,
				EncryptionConfigFiles: []string{"/etc/kubernetes/enc/config.yaml"},
				Resources: []*auditv1.Resource{
					{Resource: "configmaps", Values: 200, Plaintext: 200, Groups: []*auditv1.Group{{Values: 200, Protection: auditv1.Protection_PROTECTION_PLAINTEXT, Format: "protobuf"}}},
					{Resource: "secrets", Values: 7, Plaintext: 3, Encrypted: 4, Ruled: true, Entry: "secrets", Providers: []string{"kms v2 sealproof", "identity"}, Groups: []*auditv1.Group{
						{Values: 3, Protection: auditv1.Protection_PROTECTION_PLAINTEXT, Format: "protobuf", Drift: "plaintext though configured", OldestRevision: 12, NewestRevision: 90, OldestWritten: between(-30, -29, "revision clock", "creationTimestamp")},
						{Values: 3, Protection: auditv1.Protection_PROTECTION_ENCRYPTED, Format: "kms v2", Name: "sealproof", KeyId: "v2.ffee", Envelope: "sealproof local", Cluster: "prod", AsConfigured: true, OldestRevision: 95, NewestRevision: 4700},
						{Values: 1, Protection: auditv1.Protection_PROTECTION_ENCRYPTED, Format: "aescbc", Name: "key1", Stale: true},
					}},
				},
			},
			{Id: "wire", Text: "TLS and access: 1 client, 0 peer, 1 metrics addresses of etcd, 3 connections", Layer: "wire", LayerName: "TLS and access", Time: at(0), Sources: []*auditv1.Source{{Name: client}, {Name: metrics}}},
			{Id: "host:node-1", Text: "host node-1: kubeadm", Layer: "host", LayerName: "host", Time: at(0), Node: "node-1", Sources: []*auditv1.Source{{Name: manifest}}},
			{
				Id: "free-pages:cdf8:/var/lib/etcd/member/snap/db:/registry/", Text: "free pages of the database file at revision 4711 of etcd cluster cdf8 (/var/lib/etcd/member/snap/db), keys under /registry/",
				Layer: "free-pages", LayerName: "free pages of the database file", Sources: []*auditv1.Source{{Name: "/var/lib/etcd/member/snap/db", Hash: "sha256:4444", Bytes: 1 << 20}},
				Revision: 4711, Time: at(0), ClusterId: "cdf8", Member: "8e9e", Store: "cdf8", Prefix: "/registry/", KeysRead: 12, ValueBytes: 64 << 10, Fragments: 2, FragmentBytes: 8 << 10,
				Resources: []*auditv1.Resource{{Resource: "secrets", Values: 12, Plaintext: 12, Groups: []*auditv1.Group{{Values: 12, Protection: auditv1.Protection_PROTECTION_PLAINTEXT, Format: "protobuf"}}}},
			},
		},
		Runbook: []*auditv1.Step{
			{Store: "cdf8", Title: "Defragment every member, one after the other", Why: "12 plaintext copies are in free pages", Cost: "a member answers nothing meanwhile", Commands: []string{"etcdctl defrag --endpoints=https://192.0.2.1:2379", "# then <look> & see"}},
			{Store: "cdf8", Title: "Change the credentials", Why: "what was readable may have been read", Cost: "the objects are named above"},
		},
		Verdict:  &auditv1.Verdict{Status: fail, Text: "finding at or above medium: EA-101, EA-121, EA-302; below it: EA-305", FailOn: medium},
		Coverage: &auditv1.Coverage{Evaluated: 8, NotEvaluated: 2, Optional: 1},
		Checks: []*auditv1.Check{
			{Id: "EA-101", Title: "Secrets are not stored as plaintext", Severity: high, Status: fail, Summary: "3 of 7 Secrets can be read", Why: "each reader of etcd has these credentials", Reads: "every value of Secrets", Results: []*auditv1.Result{{
				Target: "live:cdf8:/registry/", Status: fail, Summary: "3 of 7 Secrets can be read", Remediation: "rewrite them, see EA-111", Count: 3, Fingerprint: "0123456789abcdef0123456789abcdef",
				Evidence: []*auditv1.Evidence{{Source: client + " at revision 4711", Seen: "1207 keys"}},
				Objects: []*auditv1.Object{
					{Resource: "secrets", Namespace: "default", Name: "db-password", Fingerprint: "a1"}, {Resource: "secrets", Namespace: "default", Name: "tls"}, {Resource: "secrets", Namespace: "prod", Name: "token", Detail: "of a service account"},
				},
			}}},
			{Id: "EA-302", Title: "Client addresses demand a client certificate", Severity: critical, Status: fail, Summary: "answered without a certificate", Why: "each caller reads everything", Results: []*auditv1.Result{
				{Target: client, Status: fail, Summary: "answered without a certificate", Remediation: "start etcd with --client-cert-auth=true", Fingerprint: "b2", Identity: []string{"client", client}, Node: "node-1", Evidence: []*auditv1.Evidence{{Source: client + " from 192.0.2.9:40000", Seen: "Range as \"none\": answered"}}},
				{Target: metrics, Status: no, Reason: "it is no client address"},
			}},
			{Id: "EA-304", Title: "Only certificates that are meant for etcd are accepted", Severity: high, Status: open, Summary: "none was given", Results: []*auditv1.Result{{Target: client, Status: open, Reason: "none was given", Remediation: "give those that are at hand: --probe-cert", Optional: true}}},
			{Id: "EA-305", Title: "An accepted certificate is not full access", Severity: low, Status: warn, Summary: "it reads everything", Results: []*auditv1.Result{{Target: client, Status: warn, Summary: "it reads everything", Remediation: "keep the holders few"}}},
			{Id: "EA-317", Title: "Peers trust another CA than clients", Severity: low, Status: accepted, Summary: "one CA signs for both", Results: []*auditv1.Result{{Target: "etcd-node-1", Status: accepted, Summary: "one CA signs for both", Fingerprint: "c3", Node: "node-1"}}},
			{Id: "EA-403", Title: "etcd listens for clients over https only", Severity: critical, Status: pass, Summary: "https only", Results: []*auditv1.Result{{Target: "etcd-node-1", Status: pass, Summary: "https only", Evidence: []*auditv1.Evidence{{Source: manifest, Seen: "--listen-client-urls"}}}}},
			{Id: "EA-411", Title: "etcd can read its revocation list, and the list is current", Severity: high, Status: failed, Summary: "the check went wrong", Results: []*auditv1.Result{{Target: "etcd-node-1", Status: failed, Reason: "the check went wrong"}}},
			{Id: "EA-430", Title: "Only root and the KMS plugin can write to its socket", Severity: high, Status: no, Summary: "no KMS provider", Results: []*auditv1.Result{{Status: no, Reason: "no KMS provider"}}},
			{Id: "EA-501", Title: "etcd's data directory belongs to etcd, and is closed to others", Severity: high, Status: fail, Summary: "drwxr-xr-x", Results: []*auditv1.Result{{Target: "etcd-node-1: /var/lib/etcd", Status: fail, Summary: "drwxr-xr-x", Remediation: "chmod 0700 /var/lib/etcd", Fingerprint: "d4", Node: "node-1"}}},
			{Id: "EA-121", Title: "No plaintext Secret is left behind live values", Severity: high, Status: fail, Summary: "12 plaintext copies of Secrets can be read there", Why: "each reader of these bytes has the credentials", Results: []*auditv1.Result{{
				Target: "free-pages:cdf8:/var/lib/etcd/member/snap/db:/registry/", Status: fail, Summary: "12 plaintext copies of Secrets can be read there", Remediation: "defragmentation of every member", Count: 12, ObjectsOmitted: 11,
				Objects: []*auditv1.Object{{Resource: "secrets", Namespace: "default", Name: "db-password", Revision: 99, Origin: &auditv1.Origin{Layer: "free-pages", File: "/var/lib/etcd/member/snap/db", Offset: 81920}}},
			}}},
		},
		NotEvaluated: []*auditv1.Layer{
			{Id: "history", Name: "history (older revisions)", Status: open, Reason: "etcd keeps overwritten values", ClearedBy: "compaction", Store: "cdf8"},
			{Id: "not-found", Name: "the API server's metrics", Status: open, Reason: "they were not given: --kubeconfig"},
		},
		Certificates: []*auditv1.Certificate{
			{Fingerprint: server, Subject: "CN=etcd-node-1", Issuer: "CN=etcd-ca", Serial: "1a", Names: []string{"node-1"}, NotBefore: at(-345), NotAfter: at(20), PublicKey: "ECDSA P-256", SignatureAlgorithm: "ECDSA-SHA256", ServedAt: []string{client}, OnDisk: []string{"/etc/kubernetes/pki/etcd/server.crt"}, HasKey: true},
			{Fingerprint: ca, Subject: "CN=etcd-ca", Issuer: "CN=etcd-ca", Serial: "1", NotBefore: at(-345), NotAfter: at(3305), PublicKey: "RSA 2048", SignatureAlgorithm: "SHA256-RSA", TrustedIn: []string{"/etc/kubernetes/pki/etcd/ca.crt"}, Authority: true},
			{Fingerprint: old, Subject: "CN=old", Issuer: "CN=etcd-ca", Serial: "2", NotBefore: at(-700), NotAfter: at(-1), PublicKey: "RSA 1024", SignatureAlgorithm: "SHA1-RSA", OnDisk: []string{"/etc/kubernetes/pki/etcd/old.crt"}},
		},
		Listeners: []*auditv1.Listener{
			{
				Purpose: "client", Url: client, Member: "node-1", Version: "3.7.3", TlsVersions: []string{"TLS 1.2", "TLS 1.3"}, CipherSuites: []string{"TLS_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
				Groups: []string{"x25519", "X25519MLKEM768"}, Enumerated: true, Chain: []string{server},
				Connections: []*auditv1.Connection{connection("", "GET /version", "mismatch", "closed"), connection("none", "Range /registry/", "answered", "OK"), connection("own", "Range /registry/", "answered", "OK")},
			},
			{Purpose: "metrics", Url: metrics, Unreachable: "nothing listens there"},
		},
		Configurations: []*auditv1.Configuration{{
			Program: "etcd", Name: "etcd-node-1", Source: manifest, Release: "3.7", Node: "node-1",
			Settings: []*auditv1.Setting{{Name: "listen-client-urls", Value: client + ",https://127.0.0.1:2379", Origin: "--listen-client-urls"}, {Name: "log-level", Value: "info", Origin: "default of etcd 3.7"}},
			Void:     []*auditv1.Setting{{Name: "client-cert-auth", Value: "true", Origin: "ETCD_CLIENT_CERT_AUTH", Why: "a flag is set"}},
		}},
		Controls: []*auditv1.Control{
			{Catalogue: "CIS Kubernetes Benchmark", Version: "1.12", Id: "1.2.27", Title: "Secrets are encrypted where they are stored", Source: "the benchmark, page 1", Verified: true, Letter: pass, LetterText: "the flag is set", Difference: "three Secrets are older than the configuration", Checks: []*auditv1.ControlCheck{{Check: "EA-101", Relation: auditv1.Relation_RELATION_EVIDENCES, Status: fail}, {Check: "EA-423", Relation: auditv1.Relation_RELATION_PARTLY, Note: "the API server's part"}}},
			{Catalogue: "DISA Kubernetes STIG", Version: "2", Id: "V-242423", Title: "etcd knows its clients", Checks: []*auditv1.ControlCheck{{Check: "EA-302", Relation: auditv1.Relation_RELATION_NEEDS_HUMAN, Status: fail}}},
		},
		Acceptances: []*auditv1.Acceptance{
			{Check: "EA-317", Object: "etcd-node-1", Owner: "platform team", Reason: "kubeadm makes one CA", CompensatingControl: "peer port closed by a firewall", Expires: at(41), State: auditv1.AcceptanceState_ACCEPTANCE_STATE_IN_FORCE, Findings: 1},
			{Check: "EA-302", Object: client, Owner: "platform team", Reason: "a test cluster", Expires: at(-3), State: auditv1.AcceptanceState_ACCEPTANCE_STATE_EXPIRED, Findings: 1},
			{Check: "EA-310", Fingerprint: "eeee", Owner: "nobody", Reason: "old clients", Expires: at(90), State: auditv1.AcceptanceState_ACCEPTANCE_STATE_UNUSED},
		},
		PrivateKeys: []*auditv1.PrivateKey{
			{Node: "node-1", File: "/etc/kubernetes/pki/etcd/server.key", Kind: "ECDSA P-256", Hmac: "9f86d081884c7d659a2feaa0c55ad015", FingerprintKey: "0011223344556677", Certificates: []string{server}, Mode: "0600"},
			{Node: "node-1", File: "/etc/kubernetes/enc/config.yaml", Kind: "aescbc, 32 bytes", Hmac: "60303ae22b998861", FingerprintKey: "0011223344556677", Mode: "0640", Weakness: "others may read it"},
			{Node: "node-1", File: "/root/backup.key", Mode: "0600", Encrypted: true},
		},
		TimelineBasis: []*auditv1.TimelineBasis{{Store: "cdf8", Objects: 5, Omitted: 2, AllowanceSeconds: 660, DisagreementSeconds: 599}},
		Keys: []*auditv1.Key{
			{Kind: "aescbc", Name: "key1", Uses: []*auditv1.KeyUse{{Scope: "live:1", Values: 3, Needed: 3}}},
			{
				Kind: "kms v2", Name: "sealproof", KeyId: oldKey, VaultKeyVersion: 1, Envelope: "sealproof local", Cluster: "prod", LocalKek: "0011223344556677", DekSources: 2,
				Uses: []*auditv1.KeyUse{{Scope: "live:1", Values: 5, Needed: 5, DekSources: 2, MostValues: 4}, {Scope: "wal:1", Values: 9, DekSources: 2, MostValues: 6}},
			},
		},
		Timelines: []*auditv1.Timeline{
			{
				Resource: "secrets", Namespace: "default", Name: "db-password", Store: "cdf8", Values: 2, RecoverableIn: []string{"live:cdf8:/registry/", "free-pages:cdf8:/var/lib/etcd/member/snap/db:/registry/"},
				Readable: []*auditv1.Interval{
					{From: between(-90, -89, "creationTimestamp", "creationTimestamp"), Until: between(-60, -40, "managedFields", "revision clock")},
					{From: between(-10, -9, "creationTimestamp", "revision clock")},
				},
			},
			{Resource: "secrets", Namespace: "default", Name: "only-in-the-log", Store: "cdf8", Values: 1, RecoverableIn: []string{"wal:x"}, Readable: []*auditv1.Interval{{From: &auditv1.Bounds{NotAfter: at(-30), NotAfterSource: "file time"}, Until: &auditv1.Bounds{NotBefore: at(-35), NotBeforeSource: "order of the log"}}}},
			{Resource: "widgets.example.com", Name: "w", Store: "cdf8", Values: 1, Readable: []*auditv1.Interval{{From: &auditv1.Bounds{}, Until: &auditv1.Bounds{}}}},
		},
		Verification: &auditv1.Verification{
			DekSources: 3,
			Unwrappers: []*auditv1.Unwrapper{{Name: "the KMS plugin at /run/kmsplugin/sealproof.sock", Requests: 3, Opened: 2, Unanswered: 1, Node: "node-1"}, {Name: "the Vault key transit/kubernetes", Requests: 1}},
			Verified: []*auditv1.Verified{
				{Scope: "live:cdf8:/registry/", Values: 1207, Opened: 1204, Undecryptable: 2, NotEvaluated: 1, Outcomes: []*auditv1.OutcomeCount{{Outcome: "not evaluated", Values: 1}, {Outcome: "opened", Values: 1204}, {Outcome: "wrong key", Values: 2}}, Same: 1200, SameName: 3, Different: 1},
				{Scope: "free-pages:cdf8:/var/lib/etcd/member/snap/db:/registry/"},
			},
			Restores: []*auditv1.Restore{
				{Scope: "live:cdf8:/registry/", Values: 1207, Opened: 1204, Undecryptable: 2, NotEvaluated: 1, Needs: []*auditv1.Requirement{
					{What: "etcd prefix (--etcd-prefix)", Value: "/registry", Why: "what is bound to its etcd key opens under that one alone"},
					{What: "Vault key", Value: "transit/kubernetes, version 2", Why: "key_id v2.<ffee>, 3 of 3 values opened"},
				}},
				{Scope: "live:cdf8:/registry/", Values: 7, Opened: 7}, {Scope: "live:cdf8:/registry/", Values: 7, Opened: 6, NotEvaluated: 1},
				{Scope: "live:cdf8:/registry/", Values: 223, Opened: 223, Unread: "5 places could not be read: see EA-124"},
			},
		},
		Readers: []*auditv1.Reader{
			{Kind: "Group", Name: "system:masters", Verbs: []string{"get", "list", "watch"}, Binding: "built in", Role: "everything"},
			{Kind: "ServiceAccount", Name: "ci/deployer", Namespace: "prod", Verbs: []string{"get"}, Secrets: []string{"registry"}, Binding: "RoleBinding prod/deployer", Role: "Role deployer"},
		},
	}
}
