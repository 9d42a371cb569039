// Package etcdconfig says what configuration an etcd runs with: command line,
// environment, --config-file and the defaults of its release, merged as etcd itself
// merges them. It is pure: its caller reads the file and the process.
//
// Sources: etcd's server/etcdmain/config.go and server/embed/config.go of 3.5, 3.6 and
// 3.7. The package never imports them: embed brings 31 modules, ends the process on some
// input, and reads this process's own environment.
package etcdconfig

// Release is a minor release of etcd, such as 3.7. The zero value is one that is not known.
type Release struct{ Major, Minor int }

// Input is what an etcd was started with.
type Input struct {
	// Release decides on flags, types and defaults. The zero value is read as Newest.
	Release Release
	// Args are the arguments after the program's name.
	Args []string
	// Env has entries "NAME=value". Of a name that is there twice the first counts, as in
	// /proc/PID/environ to a Go program.
	Env []string
	// File is the content of the file that ConfigFile names. FileErr is why it could not
	// be read; empty if it could, or if there is none.
	File    []byte
	FileErr string
}

// Kind is where a value comes from.
type Kind uint8

// Where a value can come from.
const (
	Default Kind = iota + 1
	Flag
	Environment
	File
)

// Origin is where a value was written.
type Origin struct {
	Kind Kind
	// Text is what is shown: "--cert-file", "ETCD_CERT_FILE",
	// "client-transport-security.cert-file in /etc/etcd/etcd.conf.yaml, line 12",
	// "default of etcd 3.7".
	Text string
}

// Setting is one setting that is in force.
type Setting struct {
	// Name is that of the flag, without dashes. What only a file can express has the
	// path of its keys.
	Name string
	// Value is in the form that the flag takes. Lists are joined with commas.
	Value  string
	Origin Origin
}

// Void is something that was written and has no effect.
type Void struct {
	// Name is that of the flag, also for a variable, which Origin names. What belongs to no
	// flag has the name that was written: the variable, or the path of keys.
	Name, Value string
	Origin      Origin
	// Why is one clause: "a configuration file is used, and etcd then ignores flags",
	// "no such key: TLS settings of clients stand in client-transport-security".
	Why string
}

// Effective is what an etcd runs with.
type Effective struct {
	Release Release
	// Assumed is set where Input had no release that is known here: Release is then one that
	// does not refuse the input, if there is one.
	Assumed bool
	// Refused is why etcd would not start with this input; empty if it would. The settings
	// are then those that were understood until there.
	Refused string
	// NotEvaluated is why nothing can be said (the file could not be read).
	NotEvaluated string
	// Settings are all settings of the release, by name.
	Settings []Setting
	Voids    []Void

	ListenClient, ListenClientHTTP, ListenPeer, ListenMetrics []string
	AdvertiseClient, AdvertisePeer                            []string
	Client, Peer                                              TLS
	DataDir, WALDir                                           string
	// TLSMinVersion and TLSMaxVersion are as written: "TLS1.2", "TLS1.3", "".
	TLSMinVersion, TLSMaxVersion string
	CipherSuites                 []string
	LogLevel                     string
	// Pprof is whether profiles are served to clients: enable-pprof, or log-level debug.
	Pprof bool
}

// TLS is what one section of the configuration asks for.
type TLS struct {
	Cert, Key, ClientCert, ClientKey, TrustedCA, CRL string
	ClientCertAuth, AutoTLS, SkipClientSANVerify     bool
	AllowedCNs, AllowedHostnames                     []string
}

// Auth is what a listener demands of clients.
type Auth uint8

// What a listener demands of clients (client/pkg/transport/listener.go).
const (
	// Nothing: no certificate is asked for.
	Nothing Auth = iota + 1
	// OwnCA: a certificate of the CA in the file TrustedCA. A CA alone is enough, whatever
	// client-cert-auth says.
	OwnCA
	// SystemCAs: a certificate of any CA of the system's roots, because client-cert-auth
	// is set without a CA file.
	SystemCAs
	// SelfMade: auto-tls. etcd makes a certificate of its own and asks for none.
	SelfMade
)
