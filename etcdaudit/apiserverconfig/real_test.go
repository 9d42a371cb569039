package apiserverconfig_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// run runs a kube-apiserver that logs its flags and then finds an invalid one, before it
// does anything else. It returns the flags that it shows, nil if it refused the command line.
func run(t *testing.T, program string, args []string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// Without keys for service accounts it never goes on, and -v=1 makes it show its flags.
	out, err := exec.CommandContext(ctx, program, append(slices.Clone(args), "-v=1")...).CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("kube-apiserver %q does not end by itself: %v", args, err)
	}
	var flags map[string]string
	for _, m := range regexp.MustCompile(`FLAG: --([a-z0-9-]+)=(".*")`).FindAllStringSubmatch(string(out), -1) {
		if flags == nil {
			flags = map[string]string{}
		}
		value, err := strconv.Unquote(m[2])
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		flags[m[1]] = value
	}
	return flags
}

func TestTheCommandLineMeansWhatARealAPIServerMakesOfIt(t *testing.T) {
	opts := clustertest.Options(t, components.APIServer)
	program := opts.Binaries[components.APIServer].Path
	random := rand.New(rand.NewPCG(8, 1))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	for range 40 {
		var args []string
		for range 1 + random.IntN(6) {
			args = append(args, strings.Fields(pick(
				"--etcd-servers=https://a:1", "--etcd-servers https://b:1,https://c:1", "--etcd_servers=d", "--etcd-prefix=/x", "--etcd-prefix /y",
				"--anonymous-auth", "--anonymous-auth=false", "--anonymous-auth=T", "--anonymous_auth=0", "--anonymous-auth false",
				"--etcd-servers-overrides=/events#http://e:1", "--etcd-servers-overrides /secrets#a;b,/events#c", "--tls-cipher-suites=A,B",
				"--secure-port=1", "--secure-port 0x10", "--secure-port=x", "--bind-address=::1", "--bind-address=no",
				"--encryption-provider-config=/e", "--encryption-provider-config-automatic-reload", "--encryption-provider-config-automatic-reload=false",
				"--service-account-issuer=a,b", "--v=2", "-v2", "-etcd-prefix=/z", "--tls-min-version=VersionTLS12", "--token-auth-file=", "word",
				`--etcd-servers="q,r"`, "--audit-log-path=-", "--event-ttl=1h", "--event-ttl=1", "--contention-profiling", "--no-such-flag=1",
			))...)
		}
		want := run(t, program, args)
		got := apiserverconfig.Parse(args)
		if refused := refusedByParser(got); (want == nil) != refused {
			t.Errorf("%q: refused %v (%q, unknown %q), the API server's parser: %v", args, refused, got.Refused, got.Unknown, want == nil)
			continue
		}
		if want == nil {
			continue
		}
		for name, value := range map[string]string{
			"etcd-servers": shown(got.Given["etcd-servers"]), "etcd-prefix": got.EtcdPrefix, "anonymous-auth": fmt.Sprint(got.AnonymousAuth),
			"etcd-servers-overrides": shown(got.Given["etcd-servers-overrides"]), "tls-cipher-suites": shown(got.CipherSuites),
			"secure-port": fmt.Sprint(got.SecurePort), "bind-address": got.BindAddress, "encryption-provider-config": got.EncryptionConfig,
			"encryption-provider-config-automatic-reload": fmt.Sprint(got.EncryptionReload), "service-account-issuer": shown(got.Given["service-account-issuer"]),
			"tls-min-version": got.TLSMinVersion, "token-auth-file": got.TokenAuthFile, "audit-log-path": got.AuditLog,
		} {
			if want[name] != value {
				t.Errorf("%q: --%s is %s, for the API server %s", args, name, value, want[name])
			}
		}
	}
}

// refusedByParser reports whether the flags were refused before they were looked at
// together, which is where a real API server shows them.
func refusedByParser(c apiserverconfig.Config) bool {
	return len(c.Unknown) > 0 || c.Refused != "" && !strings.HasPrefix(c.Refused, "--")
}

// shown is how pflag shows a list: as a line of CSV.
func shown(list []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(list)
	w.Flush()
	return "[" + strings.TrimSuffix(b.String(), "\n") + "]"
}

func TestAllFlagsOfBothReleasesAreKnown(t *testing.T) {
	opts := clustertest.Options(t, components.APIServer, components.APIServer136)
	for _, name := range []components.Name{components.APIServer, components.APIServer136} {
		flags := run(t, opts.Binaries[name].Path, nil)
		if len(flags) < 150 {
			t.Fatalf("%s shows %d flags", name, len(flags))
		}
		help, err := exec.CommandContext(t.Context(), opts.Binaries[name].Path, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range slices.Sorted(maps.Keys(flags)) {
			if c := apiserverconfig.Parse([]string{"--" + flag + "=1"}); len(c.Unknown) > 0 {
				t.Errorf("%s: --%s is not known", name, flag)
			}
			// In the help text a flag without a type is a boolean.
			boolean := regexp.MustCompile(`(?m)^ +--`+flag+` {2,}[A-Z\[a-z]`).Match(help) && !bytes.Contains(help, []byte("--"+flag+" pattern"))
			c := apiserverconfig.Parse([]string{"--" + flag})
			needs := strings.Contains(c.Refused, "flag needs an argument")
			if boolean == needs && flag != "help" && flag != "version" {
				t.Errorf("%s: --%s is a boolean: %v, but needs a value: %v", name, flag, boolean, needs)
			}
		}
	}
}
