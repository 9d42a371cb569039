package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// report runs a command with --output json and reads what it wrote.
func reportOf(t *testing.T, args ...string) (*auditv1.Report, int) {
	t.Helper()
	status, out, errs := run(t, append(args, "--output", "json")...)
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("status %d, %v, %s", status, err, errs)
	}
	return &r, status
}

func checkOf(t *testing.T, r *auditv1.Report, id string) *auditv1.Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c *auditv1.Check) bool { return c.Id == id })
	if i < 0 {
		t.Fatalf("the report has no check %s", id)
	}
	return r.Checks[i]
}

func TestTLSOfARealEtcd(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	stranger, err := cluster.NewAuthority(t.TempDir(), "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	kubelet, err := stranger.Client("system:node:a", "system:nodes")
	if err != nil {
		t.Fatal(err)
	}
	r, status := reportOf(t, "tls", "--root", t.TempDir(), "--probe-cert", fmt.Sprintf("kubelet=%s,%s", kubelet.Cert, kubelet.Key))
	if status != 1 { // certificates of the tests end within a week
		t.Errorf("status %d", status)
	}
	for id, want := range map[string]auditv1.Status{
		"EA-301": auditv1.Status_STATUS_PASS, "EA-302": auditv1.Status_STATUS_PASS, "EA-303": auditv1.Status_STATUS_PASS, "EA-304": auditv1.Status_STATUS_PASS,
		"EA-305": auditv1.Status_STATUS_WARN, "EA-307": auditv1.Status_STATUS_PASS, "EA-309": auditv1.Status_STATUS_PASS, "EA-313": auditv1.Status_STATUS_WARN,
	} {
		if c := checkOf(t, r, id); c.Status != want {
			t.Errorf("%s: %v, want %v: %s", id, c.Status, want, c.Summary)
		}
	}
	// The peer's address is from the member list.
	if len(r.Listeners) != 2 || r.Listeners[1].Purpose != "peer" || !slices.Contains(r.Listeners[1].Found, "member list") {
		t.Errorf("listeners: %v", r.Listeners)
	}
	for _, l := range r.Listeners {
		if len(l.Connections) < 5 || !l.Enumerated || len(l.Chain) == 0 {
			t.Errorf("%s: %d connections, enumerated %v, chain %v", l.Url, len(l.Connections), l.Enumerated, l.Chain)
		}
		for _, c := range l.Connections {
			if c.Time == nil || c.Request == "" || c.Outcome == "" || c.Local == "" {
				t.Errorf("a connection without its evidence: %v", c)
			}
		}
	}
	if len(r.Certificates) == 0 || len(r.Certificates[0].ServedAt) != 2 {
		t.Errorf("certificates: %v", r.Certificates)
	}
	for _, file := range []string{kubelet.Key, e.ClientFiles().Key} {
		key, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if line := strings.Split(string(key), "\n")[1]; strings.Contains(protojson.Format(r), line) {
			t.Errorf("a line of %s is in the report", file)
		}
	}
}

func TestThePlanSaysWhatIsSentAndSendsNothingOfIt(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	status, out, errs := run(t, "tls", "--plan", "--root", t.TempDir())
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, text := range []string{"Plan: about ", e.Endpoints()[0] + " (client; given", "(peer; member list)", "rejected connection on client endpoint", "nothing enters raft's log"} {
		if !strings.Contains(out, text) {
			t.Errorf("does not say %q:\n%s", text, out)
		}
	}
	log, err := e.Member(0).Log()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log, "etcdaudit-probe") || strings.Contains(log, "rejected connection") {
		t.Errorf("probes were sent:\n%s", log)
	}
}

func TestProbeCertsAreReadFromFlagsAndFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		given []string
		want  string // empty for an error
	}{
		"none":                           {nil, "[]"},
		"one flag, split at its comma":   {[]string{"a=c", "k"}, "[{a c k}]"},
		"one entry of a file":            {[]string{"a=c,k"}, "[{a c k}]"},
		"two":                            {[]string{"a=c", "k", "b=d", "l"}, "[{a c k} {b d l}]"},
		"a path with an equals sign":     {[]string{"a=x=c", "x=k"}, "[{a x=c x=k}]"},
		"no key":                         {[]string{"a=c"}, ""},
		"no label":                       {[]string{"c", "k"}, ""},
		"a key that is empty":            {[]string{"a=c", ""}, ""},
		"the key of the first forgotten": {[]string{"a=c", "b=d", "l"}, ""},
	} {
		got, err := tlsPart{ProbeCerts: tt.given}.probeCerts()
		if text := fmt.Sprint(got); (err != nil) != (tt.want == "") || err == nil && text != tt.want {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestWrongCallsOfTLSAreRefused(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	files := e.ClientFiles()
	root := t.TempDir()
	for _, half := range []string{"cert", "key"} {
		t.Setenv("ETCDCTL_CERT", "")
		t.Setenv("ETCDCTL_KEY", "")
		// Of a file that is not there as well nothing else is said.
		if status, out, errs := run(t, "tls", "--root", root, "--"+half, "/no/such"); status != 3 || out != "" || !strings.Contains(errs, half+": it is given without") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s alone: status %d, %q, %q", half, status, out, errs)
		}
	}
	use(t, e)
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"certificate and key swapped":      {[]string{"--probe-cert", "kubelet=" + files.Key + "," + files.Cert}, files.Key},
		"a key of another certificate":     {[]string{"--probe-cert", "kubelet=" + files.Cert + "," + otherKey(t, e)}, "another certificate"},
		"the label of a made-up client":    {[]string{"--probe-cert", "none=" + files.Cert + "," + files.Key}, "label"},
		"one label twice":                  {[]string{"--probe-cert", "a=" + files.Cert + "," + files.Key, "--probe-cert", "a=" + files.Cert + "," + files.Key}, "twice"},
		"no key":                           {[]string{"--probe-cert", "a=" + files.Cert}, "want LABEL=cert,key"},
		"a peer address that is none":      {[]string{"--peer-endpoints", "ftp://127.0.0.1:1"}, "ftp://"},
		"a CA file without an end":         {[]string{"--cacert", "/dev/zero"}, "no regular file"},
		"the label of --cert":              {[]string{"--probe-cert", "own=" + files.Cert + "," + files.Key}, "label"},
		"a plan as JSON":                   {[]string{"--plan", "--output", "json"}, "text only"},
		"no such root":                     {[]string{"--root", "/no/such/root"}, "/no/such/root"},
		"a CA file that is no certificate": {[]string{"--cacert", files.Key}, "no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errs := run(t, append([]string{"tls", "--root", root}, tt.args...)...)
			if status != 3 || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
			}
		})
	}
}

// otherKey is the key of another client.
func otherKey(t *testing.T, e *cluster.Etcd) string {
	t.Helper()
	other, err := e.Authority().Client("other")
	if err != nil {
		t.Fatal(err)
	}
	return other.Key
}

func TestRulesAreListedAndExplained(t *testing.T) {
	status, out, errs := run(t, "rules")
	if status != 0 || errs != "" || !strings.Contains(out, "EA-302  critical  Client addresses demand a client certificate\n") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
	for line := range strings.Lines(out) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	if status, out, _ := run(t, "rules", "ea-302"); status != 0 || !strings.Contains(out, "Why: ") || !strings.Contains(out, "Reads: ") || strings.Contains(out, "EA-301") {
		t.Errorf("status %d\n%s", status, out)
	}
	if status, out, _ := run(t, "rules", "--output", "json", "EA-101"); status != 0 || !strings.Contains(out, `"id": "EA-101"`) {
		t.Errorf("status %d\n%s", status, out)
	}
	for _, wrong := range [][]string{{"rules", "EA-999"}, {"rules", "--output", "xml"}} {
		if status, out, errs := run(t, wrong...); status != 3 || out != "" || errs == "" {
			t.Errorf("%v: status %d, %q, %q", wrong, status, out, errs)
		}
	}
}

// The auditor's page lists the rules as they are.
func TestTheDocumentationListsEveryRule(t *testing.T) {
	text, err := os.ReadFile("../../docs/auditor.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range allRules() {
		want = append(want, fmt.Sprintf("| %s | %s | %s |", r.ID, r.Severity, r.Title))
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| EA-") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/auditor.md (-want +got):\n%s", diff)
	}
}

// A login is an entry of raft's log: it may be made to read values, and not to probe.
func TestTheUserIsNotUsedByTLS(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	t.Setenv("ETCDCTL_USER", "auditor:hunter2")
	raftIndex := func() uint64 {
		status, err := e.Client().Status(t.Context(), e.Endpoints()[0])
		if err != nil {
			t.Fatal(err)
		}
		return status.RaftIndex
	}
	before := raftIndex()
	status, out, errs := run(t, "tls", "--root", t.TempDir(), "--enumerate=false")
	if status > 1 || !strings.Contains(errs, "tls does not use ETCDCTL_USER") || strings.Contains(out+errs, "hunter2") {
		t.Errorf("status %d, %s", status, errs)
	}
	if after := raftIndex(); after != before {
		t.Errorf("raft's index was %d and is %d", before, after)
	}
}

func TestUnknownPeersAreSaidToBeUnknown(t *testing.T) {
	e := startEtcd(t)
	// Without a client that etcd accepts there is no member list; this tree has no control plane.
	r, _ := reportOf(t, "tls", "--root", t.TempDir(), "--enumerate=false", "--endpoints", e.Endpoints()[0])
	for _, id := range []string{"EA-307", "EA-308"} {
		if c := checkOf(t, r, id); c.Status != auditv1.Status_STATUS_NOT_EVALUATED || !strings.Contains(c.Summary, "certificate required") || !strings.Contains(c.Results[0].Remediation, "--peer-endpoints") {
			t.Errorf("%s: %v, %s", id, c.Status, c.Summary)
		}
	}
}

// One client address of each of two clusters is given. The second cluster asks for no certificate.
func TestTwoClustersAreFollowedAndJudgedEach(t *testing.T) {
	c := clustertest.New(t, components.Etcd)
	var clusters []*cluster.Etcd
	for _, args := range [][]string{nil, {"--client-cert-auth=false", "--trusted-ca-file="}} {
		e, err := c.StartEtcd(t.Context(), 2, args...)
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, e)
	}
	use(t, clusters[0])
	r, _ := reportOf(t, "tls", "--root", t.TempDir(), "--enumerate=false", "--endpoints", clusters[0].Endpoints()[0]+","+clusters[1].Endpoints()[0])
	var got, want []string
	for _, l := range r.Listeners {
		got = append(got, l.Purpose+" "+l.Url)
	}
	demanded := map[string]auditv1.Status{}
	for i, e := range clusters {
		for m, u := range e.Endpoints() {
			want = append(want, "client "+u, "peer "+e.Member(m).PeerURL)
			demanded[u] = []auditv1.Status{auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_FAIL}[i]
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("addresses %q, want %q", got, want)
	}
	for _, result := range checkOf(t, r, "EA-302").Results {
		if result.Status != demanded[result.Target] {
			t.Errorf("EA-302 of %s: %v, want %v: %s", result.Target, result.Status, demanded[result.Target], result.Summary)
		}
		delete(demanded, result.Target)
	}
	if len(demanded) > 0 {
		t.Errorf("EA-302 says nothing of %v", demanded)
	}
}

func TestAnotherClusterThatRefusesThisClientIsNotEvaluated(t *testing.T) {
	one, other := startEtcd(t), startEtcd(t)
	files := one.ClientFiles()
	// The second one refuses this client: what it is is not known, and is said.
	r, _ := reportOf(t, "tls", "--root", t.TempDir(), "--enumerate=false", "--endpoints", one.Endpoints()[0]+","+other.Endpoints()[0], "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key)
	var peers []string
	for _, l := range r.Listeners {
		if l.Purpose == "peer" {
			peers = append(peers, l.Url)
		}
	}
	if want := []string{one.Member(0).PeerURL}; !slices.Equal(peers, want) {
		t.Errorf("peers %v, want %v", peers, want)
	}
	c := checkOf(t, r, "EA-302")
	if i := slices.IndexFunc(c.Results, func(result *auditv1.Result) bool { return result.Target == other.Endpoints()[0] }); i < 0 || c.Results[i].Status != auditv1.Status_STATUS_NOT_EVALUATED {
		t.Errorf("EA-302 of the cluster that refuses everyone here: %v", c.Results)
	}
}
