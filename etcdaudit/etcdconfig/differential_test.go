package etcdconfig

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/components"
)

// documentsPerRelease is how many generated files each release is asked about.
const documentsPerRelease = 6700

// seed chooses the generated inputs, so that a difference that is found stays found.
var seed = flag.Uint64("seed", 20261127, "the seed of the generated inputs")

// releases are those that are compared, with the program that runs each.
func releases() map[components.Name]Release {
	return map[components.Name]Release{
		components.Etcd: {3, 7}, components.Etcd36: {3, 6}, components.Etcd35: {3, 5},
	}
}

// programs builds etcd of all releases.
func programs(t *testing.T) components.Binaries {
	t.Helper()
	binaries, err := components.Build(t.Context(), t.Output(), components.Etcd, components.Etcd36, components.Etcd35)
	if err != nil {
		t.Fatal(err)
	}
	return binaries
}

// answer is what etcd's own code made of a file (test/etcdserver/explain.go).
type answer struct {
	Error  string
	Fields map[string][]string
}

// A generated file has unknown keys, spellings in any case, duplicates, anchors and wrong
// types. Here embed.ConfigFromFile of each release reads it as well.
func TestFilesMeanWhatEtcdMakesOfThem(t *testing.T) {
	binaries := programs(t)
	for name, release := range releases() {
		t.Run(release.String(), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			documents := generateFiles(*seed, documentsPerRelease)
			answers := explain(t, binaries[name].Path, documents)
			t.Logf("etcd answered after %v", time.Since(began))
			rules, accepted, differences := rulesOf(release), 0, 0
			for i, want := range answers {
				if want.Error == "" {
					accepted++
				}
				difference := compareFile(rules, documents[i], want)
				if difference == "" {
					continue
				}
				t.Errorf("seed %d, document %d:\n%s\n%s", *seed, i, documents[i], difference)
				if differences++; differences == 5 {
					t.FailNow()
				}
			}
			if accepted < len(answers)/3 || accepted > len(answers)*9/10 {
				t.Errorf("etcd accepts %d of %d files: too one-sided to find much", accepted, len(answers))
			}
		})
	}
}

// explain asks etcd's code about every document. It ends its process on some of them,
// which counts as a refusal.
func explain(t *testing.T, program string, documents []string) []answer {
	t.Helper()
	var answers []answer
	dir := t.TempDir()
	starts := 0
	defer func() { t.Logf("%d answers of %d processes", len(answers), starts) }()
	for ; len(answers) < len(documents); starts++ {
		cmd := exec.CommandContext(t.Context(), program, "explain-configuration-files")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir) // it may end before it has removed what it made
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		rest := documents[len(answers):]
		go func() {
			defer in.Close()
			for _, d := range rest {
				line, _ := json.Marshal(d)
				if _, err := fmt.Fprintf(in, "%s\n", line); err != nil {
					return // the process has ended
				}
			}
		}()
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var a answer
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				t.Fatalf("the answer of %s is %q: %v", program, lines.Text(), err)
			}
			answers = append(answers, a)
		}
		err = cmd.Wait()
		if len(answers) < len(documents) {
			if err == nil || lines.Err() != nil {
				t.Fatalf("%s ended with %v, %v after %d answers", program, err, lines.Err(), len(answers))
			}
			answers = append(answers, answer{Error: "the process ends: " + err.Error()})
		}
	}
	return answers
}

// compareFile returns how this package's reading of a file differs from etcd's.
func compareFile(r *rules, content string, want answer) string {
	c := start(r)
	if notEvaluated := c.readFile("FILE", []byte(content)); notEvaluated != "" {
		return "it is not evaluated: " + notEvaluated
	}
	c.validate()
	switch {
	case c.refused == "" && want.Error != "":
		return "accepted here, etcd says: " + want.Error
	case c.refused != "" && want.Error == "":
		return "accepted by etcd, here: " + c.refused
	case want.Error != "":
		if len(content)%8 != 0 {
			return "" // one in eight costs little, and shows the same
		}
		if e := Merge(Input{Release: r.release, Args: []string{"--config-file=FILE"}, File: []byte(content)}); e.Refused == "" {
			return "Merge accepts it, etcd says: " + want.Error
		}
		return ""
	}
	compared := map[string]bool{}
	for i := range c.settings {
		s := &c.settings[i]
		field := fieldOf(s)
		if field == "" || c.cleared != "" && strings.Contains(field, "."+c.cleared+".") {
			continue
		}
		got, fields := c.values[s.name], want.Fields
		if _, known := fields[field]; !known {
			return fmt.Sprintf("etcd has no field %s for %s", field, s.name)
		}
		compared[field] = true
		if joined := strings.Join(fields[field], ","); joined != got.text() {
			return fmt.Sprintf("%s is %q here, and %q in etcd", s.name, got.text(), joined)
		}
	}
	for field := range want.Fields {
		if !compared[field] && !decidedByEtcd(field) {
			return "there is no setting for etcd's " + field
		}
	}
	return ""
}

// fieldOf returns the field of embed.Config that a setting of a file fills.
func fieldOf(s *setting) string {
	fields := map[string]string{
		"listen-peer-urls": "ListenPeerUrls", "listen-client-urls": "ListenClientUrls",
		"listen-client-http-urls": "ListenClientHttpUrls", "listen-metrics-urls": "ListenMetricsUrls",
		"initial-advertise-peer-urls": "AdvertisePeerUrls", "advertise-client-urls": "AdvertiseClientUrls",
		"cors": "CORS", "host-whitelist": "HostWhitelist", "feature-gates": "ServerFeatureGate",
		"auto-tls": "ClientAutoTLS", "peer-auto-tls": "PeerAutoTLS",
	}
	if field, found := fields[s.name]; found {
		return field
	}
	// etcdmain of 3.5 reads these itself.
	if s.path() == "" || strings.HasPrefix(s.name, "proxy") || s.name == "discovery-fallback" || s.field != nil && !s.field.shown {
		return ""
	}
	section, name, _ := strings.Cut(s.path(), ".")
	info, found := map[string]string{"client-transport-security": "ClientTLSInfo.", "peer-transport-security": "PeerTLSInfo."}[section]
	if !found {
		return s.path()
	}
	return info + map[string]string{
		"cert-file": "CertFile", "key-file": "KeyFile", "client-cert-file": "ClientCertFile", "client-key-file": "ClientKeyFile",
		"client-cert-auth": "ClientCertAuth", "trusted-ca-file": "TrustedCAFile", "allowed-cn": "AllowedCNs",
		"allowed-hostname": "AllowedHostnames", "skip-client-san-verification": "SkipClientSANVerify",
	}[name]
}

// decidedByEtcd returns whether a field is filled later or not at all.
func decidedByEtcd(field string) bool {
	_, name, _ := strings.Cut(field, ".")
	return slices.Contains([]string{"FlagsExplicitlySet", "grpc-additional-server-options", "listen-metrics-urls"}, field) ||
		slices.Contains([]string{"MinVersion", "MaxVersion", "LocalAddr"}, name)
}
