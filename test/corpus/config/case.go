// Package config is the labelled corpus of configurations: what is given, what is right,
// and what decides that. README.md says how to read a case.
//
// The labels are checked by clients and servers that are not ours: curl, openssl, etcd's own
// client, the processes themselves. It must never take a label from the product's verdict.
package config

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/internal/check"
)

//go:embed cases/*.yaml
var files embed.FS

// Case is one input and what is right about it. Exactly one of Etcd, APIServer, Encryption
// and Host is given.
type Case struct {
	Name  string
	Title string
	// Source is the public report, document or code that the mistake is from.
	Source string

	Etcd      *EtcdInput
	APIServer *APIServerInput
	Host      *HostInput
	// Encryption is an EncryptionConfiguration that the API server's own code loads, and Keys
	// what is in the etcd that is compared with it; empty where none is scanned.
	Encryption string
	Keys       []string

	// Expect is the right status of each rule that the case is about, by id.
	Expect map[string]check.Status
	// By says what decides a label that no client of the live process can decide.
	By map[string]string
	// Remedy is a part of what has to be done first, by rule: the file or unit that it names.
	Remedy map[string]string

	from string
}

// EtcdInput is what a real etcd is started with. Words that begin with $ are replaced, see
// README.md.
type EtcdInput struct {
	Release string // "3.7" by default, "3.6", "3.5"
	Args    string // separated by white space
	Env     map[string]string
	// File is the content of $file.
	File string
	// Then is done while it runs, before it is looked at: see after.go.
	Then string
	// Front ends TLS at $client and goes on to etcd at $behind; nil for nothing. GRPCProxy
	// are the arguments of etcd's own grpc-proxy, which does the same.
	Front     *Front
	GRPCProxy string
	// Users is the identity of the CA that an API server on the same node takes users from;
	// empty where there is none.
	Users string
	// Known are the identities that the auditor is given with --probe-cert, and Own its
	// own, "apiserver" by default and "none" for none. The oracle knows them all.
	Known []string
	Own   string
	// Peer is the identity of a member, "peer" by default and "none" for none. The auditor
	// is given it with the label "peer".
	Peer string
	// Enumerate is set where versions and suites are looked at, which takes seconds.
	Enumerate bool
}

func (e EtcdInput) peer() string { return orNone(e.Peer, "peer") }

func (e EtcdInput) own() string { return orNone(e.Own, "apiserver") }

func orNone(name, otherwise string) string {
	switch name {
	case "":
		return otherwise
	case "none":
		return ""
	}
	return name
}

// Front is a proxy written in Go, which serves what etcd cannot: versions before 1.2, and
// suites that etcd does not know.
type Front struct {
	Min, Max string // "1.0", "1.1", "1.2", "1.3"; empty for Go's
	Suites   []string
	Cert     string // an identity; "server" by default
	ClientCA string // an identity; empty if no certificate is demanded
	// Verify is how clients' certificates are verified: as they should be by default, by
	// the issuer's "name" only, or "not" at all.
	Verify string
	As     string // the identity that etcd gets to see; empty for plaintext
}

// APIServerInput is what a real kube-apiserver is started with, beside what every one needs.
type APIServerInput struct {
	Args string
	// Authorization are its flags about authorization, --authorization-mode=RBAC by default
	// and "none" for none.
	Authorization string
	// Encryption is its EncryptionConfiguration, and Files are others, by name in $dir.
	Encryption string
	Files      map[string]string
	// Then replaces the EncryptionConfiguration while it runs.
	Then string
	// Events is set where a second etcd, without TLS, runs at $events.
	Events bool
	// Scanned are those of "etcd" and "events" that the auditor reads.
	Scanned []string
	// WithoutMetrics is set where the auditor is not given the API server's metrics.
	WithoutMetrics bool
}

// HostInput is a recorded tree of a host's files, and of its processes.
type HostInput struct {
	Files     map[string]string // by absolute path
	Processes []Recorded
	Owners    map[string]Owner // of files and directories, by absolute path; others are root's, 0600 and 0700
	Sockets   map[string]Owner // unix sockets, by absolute path
}

// Owner is whom a directory or a socket belongs to, and its permissions.
type Owner struct {
	UID, GID int
	Mode     uint32 // in decimal: 448 is 0700
}

// Recorded is a process as /proc shows it.
type Recorded struct {
	Exe      string
	Args     string
	Env      map[string]string
	UID, GID int
	// Version is the release in its program, which no tree of files can record.
	Version string
}

// Cases returns all cases, in the order of their files.
func Cases() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.yaml")
	if err != nil {
		return nil, err
	}
	var all []Case
	seen := map[string]bool{}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var group []Case
		if err := yaml.UnmarshalStrict(text, &group); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range group {
			c.from = path.Base(name)
			if err := c.valid(); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, c.Name, err)
			}
			if seen[c.Name] {
				return nil, fmt.Errorf("%s: there are two cases %s", name, c.Name)
			}
			seen[c.Name] = true
			all = append(all, c)
		}
	}
	return all, nil
}

func (c Case) valid() error {
	given := 0
	for _, is := range []bool{c.Etcd != nil, c.APIServer != nil, c.Host != nil, c.Encryption != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("one of etcd, apiServer, encryption and host is needed")
	case c.Title == "" || c.Source == "":
		return errors.New("title and source are needed")
	case len(c.Expect) == 0:
		return errors.New("nothing is expected")
	}
	for id := range c.By {
		if _, ok := c.Expect[id]; !ok {
			return fmt.Errorf("by names %s, which is not expected", id)
		}
	}
	for id := range c.Remedy {
		if !c.Expect[id].Finding() {
			return fmt.Errorf("remedy names %s, which is expected to find nothing", id)
		}
	}
	return nil
}

// Rules returns the ids of the rules that the case is about.
func (c Case) Rules() []string { return slices.Sorted(maps.Keys(c.Expect)) }

// words splits a command line of a case.
func words(s string) []string { return strings.Fields(s) }
