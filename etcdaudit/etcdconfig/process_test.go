package etcdconfig

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
)

// combinations is how many starts of each release are compared.
const combinations = 300

// A real etcd says with what configuration it runs, or ends.
func TestStartsMeanWhatEtcdMakesOfThem(t *testing.T) {
	binaries := programs(t)
	authority, err := cluster.NewAuthority(t.TempDir(), "clients")
	if err != nil {
		t.Fatal(err)
	}
	files, err := authority.Server("etcd")
	if err != nil {
		t.Fatal(err)
	}
	for name, release := range releases() {
		t.Run(release.String(), func(t *testing.T) {
			t.Parallel()
			var served, wrong int
			var mu sync.Mutex
			var all sync.WaitGroup
			free := make(chan struct{}, 4) // a start waits for the disk most of the time
			for i := range combinations {
				free <- struct{}{}
				all.Go(func() {
					defer func() { <-free }()
					s := starts{newGenerator(*seed, i), rulesOf(release), files}.generate()
					got := Merge(Input{Release: release, Args: s.args, Env: s.env, File: []byte(s.file)})
					want := run(t, binaries[name].Path, s, got.Refused != "")
					mu.Lock()
					defer mu.Unlock()
					if want.served {
						served++
					}
					if difference := compareStart(got, want); difference != "" && wrong < 5 {
						t.Errorf("seed %d, start %d:\n%s\n%s\netcd's last line: %s", *seed, i, s, difference, want.last)
						wrong++
					}
				})
			}
			all.Wait()
			t.Logf("etcd served in %d of %d starts", served, combinations)
			if served < combinations/3 || served > combinations*9/10 {
				t.Errorf("etcd serves in %d of %d starts: too one-sided to find much", served, combinations)
			}
		})
	}
}

// outcome is what a process has shown.
type outcome struct {
	served, ended bool
	// running is the line with the configuration, client and peer those with TLS files.
	running, client, peer map[string]any
	last                  string
}

// run starts etcd in a directory of its own and stops it when all its addresses serve, if
// it has not ended. Some of what ends it shows only after it has said that it serves: an
// end that is expected is waited for.
func run(t *testing.T, program string, s startup, ends bool) outcome {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd") // t.TempDir is too long a path for a unix socket
	if err != nil {
		t.Error(err)
		return outcome{}
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "etcd.conf.yaml"), []byte(s.file), 0o600); err != nil {
		t.Error(err)
		return outcome{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, s.args...)
	cmd.Dir, cmd.Env = dir, s.env
	read, write, err := os.Pipe()
	if err != nil {
		t.Error(err)
		return outcome{}
	}
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	defer read.Close()
	if err != nil {
		t.Error(err)
		return outcome{}
	}
	defer cmd.Wait() // its error says only that it was killed or has ended
	defer cmd.Process.Kill()
	var o outcome
	serving, addresses := 0, 1
	lines := bufio.NewScanner(read)
	lines.Buffer(nil, 1<<20)
	for (serving < addresses || ends) && lines.Scan() {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			o.last = lines.Text()
			continue
		}
		o.last = lines.Text()
		switch message := fmt.Sprint(line["msg"]); {
		case message == "starting an etcd server":
			o.running = line
			addresses = len(strings.Fields(fmt.Sprint(line["listen-client-urls"])))
		case message == "starting with client TLS":
			o.client = line
		case message == "starting with peer TLS":
			o.peer = line
		case strings.HasPrefix(message, "serving client traffic"):
			if serving++; serving == addresses && ends {
				time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() }) // so that the loop ends
			}
		case line["level"] == "fatal":
			o.ended = true
		}
	}
	o.served = serving == addresses && !o.ended
	if ctx.Err() != nil {
		t.Errorf("it neither served nor ended within five minutes:\n%s\nits last line: %s", s, o.last)
	}
	return o
}

// compareStart returns how this package's reading of a start differs from what etcd did.
func compareStart(got Effective, want outcome) string {
	switch {
	case got.NotEvaluated != "":
		return "it is not evaluated: " + got.NotEvaluated
	case got.Refused != "" && want.served:
		return "etcd serves, here: " + got.Refused
	case got.Refused == "" && !want.served:
		return "etcd ends, here it is accepted"
	case !want.served:
		return ""
	}
	shown := map[string]string{}
	for _, s := range got.Settings {
		shown[s.Name] = s.Value
	}
	for field, text := range logged(got.Release, shown) {
		if value, found := want.running[field]; !found || joined(value) != text {
			return fmt.Sprintf("%s is %q here, and %q in etcd", field, text, joined(value))
		}
	}
	for _, of := range []struct {
		line map[string]any
		tls  TLS
	}{{want.client, got.Client}, {want.peer, got.Peer}} {
		if difference := compareTLS(of.line, of.tls, got.CipherSuites); difference != "" {
			return difference
		}
	}
	return ""
}

func compareTLS(line map[string]any, tls TLS, suites []string) string {
	if made := tls.Cert == "" && tls.Key == ""; made {
		if (line != nil) != tls.AutoTLS {
			return fmt.Sprintf("auto-tls is %t here, and etcd says %v", tls.AutoTLS, line)
		}
		return ""
	}
	text := fmt.Sprintf("cert = %s, key = %s, client-cert=%s, client-key=%s, trusted-ca = %s, client-cert-auth = %v, crl-file = %s",
		tls.Cert, tls.Key, tls.ClientCert, tls.ClientKey, tls.TrustedCA, tls.ClientCertAuth, tls.CRL)
	if line["tls-info"] != text {
		return fmt.Sprintf("TLS is %q here, and %q in etcd", text, line["tls-info"])
	}
	if joined(line["cipher-suites"]) != strings.Join(suites, ",") {
		return fmt.Sprintf("suites are %q here, and %q in etcd", suites, line["cipher-suites"])
	}
	return ""
}

// joined returns a value of a log line as a flag would take it.
func joined(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case []any:
		all := make([]string, len(x))
		for i := range x {
			all[i] = fmt.Sprint(x[i])
		}
		return strings.Join(all, ",")
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// logged returns the fields of etcd's line "starting an etcd server" as settings make them.
func logged(r Release, shown map[string]string) map[string]string {
	fields := map[string]string{}
	for _, name := range []string{
		"name", "data-dir", "wal-dir", "force-new-cluster", "initial-election-tick-advance", "snapshot-count", "max-wals", "max-snapshots",
		"initial-advertise-peer-urls", "listen-peer-urls", "advertise-client-urls", "listen-client-urls", "listen-metrics-urls", "cors", "host-whitelist",
		"initial-cluster", "initial-cluster-state", "initial-cluster-token", "max-request-bytes", "max-concurrent-streams", "pre-vote", "auto-compaction-mode",
	} {
		fields[name] = shown[name]
	}
	fields["quota-backend-bytes"] = shown["quota-backend-bytes"]
	if shown["quota-backend-bytes"] == "0" {
		fields["quota-backend-bytes"] = "2147483648"
	}
	tick, _ := time.ParseDuration(shown["heartbeat-interval"] + "ms")
	fields["heartbeat-interval"] = tick.String()
	if r.Minor == 5 {
		fields["snapshot-catchup-entries"] = shown["experimental-snapshot-catchup-entries"]
		fields["corrupt-check-time-interval"] = shown["experimental-corrupt-check-time"]
		fields["initial-corrupt-check"] = shown["experimental-initial-corrupt-check"]
		fields["downgrade-check-interval"] = shown["experimental-downgrade-check-time"]
		return fields
	}
	fields["snapshot-catchup-entries"] = shown["snapshot-catchup-entries"]
	fields["corrupt-check-time-interval"] = shown["corrupt-check-time"]
	fields["downgrade-check-interval"] = shown["downgrade-check-time"]
	fields["max-learners"] = shown["max-learners"]
	fields["feature-gates"] = shown["feature-gates"]
	fields["v2-deprecation"] = shown["v2-deprecation"]
	for _, name := range []string{"discovery-dial-timeout", "discovery-insecure-transport", "discovery-cert", "discovery-keepalive-time"} {
		fields[name] = shown[name]
	}
	return fields
}
