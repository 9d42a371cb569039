package etcdconfig

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatCannotBeReadIsNotEvaluated(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"a file that is not there": {Input{Args: []string{"--config-file=/etc/x"}, FileErr: "no such file"}, "/etc/x: no such file"},
		"a file above a megabyte":  {fromText(strings.Repeat("#", 1<<20) + "\n"), "more than 1048576 bytes"},
		"a file of aliases":        {fromText(bomb), "unfold to more than"},
		"aliases of a long text":   {fromText("a: &a " + strings.Repeat("x", 900_000) + "\nb:\n" + strings.Repeat("- *a\n", 5000)), "unfold to more than"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Merge(c.in)
			if !strings.Contains(e.NotEvaluated, c.want) || e.Settings != nil {
				t.Errorf("not evaluated: %q, with %d settings", e.NotEvaluated, len(e.Settings))
			}
		})
	}
}

func TestAReleaseIsReadFromAVersion(t *testing.T) {
	for version, want := range map[string]Release{
		"3.7.3": {3, 7}, "v3.6.0-rc.1": {3, 6}, "3.5": {3, 5}, "": {}, "three": {}, "3": {}, "3.x.1": {}, "-1.2": {},
	} {
		if got := ReleaseOf(version); got != want {
			t.Errorf("%q is %v, want %v", version, got, want)
		}
	}
}

func TestAReleaseThatIsNotKnownIsReadAsTheNearest(t *testing.T) {
	for given, want := range map[Release]Release{
		{}: {3, 7}, {3, 9}: {3, 7}, {3, 4}: {3, 5}, {3, 6}: {3, 6},
	} {
		e := Merge(Input{Release: given})
		if e.Release != want || e.Assumed != (given != want) {
			t.Errorf("%v is read as %v, assumed: %t", given, e.Release, e.Assumed)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	const password = "correct horse"
	for name, in := range map[string]Input{
		"by flag":                  fromArgs("--discovery-password="+password, "--discovery-password="+password),
		"by variable":              {Env: []string{"ETCD_DISCOVERY_PASSWORD=" + password, "ETCD_ROOT_PASSWORD=" + password, "PASSWORD=" + password}},
		"by flag beside a file":    {Args: []string{"--config-file=x", "--discovery-password=" + password}, Env: []string{"ETCD_DISCOVERY_PASSWORD=" + password, "ETCD_OWN=" + password}},
		"in a file":                fromText("discovery-config: {client: {auth: {password: " + password + "}}}\nroot-password: " + password + "\n"),
		"flat in a file":           fromText("discovery-password: " + password + "\ndiscovery-password: " + password + "\n"),
		"as a bad value":           fromArgs("--pre-vote=" + password),
		"as a bad variable":        {Env: []string{"ETCD_PRE_VOTE=" + password}},
		"as a word of its own":     fromArgs("--pre-vote", password),
		"of a wrong type":          fromText("cipher-suites: " + password + "\n"),
		"in YAML that is none":     fromText("a: \"" + password + "\n  b: [" + password + "\n"),
		"as an alias that is none": fromText("a: *" + strings.ReplaceAll(password, " ", "-") + "\n"),
		"as a key twice":           fromText(password + ": 1\n" + password + ": 2\n? [" + password + "]\n: 1\n"),
		"as a discovery token":     {Release: Release{3, 6}, Args: []string{"--discovery-token=" + password, "--discovery-proxy=http://a:" + strings.ReplaceAll(password, " ", "-") + "@b"}},
		"in a discovery address":   {Release: Release{3, 5}, Args: []string{"--discovery=https://discovery.etcd.io/" + strings.ReplaceAll(password, " ", "-")}},
		"in a member's address":    fromArgs("--initial-cluster=a=https://u:" + strings.ReplaceAll(password, " ", "-") + "@127.0.0.1:1"),
		"in the URL of a listener": fromArgs("--listen-metrics-urls=https://user:" + strings.ReplaceAll(password, " ", "-") + "@127.0.0.1:1"),
	} {
		t.Run(name, func(t *testing.T) {
			e := Merge(in)
			// What is shown are settings, voids and reasons.
			all := fmt.Sprint(e)
			if strings.Contains(strings.ReplaceAll(all, "-", " "), password) {
				t.Errorf("the password is shown: %s", all)
			}
		})
	}
}

func TestWhatIsRefusedIsSaidInOneReason(t *testing.T) {
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"a flag that 3.7 removed":         {fromArgs("--experimental-memory-mlock"), "there is no flag --experimental-memory-mlock in etcd 3.7 (it is --memory-mlock now)"},
		"a flag of an older release":      {fromArgs("--enable-v2"), "there is no flag --enable-v2 in etcd 3.7 (etcd 3.5 has it)"},
		"a flag and its variable":         {Input{Args: []string{"--name=a"}, Env: []string{"ETCD_NAME="}}, "ETCD_NAME is set, and the flag of that name is given too"},
		"listening without advertising":   {fromArgs("--listen-client-urls=http://127.0.0.1:1"), "etcd then wants --advertise-client-urls"},
		"a name to listen on":             {fromArgs("--listen-peer-urls=http://etcd.example:2380"), "is not an IP address"},
		"suites of TLS 1.3":               {fromArgs("--tls-min-version=TLS1.3", "--cipher-suites=TLS_AES_128_GCM_SHA256"), "cannot be chosen"},
		"versions in the wrong order":     {fromArgs("--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"), "above"},
		"a flag without a value":          {fromArgs("--name"), "--name needs a value"},
		"a bad flag beside a file":        {Input{Args: []string{"--pre-vote=x", "--config-file=f"}}, "--pre-vote: it takes true or false"},
		"two names of one setting":        {Input{Release: Release{3, 6}, Args: []string{"--memory-mlock", "--experimental-memory-mlock"}}, "accepts one of them only"},
		"a proxy, which is no server":     {fromArgs("grpc-proxy", "start"), "not a server"},
		"a certificate without its key":   {fromArgs("--peer-cert-file=/c"), "peer-cert-file and peer-key-file go together"},
		"an address for two purposes":     {fromArgs("--listen-client-http-urls=http://localhost:2379"), "the same address"},
		"a duration in words in a file":   {fromText("grpc-keepalive-timeout: 20s\n"), "takes a number of nanoseconds, and is a text"},
		"a tab in a file":                 {fromText("a:\n\tb: c\n"), "it is not YAML"},
		"a file that is a list":           {fromText("[a]\n"), "it is a list, and not keys with values"},
		"a number where a text is wanted": {fromText("name: 12\n"), "name takes a text, and is a number"},
	} {
		t.Run(name, func(t *testing.T) {
			if e := Merge(c.in); !strings.Contains(e.Refused, c.want) {
				t.Errorf("refused: %q, want %q", e.Refused, c.want)
			}
		})
	}
}

func TestWhatHasNoEffectIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		in        Input
		void, why string
	}{
		"a flag that is given again":      {fromArgs("--name=a", "--name=b"), "name", "the last one counts"},
		"a key that is written twice":     {fromText("name: a\nname: b\n"), "name", "follows in line 2"},
		"a key in two spellings":          {fromText("name: a\nNAME: b\n"), "name", "name in line 1 too, and counts there"},
		"a variable of no flag":           {Input{Env: []string{"ETCD_CERTFILE=/c"}}, "ETCD_CERTFILE", "knows no such variable"},
		"an empty variable":               {Input{Env: []string{"ETCD_NAME="}}, "name", "counts as none"},
		"a flag that etcd forgot":         {fromArgs("--snapshot"), "snapshot", "does nothing with it"},
		"a section of the other":          {fromText("peer-transport-security: {peer-cert-file: /c}\n"), "peer-transport-security.peer-cert-file", "it is peer-transport-security.cert-file"},
		"certificates and auto-tls alone": {fromArgs("--auto-tls", "--trusted-ca-file=/ca", "--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://127.0.0.1:1"), "trusted-ca-file", "asks clients for no certificate"},
		"a key of an older release":       {fromText("enable-v2: true\n"), "enable-v2", "etcd 3.5 has it"},
		"a flag that no file expresses":   {fromText("raft-read-timeout: 1\n"), "raft-read-timeout", "a file cannot express"},
		"a field that etcd replaces":      {fromText("ClientTLSInfo: {CertFile: /c}\n"), "ClientTLSInfo.CertFile", "client-transport-security decides"},
	} {
		t.Run(name, func(t *testing.T) {
			checkVoid(t, Merge(c.in), c.void, c.why)
		})
	}
}

func TestOnlyAutoTLSWithoutCertificatesAsksForNone(t *testing.T) {
	listen := []string{"--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://127.0.0.1:1"}
	e := Merge(fromArgs(append(listen, "--auto-tls", "--trusted-ca-file=/ca")...))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[0]), SelfMade)
	e = Merge(fromArgs(append(listen, "--auto-tls", "--trusted-ca-file=/ca", "--cert-file=/c", "--key-file=/k")...))
	checkStarts(t, e)
	checkAuth(t, e.ClientAuth(e.ListenClient[0]), OwnCA)
}

func TestAFileCountsByVariableAndRaftTimeoutsCountBesideIt(t *testing.T) {
	in := Input{
		Release: Newest(), Args: []string{"--raft-read-timeout=9s"}, Env: []string{"ETCD_CONFIG_FILE=/f"}, File: []byte("name: a\n"),
	}
	if path, origin := ConfigFile(in); path != "/f" || origin != (Origin{Environment, "ETCD_CONFIG_FILE"}) {
		t.Errorf("it reads %q, named by %+v", path, origin)
	}
	e := Merge(in)
	checkStarts(t, e)
	if got := e.setting(t, "raft-read-timeout").Value; got != "9s" {
		t.Errorf("raft-read-timeout is %s", got)
	}
	if e.DataDir != "a.etcd" {
		t.Errorf("the data directory is %q", e.DataDir)
	}
}
