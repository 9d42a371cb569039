package controls_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/controls"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

const (
	none         = auditv1.Status_STATUS_UNSPECIFIED
	pass         = auditv1.Status_STATUS_PASS
	fail         = auditv1.Status_STATUS_FAIL
	warn         = auditv1.Status_STATUS_WARN
	accepted     = auditv1.Status_STATUS_ACCEPTED
	unevaluated  = auditv1.Status_STATUS_NOT_EVALUATED
	inapplicable = auditv1.Status_STATUS_NOT_APPLICABLE
)

// checks are those of a report, with one status each.
func checks(statuses map[string]auditv1.Status) (list []*auditv1.Check) {
	for id, status := range statuses {
		list = append(list, &auditv1.Check{Id: id, Status: status, Summary: "what " + id + " found"})
	}
	return list
}

// filled is a control of a report after Fill.
func filled(t *testing.T, r *auditv1.Report, version, id string) *auditv1.Control {
	t.Helper()
	if err := controls.Fill(r); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Controls, func(c *auditv1.Control) bool { return c.Version == version && c.Id == id })
	if i < 0 {
		t.Fatalf("no %s of %s", id, version)
	}
	return r.Controls[i]
}

// etcd is a configuration with settings NAME=VALUE that were written as flags. A name with ~
// has its default.
func etcd(settings ...string) *auditv1.Configuration { return program("etcd", settings) }

func apiServer(settings ...string) *auditv1.Configuration {
	return program("kube-apiserver", append(settings, "etcd-servers=https://127.0.0.1:2379"))
}

func program(name string, settings []string) *auditv1.Configuration {
	c := &auditv1.Configuration{Program: name, Name: name + " (pid 1)"}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		origin := "--" + key
		if strings.HasPrefix(key, "~") {
			key, origin = key[1:], "default of etcd 3.7"
		}
		c.Settings = append(c.Settings, &auditv1.Setting{Name: key, Value: value, Origin: origin})
	}
	return c
}

func unknown(c *auditv1.Configuration, why string) *auditv1.Configuration {
	c.Unknown = why
	return c
}

func refused(c *auditv1.Configuration) *auditv1.Configuration {
	c.Refused = "unknown flag"
	return c
}

func withFiles(c *auditv1.Configuration, files ...*auditv1.File) *auditv1.Configuration {
	c.Files = files
	return c
}

func withProviders(c *auditv1.Configuration, resource string, providers ...string) *auditv1.Configuration {
	if c.EncryptionFile == nil {
		c.EncryptionFile = &auditv1.EncryptionConfiguration{}
	}
	c.EncryptionFile.Rules = append(c.EncryptionFile.Rules, &auditv1.EncryptionRule{Resource: resource, Providers: providers})
	return c
}

// The mistakes that auditors know from other tools: what the letter says, beside what is true.
func TestLetterAndTruthAreShownWithTheReason(t *testing.T) {
	const flag = "encryption-provider-config=/enc.yaml"
	for name, tc := range map[string]struct {
		version, id string
		config      *auditv1.Configuration
		checks      map[string]auditv1.Status
		letter      auditv1.Status
		text        string // in the letter's text
		difference  string // empty for none
	}{
		"a trusted CA alone demands certificates": {
			"1.12", "2.2", etcd("trusted-ca-file=/ca.crt", "~client-cert-auth=false"), map[string]auditv1.Status{"EA-404": pass, "EA-302": pass},
			fail, "--client-cert-auth is true (etcd (pid 1): client-cert-auth is not set)", "a trusted CA alone (--trusted-ca-file) makes etcd demand client certificates. EA-404: what EA-404 found",
		},
		"with the flag both agree": {
			"1.12", "2.2", etcd("client-cert-auth=true"), map[string]auditv1.Status{"EA-404": pass}, pass, "--client-cert-auth is true", "",
		},
		"the flag is there, and an http address demands nothing": {
			"2.0.1", "2.2", etcd("client-cert-auth=true"), map[string]auditv1.Status{"EA-404": pass, "EA-302": fail}, pass, "--client-cert-auth is true",
			"an address that starts with http:// demands nothing. EA-302: what EA-302 found",
		},
		"TLS flags are void on an http address": {
			"1.12", "2.1", etcd("cert-file=/a", "key-file=/b"), map[string]auditv1.Status{"EA-403": warn}, pass, "--cert-file and --key-file are set", "EA-403: what EA-403 found",
		},
		"neither flag nor truth": {
			"1.12", "2.1", etcd("~cert-file="), map[string]auditv1.Status{"EA-403": fail}, fail, "cert-file is not set", "",
		},
		"an accepted finding still differs from the letter": {
			"1.12", "2.1", etcd("cert-file=/a", "key-file=/b"), map[string]auditv1.Status{"EA-403": accepted}, pass, "", "EA-403",
		},
		"no check was made, so there is nothing to differ": {
			"1.12", "2.2", etcd("~client-cert-auth=false"), nil, fail, "client-cert-auth is not set", "",
		},
		"auto-tls is off by default, and CIS is content": {
			"1.12", "2.3", etcd("~auto-tls=false"), map[string]auditv1.Status{"EA-406": pass}, pass, "", "",
		},
		"and DISA is not": {
			"V2R6", "V-242379", etcd("~auto-tls=false"), map[string]auditv1.Status{"EA-406": pass}, fail, "auto-tls is not set", "off by default; DISA wants it written",
		},
		"root's directory is no directory of a user called etcd": {
			"1.12", "1.1.12", withFiles(etcd("data-dir=/var/lib/etcd"), &auditv1.File{Setting: "data-dir", Path: "/var/lib/etcd", Mode: "0700", Owner: "root"}), map[string]auditv1.Status{"EA-501": pass},
			fail, "/var/lib/etcd belongs to root", "kubeadm, k3s and RKE2 run etcd as root",
		},
		"the group counts too": {
			"1.12", "1.1.12", withFiles(etcd("data-dir=/var/lib/etcd"), &auditv1.File{Setting: "data-dir", Path: "/var/lib/etcd", Mode: "0700", Uid: 997, Owner: "etcd"}), map[string]auditv1.Status{"EA-501": pass},
			fail, "/var/lib/etcd belongs to the group root", "kubeadm, k3s and RKE2 run etcd as root",
		},
		"a group has a name that no report holds": {
			"1.12", "1.1.12", withFiles(etcd("data-dir=/var/lib/etcd"), &auditv1.File{Setting: "data-dir", Path: "/var/lib/etcd", Mode: "0700", Uid: 997, Gid: 996, Owner: "etcd"}), nil,
			unevaluated, "the name of group 996 of /var/lib/etcd is not known", "",
		},
		"a mode that is too open fails by letter and truth": {
			"1.12", "1.1.11", withFiles(etcd("data-dir=/var/lib/etcd"), &auditv1.File{Setting: "data-dir", Path: "/var/lib/etcd", Mode: "0750", Owner: "etcd"}), map[string]auditv1.Status{"EA-501": fail},
			fail, "/var/lib/etcd has 0750", "",
		},
		"a stricter mode is as good": {
			"1.12", "1.1.11", withFiles(etcd("data-dir=/var/lib/etcd"), &auditv1.File{Setting: "data-dir", Mode: "0500"}), nil, pass, "", "",
		},
		"no directory was read": {
			"1.12", "1.1.11", etcd("data-dir=/var/lib/etcd"), nil, unevaluated, "owner and mode of its data-dir are not known", "",
		},
		"identity first, with aescbc behind it": {
			"1.12", "1.2.28", withProviders(apiServer(flag), "secrets", "identity", "aescbc"), map[string]auditv1.Status{"EA-423": fail}, pass, "",
			"with identity first Secrets are written as plaintext. EA-423",
		},
		"KMS counts whatever its version": {
			"1.12", "1.2.28", withProviders(apiServer(flag), "secrets", "kms v2"), map[string]auditv1.Status{"EA-423": pass}, pass, "", "",
		},
		"aesgcm is not in the letter": {
			"1.12", "1.2.28", withProviders(apiServer(flag), "secrets", "aesgcm"), map[string]auditv1.Status{"EA-423": pass}, fail, "none of these providers", "aesgcm encrypts too",
		},
		"the EncryptionConfiguration could not be read": {
			"1.12", "1.2.28", apiServer(flag), map[string]auditv1.Status{"EA-423": unevaluated}, unevaluated, "was not read", "",
		},
		"there is none": {
			"1.12", "1.2.28", apiServer(), map[string]auditv1.Status{"EA-423": fail}, fail, "it has no EncryptionConfiguration", "",
		},
		"DISA sees identity first": {
			"V2R6", "V-274882", withProviders(apiServer(flag), "secrets", "identity", "kms v2"), map[string]auditv1.Status{"EA-423": fail}, fail, "identity is the first provider of secrets", "",
		},
		"DISA does not see a wildcard": {
			"V2R6", "V-274882", withProviders(apiServer(flag), "*.*", "kms v2"), map[string]auditv1.Status{"EA-423": pass, "EA-101": pass}, fail, "does not name secrets", "a wildcard covers Secrets as well",
		},
		"the file is right, and old Secrets are plaintext": {
			"V2R6", "V-274882", withProviders(apiServer(flag), "secrets", "kms v2"), map[string]auditv1.Status{"EA-423": pass, "EA-101": fail}, pass, "", "EA-101: what EA-101 found",
		},
		"authorization by webhook alone": {
			"1.12", "1.2.8", apiServer("authorization-mode=Node,Webhook"), nil, fail, "authorization-mode is Node,Webhook", "",
		},
		"AlwaysAllow is the default, which no flag shows": {
			"1.12", "1.2.6", apiServer(), map[string]auditv1.Status{"EA-425": fail}, pass, "", "AlwaysAllow is the default",
		},
		"RBAC is among the modes": {
			"1.12", "1.2.8", apiServer("authorization-mode=Node,RBAC"), nil, pass, "", "",
		},
		"a list without what may not be in it, by DISA": {
			"V2R6", "V-242382", apiServer(), nil, fail, "authorization-mode is not set", "",
		},
		"a token file": {
			"1.12", "1.2.2", apiServer("token-auth-file=/t.csv"), map[string]auditv1.Status{"EA-428": fail}, fail, "token-auth-file is set", "",
		},
		"one version or the other": {
			"V2R6", "V-242378", apiServer("tls-min-version=VersionTLS13"), map[string]auditv1.Status{"EA-426": pass}, pass, "", "",
		},
		"another program's configuration says nothing": {
			"1.12", "2.2", apiServer(), nil, unevaluated, "no configuration of etcd", "",
		},
		"settings that are not known": {
			"1.12", "2.2", etcd(), nil, unevaluated, "its settings are not known", "",
		},
		"flags that were not seen are not unset": {
			"1.12", "1.2.2", unknown(apiServer(), "the unit's file cannot be read"), nil, unevaluated, "not known in full: the unit's file cannot be read", "",
		},
		"nor are those that were seen in force": {
			"1.12", "2.2", unknown(etcd("client-cert-auth=true"), "its file cannot be read"), nil, unevaluated, "not known in full", "",
		},
		"a program that would not start has no settings in force": {
			"1.12", "1.2.1", refused(apiServer("anonymous-auth=true")), nil, unevaluated, "would not start: unknown flag", "",
		},
		"the file of a program that is not known in full": {
			"1.12", "1.2.28", unknown(apiServer(), "its unit cannot be read"), nil, unevaluated, "its unit cannot be read", "",
		},
		"what no report holds": {
			"V2R6", "V-242445", etcd(), nil, unevaluated, "single files below the data directory", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &auditv1.Report{Configurations: []*auditv1.Configuration{tc.config}, Checks: checks(tc.checks)}
			c := filled(t, r, tc.version, tc.id)
			if c.Letter != tc.letter || !strings.Contains(c.LetterText, tc.text) {
				t.Errorf("letter %v, %q", c.Letter, c.LetterText)
			}
			if !strings.Contains(c.Difference, tc.difference) || (c.Difference == "") != (tc.difference == "") {
				t.Errorf("difference %q", c.Difference)
			}
		})
	}
}

func TestOneOfSeveralEtcdsFailsTheLetter(t *testing.T) {
	other := etcd("~client-cert-auth=false")
	other.Name = "etcd (pid 2)"
	r := &auditv1.Report{Configurations: []*auditv1.Configuration{etcd("client-cert-auth=true"), other}}
	if c := filled(t, r, "1.12", "2.2"); c.Letter != fail || !strings.Contains(c.LetterText, "etcd (pid 2)") || strings.Contains(c.LetterText, "pid 1") {
		t.Errorf("%v", c)
	}
}

func TestModesOfPrivateKeysAreJudgedByTheLetter(t *testing.T) {
	for mode, want := range map[string]auditv1.Status{"0600": pass, "0400": pass, "0640": fail, "": unevaluated} {
		r := &auditv1.Report{PrivateKeys: []*auditv1.PrivateKey{{File: "/a.key", Mode: "0600"}, {File: "/b.key", Mode: mode}}}
		if c := filled(t, r, "1.12", "1.1.21"); c.Letter != want || (want != pass) != strings.Contains(c.LetterText, "/b.key") {
			t.Errorf("%q: %v", mode, c)
		}
	}
	if c := filled(t, &auditv1.Report{}, "1.12", "1.1.21"); c.Letter != unevaluated {
		t.Errorf("without keys: %v", c)
	}
}

// A stored report is a file that anything may have written.
func TestReportsOfAnyShapeAreFilled(t *testing.T) {
	for name, r := range map[string]*auditv1.Report{
		"nothing in the messages": {
			Checks: []*auditv1.Check{{}}, PrivateKeys: []*auditv1.PrivateKey{{}},
			Configurations: []*auditv1.Configuration{{}, {Program: "etcd", Settings: []*auditv1.Setting{{}}, Files: []*auditv1.File{{}}}},
		},
		"no messages": {
			Checks: []*auditv1.Check{nil}, PrivateKeys: []*auditv1.PrivateKey{nil},
			Configurations: []*auditv1.Configuration{nil, {Program: "etcd", Settings: []*auditv1.Setting{nil}, Files: []*auditv1.File{nil}}, withRules(nil)},
		},
		"providers without a name":  {Configurations: []*auditv1.Configuration{withProviders(apiServer(), "secrets", "", " "), withProviders(apiServer(), "")}},
		"an entry without anything": {Configurations: []*auditv1.Configuration{withRules(&auditv1.EncryptionRule{})}},
	} {
		if c := filled(t, r, "1.12", "1.2.28"); c.Letter == pass {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func withRules(rules ...*auditv1.EncryptionRule) *auditv1.Configuration {
	c := apiServer("encryption-provider-config=/enc.yaml")
	c.EncryptionFile = &auditv1.EncryptionConfiguration{Rules: rules}
	return c
}

func TestWhatTheEvidenceComesTo(t *testing.T) {
	for name, tc := range map[string]struct {
		id     string
		checks map[string]auditv1.Status
		want   auditv1.Status
	}{
		"a part that fails counts":                      {"1.2.26", map[string]auditv1.Status{"EA-421": pass, "EA-313": warn}, fail},
		"all pass":                                      {"1.2.26", map[string]auditv1.Status{"EA-421": pass, "EA-313": pass}, pass},
		"one was not made":                              {"1.2.26", map[string]auditv1.Status{"EA-421": pass}, unevaluated},
		"one was not evaluated":                         {"1.2.26", map[string]auditv1.Status{"EA-421": pass, "EA-313": unevaluated}, unevaluated},
		"a finding counts before that":                  {"1.2.26", map[string]auditv1.Status{"EA-421": fail, "EA-313": unevaluated}, fail},
		"what does not apply is no obstacle":            {"1.2.26", map[string]auditv1.Status{"EA-421": pass, "EA-313": inapplicable}, pass},
		"a status of a later version is no pass":        {"1.2.26", map[string]auditv1.Status{"EA-421": 99, "EA-313": pass}, unevaluated},
		"nothing applies":                               {"1.2.26", map[string]auditv1.Status{"EA-421": inapplicable, "EA-313": inapplicable}, inapplicable},
		"an accepted finding is no pass":                {"1.2.26", map[string]auditv1.Status{"EA-421": accepted, "EA-313": pass}, accepted},
		"a check that only shows where to look is none": {"3.2.1", map[string]auditv1.Status{"EA-429": fail}, none},
	} {
		t.Run(name, func(t *testing.T) {
			r := &auditv1.Report{Checks: checks(tc.checks)}
			if c := filled(t, r, "1.12", tc.id); c.Evidence != tc.want || c.Source == "" || c.Verified {
				t.Errorf("%v", c)
			}
		})
	}
	r := &auditv1.Report{}
	if c := filled(t, r, "V2R6", "V-242418"); c.Verified || c.Reach != auditv1.Relation_RELATION_PARTLY {
		t.Errorf("%v", c)
	}
	if c := filled(t, r, "1.12", "2.2"); c.Reach != auditv1.Relation_RELATION_EVIDENCES {
		t.Errorf("%v", c)
	}
	again := proto.CloneOf(r)
	if err := controls.Fill(r); err != nil || !proto.Equal(r, again) {
		t.Errorf("filled twice it is another report: %v", err)
	}
}

// A check that looks at some files, callers or authorizers is no evidence for all of them.
func TestWhatACheckDoesNotLookAtIsNotEvidenced(t *testing.T) {
	const partly, human = auditv1.Relation_RELATION_PARTLY, auditv1.Relation_RELATION_NEEDS_HUMAN
	for id, want := range map[string]auditv1.Relation{
		"1.12 1.1.1": partly, "1.12 1.1.8": partly, "1.12 1.1.14": partly, "1.12 1.1.20": partly, "V2R6 V-242405": partly, "V2R6 V-242408": partly, "V2R6 V-242466": partly,
		"V2R6 V-242382": partly, "1.12 1.2.7": human, "1.12 1.2.8": human,
		"1.12 5.1.1": partly, "1.12 5.1.2": partly, "1.12 5.1.4": partly, "1.12 5.1.8": partly, "1.12 5.1.10": partly, "1.12 5.1.13": partly, "V2R6 V-274884": partly,
	} {
		version, id, _ := strings.Cut(id, " ")
		if c := filled(t, &auditv1.Report{}, version, id); c.Reach != want || c.Verified {
			t.Errorf("%s %s: %v", version, id, c)
		}
	}
	// Without --authorization-mode there may be no AuthorizationConfiguration either.
	r := &auditv1.Report{Configurations: []*auditv1.Configuration{apiServer()}, Checks: checks(map[string]auditv1.Status{"EA-425": pass})}
	if c := filled(t, r, "1.12", "1.2.7"); c.Letter != fail || c.Difference != "" {
		t.Errorf("%v", c)
	}
}
