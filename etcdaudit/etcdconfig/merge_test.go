package etcdconfig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const configPath = "/etc/etcd/etcd.conf.yaml"

// words returns the arguments of a recorded command line: without comments and the
// program's name.
func words(t *testing.T, file string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(read(t, file)) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "/usr/local/bin/etcd") {
			all = append(all, strings.Fields(line)...)
		}
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func fromFile(t *testing.T, file string) Input {
	t.Helper()
	return fromText(read(t, file))
}

func fromText(content string) Input {
	return Input{Release: Newest(), Args: []string{"--config-file=" + configPath}, File: []byte(content)}
}

func fromArgs(args ...string) Input { return Input{Release: Newest(), Args: args} }

func (e Effective) setting(t *testing.T, name string) Setting {
	t.Helper()
	i := slices.IndexFunc(e.Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no setting %s", name)
	}
	return e.Settings[i]
}

// checkVoid fails unless something of that name is void for a reason that contains why.
func checkVoid(t *testing.T, e Effective, name, why string) {
	t.Helper()
	for _, v := range e.Voids {
		if v.Name == name && strings.Contains(v.Why, why) {
			return
		}
	}
	t.Errorf("%s is not void because of %q; void are %+v", name, why, e.Voids)
}

func checkStarts(t *testing.T, e Effective) {
	t.Helper()
	if e.Refused != "" || e.NotEvaluated != "" {
		t.Errorf("refused: %q, not evaluated: %q", e.Refused, e.NotEvaluated)
	}
}

func checkAuth(t *testing.T, got, want Auth) {
	t.Helper()
	if got != want {
		t.Errorf("clients have to show %d, want %d", got, want)
	}
}

func TestVariablesOfTheProcessCountLikeFlags(t *testing.T) {
	_, environ, _ := strings.Cut(read(t, "t01-etcd-env-only.txt"), "/environ\n")
	e := Merge(Input{Release: Newest(), Env: strings.Split(strings.TrimSpace(environ), "\n")})
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[0]), OwnCA)
	if got := e.setting(t, "trusted-ca-file").Origin; got != (Origin{Environment, "ETCD_TRUSTED_CA_FILE"}) {
		t.Errorf("the CA comes from %+v", got)
	}
	checkVoid(t, e, "peer-trusted-ca-file", "http:// ignores all TLS settings") // peers listen on the default http://localhost:2380
}

func TestABareBooleanIsTrueAndASeparateWordEndsTheCommandLine(t *testing.T) {
	args := append(words(t, "t03-bare-bool.txt"), "--advertise-client-urls=https://192.0.2.12:2379")
	e := Merge(fromArgs(args...))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth("https://192.0.2.12:2379"), OwnCA)
	if !e.Peer.ClientCertAuth {
		t.Error("peer-client-cert-auth is not set")
	}
	e = Merge(fromArgs(slices.Insert(args, 2, "true")...))
	if !strings.Contains(e.Refused, `"true" is not a flag`) {
		t.Errorf("refused: %q", e.Refused)
	}
	checkVoid(t, e, "trusted-ca-file", `after "true", a separate word`)
}

func TestWithAConfigurationFileFlagsAndVariablesAreVoid(t *testing.T) {
	in := Input{
		Release: Newest(), Args: words(t, "t04-config-file-wins.cmdline"), File: []byte(read(t, "t04-etcd.conf.yaml")),
		Env: []string{"ETCD_TRUSTED_CA_FILE=/ca.pem", "PATH=/bin"},
	}
	if path, origin := ConfigFile(in); path != configPath || origin.Text != "--config-file" {
		t.Errorf("it reads %q, named by %+v", path, origin)
	}
	e := Merge(in)
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[0]), Nothing)
	checkVoid(t, e, "client-cert-auth", "ignores flags")
	checkVoid(t, e, "trusted-ca-file", "ignores variables")
	want := Setting{"listen-client-urls", "http://0.0.0.0:2379", Origin{File, "listen-client-urls in " + configPath + ", line 3"}}
	if got := e.setting(t, "listen-client-urls"); got != want {
		t.Errorf("listen-client-urls is %+v", got)
	}
}

func TestACAAloneDemandsCertificates(t *testing.T) {
	wants := []Auth{OwnCA, OwnCA, SystemCAs, Nothing}
	urls := []string{"--listen-client-urls=https://192.0.2.1:2379", "--advertise-client-urls=https://192.0.2.1:2379"}
	i := 0
	for line := range strings.Lines(read(t, "t05-ca-implies-auth.txt")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		e := Merge(fromArgs(append(strings.Fields(line), urls...)...))
		checkStarts(t, e)
		checkAuth(t, e.ClientAuth("https://192.0.2.1:2379"), wants[i])
		if i == 0 {
			checkVoid(t, e, "client-cert-auth", "trusted-ca-file alone")
		}
		i++
	}
	if i != len(wants) {
		t.Errorf("%d lines, want %d", i, len(wants))
	}
}

func TestTheFileOfK3sKeepsItsSectionsApart(t *testing.T) {
	e := Merge(fromFile(t, "t06-k3s-etcd-config.yaml"))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[1]), OwnCA)
	checkAuth(t, e.PeerAuth(e.ListenPeer[0]), OwnCA)
	checkAuth(t, e.MetricsAuth(e.ListenMetrics[0]), Nothing)
	checkAuth(t, e.ClientAuth(e.ListenClientHTTP[0]), OwnCA)
	if !strings.HasSuffix(e.Peer.TrustedCA, "peer-ca.crt") || !strings.HasSuffix(e.Client.TrustedCA, "server-ca.crt") {
		t.Errorf("client and peer have %q and %q", e.Client.TrustedCA, e.Peer.TrustedCA)
	}
	checkVoid(t, e, "auto-tls", "makes no certificate of its own")
}

func TestAnHTTPAddressBesideHTTPSIsPlaintext(t *testing.T) {
	args := append(words(t, "t13-http-beside-certs.txt"), "--advertise-client-urls=https://192.0.2.14:2379")
	e := Merge(fromArgs(args...))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth("http://0.0.0.0:4001"), Nothing)
	checkAuth(t, e.ClientAuth("https://192.0.2.14:2379"), OwnCA)
	if len(e.Voids) != 0 { // the other address uses the certificates
		t.Errorf("void are %+v", e.Voids)
	}
}

func TestKeysWrittenFlatAreDroppedAndNamed(t *testing.T) {
	e := Merge(fromFile(t, "u01-flat-keys.etcd.conf.yaml"))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[0]), Nothing)
	checkVoid(t, e, "cert-file", "it is client-transport-security.cert-file")
	if e.Client.TrustedCA != "" {
		t.Errorf("the CA is %q", e.Client.TrustedCA)
	}
	e = Merge(fromFile(t, "u01b-flat-keys-https.etcd.conf.yaml"))
	if !strings.Contains(e.Refused, "wants cert-file and key-file") {
		t.Errorf("refused: %q", e.Refused)
	}
}

func TestCiphersAndRevocationListsInsideTheSectionAreVoid(t *testing.T) {
	e := Merge(fromFile(t, "u03-ciphers-and-crl-in-section.etcd.conf.yaml"))
	checkStarts(t, e)
	checkVoid(t, e, "client-transport-security.cipher-suites", "at the top of the file")
	checkVoid(t, e, "client-transport-security.client-crl-file", "no documented key")
	if e.Client.CRL != "" || e.CipherSuites != nil {
		t.Errorf("in force: %q, %q", e.Client.CRL, e.CipherSuites)
	}

	// At the top the suites count, so much that etcd ends: net/http misses one of HTTP/2's.
	e = Merge(fromFile(t, "u03b-crl-flat.etcd.conf.yaml"))
	if !strings.Contains(e.Refused, "of which HTTP/2 wants one") {
		t.Errorf("refused: %q", e.Refused)
	}
	checkVoid(t, e, "client-crl-file", "no documented key")
	if len(e.CipherSuites) != 1 || e.Client.CRL != "" {
		t.Errorf("in force: %q, %q", e.Client.CRL, e.CipherSuites)
	}
}

func TestACipherListAsOneStringStopsEtcd(t *testing.T) {
	e := Merge(fromFile(t, "u03c-cipher-string.etcd.conf.yaml"))
	if want := configPath + ": cipher-suites takes a list, and is a text"; e.Refused != want {
		t.Errorf("refused: %q, want %q", e.Refused, want)
	}
}

func TestAFieldNameOfTheProgramSetsARevocationList(t *testing.T) {
	e := Merge(fromFile(t, "u03d-field-name.etcd.conf.yaml"))
	checkStarts(t, e)
	if e.Client.CRL != "/etc/etcd/pki/revoked.crl" {
		t.Errorf("the revocation list is %q", e.Client.CRL)
	}
}

func TestTheMetricsListenerTakesTheTLSSettingsOfClients(t *testing.T) {
	tls := []string{"--cert-file=/c", "--key-file=/k", "--trusted-ca-file=/ca"}
	wants := []Auth{Nothing, Nothing, OwnCA}
	for i, flag := range words(t, "u11-metrics-listener.txt") {
		e := Merge(fromArgs(append(tls, flag)...))
		checkStarts(t, e)
		checkAuth(t, e.MetricsAuth(e.ListenMetrics[0]), wants[i])
	}
}
