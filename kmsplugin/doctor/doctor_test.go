package doctor

import (
	"flag"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/internal/vaultfacts"
	"github.com/sealproof/sealproof/test/golden"
)

var update = flag.Bool("update", false, "write the golden files anew")

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// sound is a node with nothing wrong on it. Every call returns facts of its own.
func sound() Facts {
	cert := vaultfacts.Certificate{Subject: "CN=vault", NotBefore: noon().Add(-time.Hour), NotAfter: noon().AddDate(1, 0, 0)}
	private := hostfacts.Path{Exists: true, Mode: 0o600, UID: 998, GID: 990, Owner: "kmsplugin"}
	way := []hostfacts.Path{{Exists: true, Mode: fs.ModeDir | 0o755, Owner: "root"}, {Exists: true, Mode: fs.ModeDir | 0o750, GID: 990, Owner: "root"}}
	return Facts{
		Now:    noon(),
		Config: Config{Envelope: "local", OnRefusal: "withhold", RequestTimeout: 2500 * time.Millisecond, Lease: 24 * time.Hour},
		Node: Node{
			Plugin:     &hostfacts.Process{PID: 4711},
			Rights:     &hostfacts.Rights{UID: 998, GIDs: []int{990}},
			APIServers: []APIServer{{Process: hostfacts.Process{PID: 815, Rights: hostfacts.Rights{UID: 997, GIDs: []int{997, 990}}}, Finds: hostfacts.Seen{Exists: true, Same: true}}},
		},
		Socket: Socket{Answer: Answer{Serving: true, OnRefusal: "withhold"}, Socket: hostfacts.Socket{
			Path: "/run/kmsplugin/sealproof.sock", Listens: true, Group: "kms",
			Dir:  hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o750, UID: 998, GID: 990, Owner: "kmsplugin"},
			File: hostfacts.Path{Exists: true, Mode: fs.ModeSocket | 0o660, UID: 998, GID: 990, Owner: "kmsplugin"},
		}},
		Files: []File{
			{Key: "vault.ca-file", Name: "/etc/kmsplugin/ca.crt", Path: hostfacts.Path{Exists: true, Mode: 0o644, Owner: "root"}, Certificates: []vaultfacts.Certificate{cert}},
			{Key: "vault.auth.secret-id-file", Name: "/etc/kmsplugin/secret-id", Secret: true, Path: private, Parent: hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o755}, Way: way},
		},
		Vaults: []vaultfacts.Vault{{
			Section: "vault", KeyPath: "transit/k",
			Addresses: []vaultfacts.Address{{
				URL: "https://vault.example.com:8200", Host: "vault.example.com", IPs: []string{"192.0.2.1"},
				TLSVersion: "TLS 1.3", Chain: []vaultfacts.Certificate{cert}, Version: "1.21.0", Initialised: true, ClockKnown: true,
			}},
			Login:   vaultfacts.Login{Method: "approle"},
			Needed:  []vaultfacts.Capability{{Path: "transit/keys/k", Want: []string{"read"}, Have: []string{"read"}}, {Path: "transit/encrypt/k", Want: []string{"update"}, Have: []string{"update"}}},
			TooMuch: []vaultfacts.Capability{{Path: "transit/keys/k/config", Have: []string{"deny"}, Meaning: "deletion can be allowed"}},
			Trials:  []vaultfacts.Trial{{What: "encrypt"}, {What: "decrypt"}},
			Key:     vaultfacts.Key{Type: "aes256-gcm96", Latest: 2, Versions: 2, MinDecryption: 1},
			Audit:   vaultfacts.Audit{Devices: []string{"file/ (file)"}},
		}},
		Encryption: &Encryption{File: "/etc/kubernetes/enc.yaml", Secrets: []Provider{
			{Kind: "kms v2", Name: "sealproof", Endpoint: "unix:///run/kmsplugin/sealproof.sock", Timeout: 3 * time.Second},
		}},
	}
}

func TestASoundNodePassesEverything(t *testing.T) {
	results := Examine(sound())
	for _, r := range results {
		if r.Outcome != check.Pass || r.Why != "" || r.Do != "" {
			t.Errorf("%+v", r)
		}
	}
	if status := ExitStatus(results); status != 0 {
		t.Errorf("exit status %d", status)
	}
	// A rule without a result is missing, or passes silently.
	for _, c := range rules() {
		if !slices.ContainsFunc(results, func(r Result) bool { return r.ID == c.ID }) {
			t.Errorf("%s says nothing", c.ID)
		}
	}
}

// TestEachFaultIsFound breaks one thing at a time, and wants that check to
// complain, and only that, in words that name it.
func TestEachFaultIsFound(t *testing.T) {
	type facts = *Facts
	vault := func(f facts) *vaultfacts.Vault { return &f.Vaults[0] }
	address := func(f facts) *vaultfacts.Address { return &f.Vaults[0].Addresses[0] }
	key := func(f facts) *vaultfacts.Key { return &f.Vaults[0].Key }
	met := map[string]bool{}
	for _, row := range []struct {
		name    string
		breaks  func(facts)
		id      string
		outcome check.Status
		says    string
	}{
		{"refusals are treated as outages", func(f facts) {
			f.Config.OnRefusal, f.Socket.Answer.OnRefusal = "lease", "lease"
		}, "KD-101", check.Warn, "used for up to 24h0m0s"},
		{"a deleted key is lost at once", func(f facts) {
			f.Config.OnRefusal, f.Socket.Answer.OnRefusal = "drop", "drop"
		}, "KD-101", check.Warn, "lost for good within a minute"},
		{"the file was changed and not read", func(f facts) { f.Socket.Answer.OnRefusal = "lease" }, "KD-101", check.Warn, "says withhold, the running plugin uses lease"},
		{"a refused key is served", func(f facts) { f.Socket.Answer.ServesRefused = true }, "KD-202", check.Fail, "a key that Vault refuses"},
		{"an outage is reported in healthz", func(f facts) { f.Config.ReportAfter = time.Hour }, "KD-101", check.Warn, "takes itself out of service"},
		{"requests outlast the API server", func(f facts) {
			f.Config.RequestTimeout = 3 * time.Second
		}, "KD-101", check.Warn, "request-timeout"},

		{"swap is on", func(f facts) { f.Node.Swap = []string{"/dev/sda2"} }, "KD-110", check.Warn, "/dev/sda2"},
		{"memory was to be locked and is not", func(f facts) { f.Node.Swap, f.Config.LockMemory = []string{"/dev/sda2"}, true }, "KD-110", check.Warn, "not locked"},
		{"swap cannot be seen", func(f facts) { f.Node.SwapErr = "no /proc" }, "KD-110", check.NotEvaluated, "no /proc"},
		{"core files are written", func(f facts) { f.Node.Plugin.CoreLimit = math.MaxUint64 }, "KD-111", check.Fail, "unlimited"},
		{"the process cannot be seen", func(f facts) { f.Node.Plugin, f.Node.PluginErr = nil, "another namespace" }, "KD-111", check.NotEvaluated, "another namespace"},
		{"no plugin runs", func(f facts) { f.Node.Plugin = nil }, "KD-111", check.NotEvaluated, "no plugin listens"},

		{"the socket's directory is missing", func(f facts) { f.Socket.Dir = hostfacts.Path{} }, "KD-201", check.Fail, "does not exist"},
		{"every user may write there", func(f facts) { f.Socket.Dir.Mode |= 0o002 }, "KD-201", check.Fail, "every user may write"},
		{"the directory is a file", func(f facts) { f.Socket.Dir.Mode = 0o644 }, "KD-201", check.Fail, "regular file"},
		{"the directory is another user's", func(f facts) { f.Socket.Dir.UID, f.Socket.Dir.Owner = 1000, "bob" }, "KD-201", check.Warn, "bob"},
		{"the directory cannot be looked at", func(f facts) { f.Socket.Dir = hostfacts.Path{Err: "permission denied"} }, "KD-201", check.NotEvaluated, "permission denied"},
		{"the socket is stale", func(f facts) { f.Socket.Listens, f.Socket.Stale = false, true }, "KD-202", check.Fail, "no process listens"},
		{"systemd holds the socket of a plugin that does not run", func(f facts) { f.Socket.Answer = Answer{Err: "no answer within 5s"} }, "KD-202", check.Fail, "no plugin answers: no answer within 5s"},
		{"the plugin does not serve", func(f facts) { f.Socket.Answer = Answer{Reason: "the lease has ended"} }, "KD-202", check.Fail, "does not serve: the lease has ended"},
		{"the plugin only reads", func(f facts) { f.Socket.Answer.Reason = "Vault refuses the key" }, "KD-202", check.Warn, "encrypts nothing new: Vault refuses the key"},
		{"one may not ask", func(f facts) {
			f.Socket.Answer, f.Config.AllowUIDs = Answer{Err: "closed"}, []int{997}
		}, "KD-202", check.NotEvaluated, "does not list this user (uid 0)"},
		{"one may ask and hears nothing", func(f facts) {
			f.Socket.Answer, f.Config.AllowUIDs = Answer{Err: "closed"}, []int{0, 997}
		}, "KD-202", check.Fail, "closed"},
		{"one may not connect", func(f facts) { f.Socket.Listens, f.Socket.ConnectErr = false, "permission denied" }, "KD-202", check.NotEvaluated, "permission denied"},
		{"every user may connect", func(f facts) { f.Socket.File.Mode |= 0o006 }, "KD-203", check.Fail, "every user"},
		{"people may connect", func(f facts) { f.Socket.Members = []string{"alice"} }, "KD-203", check.Warn, "group kms (alice)"},
		{"the API server may not enter the directory", func(f facts) { f.Socket.Dir.GID = 998 }, "KD-204", check.Fail, "may not enter the socket's directory"},
		{"the API server is not in the socket's group", func(f facts) { f.Socket.File.GID = 998 }, "KD-204", check.Fail, "may not connect (mode 0660, kmsplugin, group kms)"},
		{"the API server's own class grants less", func(f facts) {
			f.Socket.File.UID, f.Socket.File.Mode = 997, fs.ModeSocket|0o460
		}, "KD-204", check.Fail, "may not connect"},
		{"the API server is root without its capability", func(f facts) {
			f.Node.APIServers[0].Rights = hostfacts.Rights{GIDs: []int{0}}
		}, "KD-204", check.Fail, "may not enter"},
		{"one of two API servers may not connect", func(f facts) {
			f.Node.APIServers = append(f.Node.APIServers, APIServer{Process: hostfacts.Process{PID: 816, Rights: hostfacts.Rights{UID: 1000}}, Finds: hostfacts.Seen{Exists: true, Same: true}})
		}, "KD-204", check.Fail, "process 816, uid 1000"},
		{"the socket's directory is not mounted", func(f facts) { f.Node.APIServers[0].Finds = hostfacts.Seen{} }, "KD-204", check.Fail, "finds no socket"},
		{"an older directory is mounted", func(f facts) { f.Node.APIServers[0].Finds.Same = false }, "KD-204", check.Fail, "finds another file"},
		{"what the API server finds is not seen", func(f facts) { f.Node.APIServers[0].Finds = hostfacts.Seen{Err: "permission denied"} }, "KD-204", check.NotEvaluated, "permission denied"},
		{"allow-uids leaves the API server out", func(f facts) { f.Config.AllowUIDs = []int{0} }, "KD-204", check.Fail, "does not list its user"},
		{"allow-uids names an unknown user", func(f facts) { f.Config.AllowUIDsErr = "unknown user kube" }, "KD-204", check.Fail, "unknown user kube"},
		{"no API server is seen", func(f facts) { f.Node.APIServers = nil }, "KD-204", check.NotEvaluated, "no kube-apiserver runs here"},
		{"no process is seen", func(f facts) { f.Node.APIServersErr = "no /proc" }, "KD-204", check.NotEvaluated, "no /proc"},

		{"a file is missing", func(f facts) { f.Files[1].Path = hostfacts.Path{} }, "KD-301", check.Fail, "secret-id-file /etc/kmsplugin/secret-id"},
		{"others read a secret", func(f facts) { f.Files[1].Path.Mode = 0o640 }, "KD-301", check.Fail, "mode 0640"},
		{"others write to a file", func(f facts) { f.Files[0].Path.Mode = 0o664 }, "KD-301", check.Fail, "write to it"},
		{"others replace a file", func(f facts) { f.Files[1].Parent.Mode |= 0o002 }, "KD-301", check.Fail, "its directory has mode"},
		{"a file is a directory", func(f facts) { f.Files[1].Path.Mode = fs.ModeDir | 0o700 }, "KD-301", check.Fail, "directory"},
		{"a file is empty", func(f facts) { f.Files[1].Empty = true }, "KD-301", check.Fail, "empty"},
		{"a file cannot be read", func(f facts) { f.Files[1].OpenErr = "permission denied" }, "KD-301", check.NotEvaluated, "permission denied"},
		{"a file cannot be looked at", func(f facts) { f.Files[1].Path.Err = "permission denied" }, "KD-301", check.NotEvaluated, "permission denied"},
		{"a secret is another user's", func(f facts) {
			f.Node.Rights.Unbound, f.Files[1].Path.UID, f.Files[1].Path.Owner = true, 1000, "bob"
		}, "KD-301", check.Warn, "bob"},
		{"a secret is root's alone", func(f facts) { f.Files[1].Path.UID, f.Files[1].Path.Owner = 0, "root" }, "KD-301", check.Fail, "the plugin (uid 998) may not read it (mode 0600, root)"},
		{"the plugin may not read a file", func(f facts) { f.Files[0].Path.Mode = 0o600 }, "KD-301", check.Fail, "may not read it"},
		{"the plugin may not reach a file", func(f facts) { f.Files[1].Way[0].Mode = fs.ModeDir | 0o700 }, "KD-301", check.Fail, "may not enter a directory above it (mode 0700, root)"},
		{"the plugin's group may not reach a file", func(f facts) { f.Node.Rights.GIDs = nil }, "KD-301", check.Fail, "may not enter a directory above it (mode 0750, root)"},
		{"it is not known whose rights the plugin has", func(f facts) { f.Node.Rights = nil }, "KD-301", check.NotEvaluated, "the plugin's user and groups are unknown"},
		{"a CA has expired", func(f facts) { f.Files[0].Certificates[0].NotAfter = noon() }, "KD-302", check.Fail, "expired on"},
		{"a CA expires soon", func(f facts) {
			f.Files[0].Certificates[0] = vaultfacts.Certificate{NotBefore: noon().AddDate(-1, 0, 0), NotAfter: noon().Add(50 * time.Hour)}
		}, "KD-302", check.Warn, "in 50h"},

		{"the name is unknown", func(f facts) { address(f).ResolveErr = "no such host" }, "KD-401", check.Fail, "not resolved: no such host"},
		{"nothing answers", func(f facts) { address(f).ConnectErr = "connection refused" }, "KD-401", check.Fail, "connection refused"},
		{"TLS fails", func(f facts) { address(f).TLSErr = "unknown authority" }, "KD-401", check.Fail, "unknown authority"},
		{"something else answers", func(f facts) { address(f).HealthErr = "HTTP status 200 and no health in it" }, "KD-401", check.Fail, "not Vault's"},
		{"Vault is sealed", func(f facts) { address(f).Sealed = true }, "KD-401", check.Fail, "sealed"},
		{"Vault is empty", func(f facts) { address(f).Initialised = false }, "KD-401", check.Fail, "not initialised"},
		{"one node of two is sealed", func(f facts) {
			other := *address(f)
			other.URL, other.Sealed = "https://b:8200", true
			vault(f).Addresses = append(vault(f).Addresses, other)
		}, "KD-401", check.Warn, "https://b:8200"},
		{"Vault's certificate has expired", func(f facts) { address(f).Chain[0].NotAfter = noon().Add(-time.Hour) }, "KD-402", check.Fail, "expired on"},
		{"Vault's certificate is not valid yet", func(f facts) { address(f).Chain[0].NotBefore = noon().Add(time.Hour) }, "KD-402", check.Fail, "valid only from"},
		{"the clocks differ", func(f facts) { address(f).Ahead = -10 * time.Minute }, "KD-403", check.Warn, "-10m0s"},
		{"Vault is a Service of a cluster", func(f facts) { address(f).Host = "vault.vault.svc" }, "KD-404", check.Fail, "vault.vault.svc"},
		{"its name leads to one", func(f facts) { address(f).Canonical = "vault.vault.svc.cluster.local." }, "KD-404", check.Fail, "cluster.local"},
		{"an API server reviews the login", func(f facts) { vault(f).Login.Method, vault(f).Login.Reviewer = "kubernetes", "https://10.0.0.1:6443" }, "KD-404", check.Warn, "https://10.0.0.1:6443"},
		{"an unknown one does", func(f facts) { vault(f).Login.Method = "kubernetes" }, "KD-404", check.Warn, "could not be read"},
		{"the JWT is a cluster's", func(f facts) { vault(f).Login.Issuer = "https://kubernetes.default.svc.cluster.local" }, "KD-404", check.Warn, "issued by a cluster"},

		{"a right is missing", func(f facts) { vault(f).Needed[1].Have = []string{"deny"} }, "KD-501", check.Fail, "update is missing"},
		{"create is allowed", func(f facts) { vault(f).Needed[1].Have = []string{"create", "update"} }, "KD-502", check.Fail, "silently create a deleted key"},
		{"too much is allowed", func(f facts) { vault(f).TooMuch[0].Have = []string{"sudo", "update"} }, "KD-502", check.Fail, "sudo, update is allowed: deletion can be allowed"},
		{"the token is root", func(f facts) { vault(f).Needed[0].Have, vault(f).Needed[1].Have = []string{"root"}, []string{"root"} }, "KD-502", check.Fail, "root token"},
		{"a request fails", func(f facts) { vault(f).Trials[1].Err = "permission denied" }, "KD-503", check.Fail, "decrypt: permission denied"},
		{"nothing is audited", func(f facts) { vault(f).Audit.Devices = nil }, "KD-504", check.Fail, "no audit device"},
		{"the token may not look itself up", func(f facts) { vault(f).Login.SelfLookupErr = "permission denied" }, "KD-505", check.Fail, "may not look itself up: permission denied"},
		{"auditing cannot be seen", func(f facts) { vault(f).Audit.Err = "permission denied" }, "KD-504", check.NotEvaluated, "permission denied"},

		{"the key has a wrong type", func(f facts) { key(f).Type = "rsa-2048" }, "KD-601", check.Fail, "rsa-2048"},
		{"the key is derived", func(f facts) { key(f).Derived = true }, "KD-601", check.Fail, "derived"},
		{"the key is convergent", func(f facts) { key(f).Convergent = true }, "KD-601", check.Fail, "convergent"},
		{"the key was imported", func(f facts) { key(f).ImportedKey = true }, "KD-601", check.Warn, "imported"},
		{"the key can be deleted", func(f facts) { key(f).DeletionAllowed = true }, "KD-602", check.Fail, "deletion_allowed"},
		{"the key can be exported", func(f facts) { key(f).Exportable = true }, "KD-603", check.Fail, "exportable is on"},
		{"the key can be backed up in the clear", func(f facts) { key(f).AllowPlaintextBackup = true }, "KD-603", check.Fail, "allow_plaintext_backup is on"},
		{"old versions do not decrypt", func(f facts) { key(f).MinDecryption = 2 }, "KD-604", check.Warn, "min_decryption_version is 2 of 2"},
		{"versions were trimmed", func(f facts) { key(f).MinAvailable = 2 }, "KD-604", check.Fail, "trimmed"},
		{"an old version has no local KEK", func(f facts) { key(f).MinEncryption = 2 }, "KD-604", check.Warn, "derives no local KEK for version 1,"},
		{"old versions have no local KEK", func(f facts) { key(f).Latest, key(f).MinEncryption = 4, 4 }, "KD-604", check.Warn, "derives no local KEK for versions 1 to 3,"},
		{"some decrypt, fewer are derived", func(f facts) { key(f).Latest, key(f).MinDecryption, key(f).MinEncryption = 4, 2, 3 }, "KD-604", check.Warn, "derives no local KEK for version 2,"},
		{"nothing may encrypt", func(f facts) { key(f).MinEncryption = 3 }, "KD-604", check.Fail, "nothing can be encrypted"},
		{"the key rotates daily", func(f facts) { key(f).AutoRotate = 24 * time.Hour }, "KD-605", check.Warn, "every 24h"},

		{"the EncryptionConfiguration was not named", func(f facts) { f.Encryption = nil }, "KD-701", check.NotEvaluated, "no file was named"},
		{"it is no EncryptionConfiguration", func(f facts) { f.Encryption.Err = "want kind EncryptionConfiguration" }, "KD-701", check.Fail, "want kind"},
		{"it has another endpoint", func(f facts) { f.Encryption.Secrets[0].Endpoint = "unix:///run/other.sock" }, "KD-701", check.Fail, "no provider of Secrets has the endpoint"},
		{"it does not name Secrets", func(f facts) { f.Encryption.Secrets = nil }, "KD-701", check.Fail, "no provider of Secrets"},
		{"it speaks KMS v1", func(f facts) { f.Encryption.Secrets[0].Kind = "kms v1" }, "KD-701", check.Fail, "apiVersion: v2"},
		{"it gives up too early", func(f facts) { f.Encryption.Secrets[0].Timeout = time.Second }, "KD-701", check.Fail, "less than the plugin's request-timeout"},
		{"identity writes", func(f facts) {
			f.Encryption.Secrets = slices.Insert(f.Encryption.Secrets, 0, Provider{Kind: "identity"})
		}, "KD-701", check.Fail, "plaintext"},
		{"another provider writes", func(f facts) {
			f.Encryption.Secrets = slices.Insert(f.Encryption.Secrets, 0, Provider{Kind: "aescbc", Name: "k1"})
		}, "KD-701", check.Warn, "aescbc k1 comes first"},
		{"identity still reads", func(f facts) { f.Encryption.Secrets = append(f.Encryption.Secrets, Provider{Kind: "identity"}) }, "KD-701", check.Warn, "still among"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := sound()
			row.breaks(&f)
			found := false
			for _, r := range Examine(f) {
				text := strings.Join([]string{r.Title, r.Subject + ": " + r.Found, r.Why, r.Do}, " ")
				switch {
				case r.Outcome == check.Pass:
				case r.ID != row.id || r.Outcome != row.outcome:
					t.Errorf("%s, %s: %s", r.Outcome, r.ID, text)
				case r.Why == "" || r.Do == "":
					t.Errorf("does not say why it matters and what to do: %s", text)
				case strings.Contains(text, row.says):
					found = true
				}
			}
			if !found {
				t.Errorf("no %s of %s says %q", row.outcome, row.id, row.says)
			}
			met[row.id] = true
		})
	}
	// What takes other checks with it has tests of its own below.
	met["KD-405"] = true
	for _, c := range rules() {
		if !met[c.ID] {
			t.Errorf("%s was never broken", c.ID)
		}
	}
}

func TestOnlyAKeyThatDerivesWantsALowEncryptionMinimum(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"Vault seals every seed":                func(f *Facts) { f.Config.Envelope = "vault" },
		"the key only decrypts":                 func(f *Facts) { f.Vaults[0].Section = "previous[0]" },
		"what is below does not decrypt either": func(f *Facts) { f.Vaults[0].Key.MinDecryption = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			f.Vaults[0].Key.MinEncryption = 2
			change(&f)
			for _, r := range Examine(f) {
				if strings.Contains(r.Found, "min_encryption_version") {
					t.Errorf("%s, %s: %s", r.Outcome, r.ID, r.Found)
				}
			}
		})
	}
}

func TestWhatDependsOnAFaultIsNotCalledSound(t *testing.T) {
	for _, row := range []struct {
		name   string
		breaks func(*Facts)
		fails  string
		open   []string // not evaluated in consequence
		status int
	}{
		{"no login", func(f *Facts) { f.Vaults[0].Login.Err = "Vault refuses the login" }, "KD-405",
			[]string{"KD-501", "KD-502", "KD-503", "KD-505", "KD-601", "KD-602", "KD-603", "KD-604", "KD-605"}, 1},
		{"login was left out", func(f *Facts) { f.Vaults[0].Login.Skipped = "it can be done once" }, "",
			[]string{"KD-405", "KD-501", "KD-502", "KD-503", "KD-505", "KD-601", "KD-602", "KD-603", "KD-604", "KD-605"}, 2},
		{"no key", func(f *Facts) { f.Vaults[0].Key.Err = "encryption key not found" }, "KD-601",
			[]string{"KD-602", "KD-603", "KD-604", "KD-605"}, 1},
		{"systemd hides the process", func(f *Facts) { f.Node.Plugin, f.Node.PluginErr, f.Node.Hidden = nil, "systemd holds the socket", true }, "", []string{"KD-111"}, 0},
		{"the plugin does not run", func(f *Facts) {
			f.Node.Plugin, f.Node.Rights, f.Node.PluginErr, f.Node.Hidden = nil, nil, "systemd holds the socket", true
			f.Socket.Answer = Answer{Err: "no answer within 5s"}
		}, "KD-202", []string{"KD-111", "KD-301", "KD-301"}, 1},
		{"the process may not be looked at", func(f *Facts) { f.Node.Plugin, f.Node.PluginErr = nil, "permission denied" }, "", []string{"KD-111"}, 2},
		{"no socket", func(f *Facts) { f.Socket.File, f.Socket.Listens = hostfacts.Path{}, false }, "KD-202", []string{"KD-203", "KD-204"}, 1},
		{"another file in its place", func(f *Facts) { f.Socket.File.Mode, f.Socket.Listens = 0o644, false }, "KD-202", []string{"KD-203", "KD-204"}, 1},
		{"what the plugin may do is not told", func(f *Facts) { f.Vaults[0].CapabilitiesErr = "permission denied" }, "", []string{"KD-501", "KD-502"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := sound()
			row.breaks(&f)
			results := Examine(f)
			var open []string
			for _, r := range results {
				if r.Outcome == check.NotEvaluated {
					open = append(open, r.ID)
				}
				if (r.Outcome == check.Fail) != (r.ID == row.fails) {
					t.Errorf("%s: %s", r.ID, r.Outcome)
				}
			}
			if !slices.Equal(open, row.open) {
				t.Errorf("not evaluated: %v, want %v", open, row.open)
			}
			if status := ExitStatus(results); status != row.status {
				t.Errorf("exit status %d, want %d", status, row.status)
			}
		})
	}
}

func TestARefusedRoleMayBeLockedOut(t *testing.T) {
	for method, want := range map[string]bool{"approle": true, "cert": false} {
		f := sound()
		f.Vaults[0].Login = vaultfacts.Login{Method: method, Err: "permission denied"}
		for _, r := range Examine(f) {
			if r.ID == "KD-405" && strings.Contains(r.Do, "locked the role out") != want {
				t.Errorf("%s: %s", method, r.Do)
			}
		}
	}
}

func TestWhoIsNotBoundByPermissionsMayConnect(t *testing.T) {
	for name, admit := range map[string]func(*Facts){
		"root with its capability": func(f *Facts) { f.Node.APIServers[0].Rights = hostfacts.Rights{Unbound: true} },
		"the socket's own user":    func(f *Facts) { f.Node.APIServers[0].Rights = hostfacts.Rights{UID: 998} },
		"a user that is listed":    func(f *Facts) { f.Config.AllowUIDs = []int{0, 997} },
	} {
		f := sound()
		admit(&f)
		for _, r := range Examine(f) {
			if r.ID == "KD-204" && r.Outcome != check.Pass {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestAFileThatThePluginDoesNotReadNeedNotLetItIn(t *testing.T) {
	f := sound()
	f.Files = []File{{Key: "--encryption-provider-config", Name: "/x", Secret: true, Foreign: true, Path: hostfacts.Path{Exists: true, Mode: 0o600, Owner: "root"}}}
	for _, r := range Examine(f) {
		if r.ID == "KD-301" && r.Outcome != check.Pass {
			t.Errorf("%+v", r)
		}
	}
}

func TestWhatKD404DoesNotCheckIsSaid(t *testing.T) {
	f := sound()
	f.Vaults[0].Addresses[0].Host, f.Vaults[0].Addresses[0].IPs = "10.96.0.17", []string{"10.96.0.17"}
	for _, r := range Examine(f) {
		if r.ID == "KD-404" && (!strings.Contains(r.Found, "(10.96.0.17)") || !strings.Contains(r.Found, "not checked: whether a load balancer")) {
			t.Errorf("%+v", r)
		}
	}
}

func TestOnlyNamesThatAClusterServesAreTakenForIts(t *testing.T) {
	for host, want := range map[string]bool{
		"vault.vault.svc": true, "vault.vault.svc.cluster.local": true, "vault.default.SVC.example.com": true, "x.cluster.local.": true,
		"vault.example.com": false, "vault": false, "svc.example.com": false, "vault.svc": false, "192.0.2.1": false, "": false, "cluster.local.example": false,
	} {
		if got := clusterName(host) != ""; got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

func TestIDsAreUniqueAndInOrder(t *testing.T) {
	var ids []string
	for _, c := range rules() {
		ids = append(ids, c.ID)
		if c.Title == "" || c.Why == "" {
			t.Errorf("%s has no title or no reason", c.ID)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("%v", ids)
	}
}

func TestReportsReadAsExpected(t *testing.T) {
	f := sound()
	f.Vaults[0].Key.DeletionAllowed = true
	f.Vaults[0].Audit.Err = "the plugin may not read sys/audit, as it should be"
	f.Node.Swap = []string{"/dev/sda2"}
	f.Vaults[0].Trials[0].Err = "a\x1b[2Jb\nc"
	results := Examine(f)
	var table, colourful, asJSON strings.Builder
	plain := func(_ check.Status, word string) string { return word }
	for _, err := range []error{
		Table(&table, results, plain),
		Table(&colourful, results, func(_ check.Status, word string) string { return "\x1b[31m" + word + "\x1b[0m" }),
		JSON(&asJSON, results),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden.Compare(t, "report.txt", table.String(), *update)
	golden.CompareJSON(t, "report.json", asJSON.String(), *update)
	if strings.Contains(table.String(), "\x1b") {
		t.Error("what others say reaches the terminal unfiltered")
	}
	if text := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(colourful.String()); text != table.String() {
		t.Errorf("colours move the columns:\n%s", text)
	}
}
