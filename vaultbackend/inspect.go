package vaultbackend

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/doctor"
)

// opInspect is a request that only Inspect makes.
const opInspect operation = "inspect"

// Inspection is what Inspect looks at.
type Inspection struct {
	Use Use
	// AdminTokenFile holds a token for what the plugin's own rights do not
	// suffice to see; empty for none.
	AdminTokenFile string
	// Boot is the time since boot, as for New.
	Boot func() time.Duration
}

// Inspect gathers what there is to know about one section of the configuration,
// from this node's point of view. It logs in as the plugin does and revokes that
// login where the plugin would. It changes nothing in Vault, with one exception:
// a secret-id that may be used a few times only has been used once more.
func Inspect(ctx context.Context, in Inspection) doctor.Vault {
	cfg := in.Use.Config.canonical()
	v := doctor.Vault{Section: in.Use.Section, KeyPath: cfg.keyMount() + "/" + cfg.Key, Login: doctor.Login{Method: cfg.Auth.Method}}
	for _, address := range cfg.Address {
		v.Addresses = append(v.Addresses, inspectAddress(ctx, cfg, address))
	}
	v.Login.Issuer = issuerOf(cfg.Auth.JWTFile)
	in.asPlugin(ctx, cfg, &v)
	in.asAdmin(ctx, cfg, &v)
	return v
}

// asPlugin looks at everything that takes the plugin's own login.
func (in Inspection) asPlugin(ctx context.Context, cfg Config, v *doctor.Vault) {
	if v.Login.Skipped = cfg.onceOnly(); v.Login.Skipped != "" {
		return
	}
	client, err := in.client(cfg)
	if err != nil {
		v.Login.Err = err.Error()
		return
	}
	defer client.Close()
	s, err := client.tokens.get(ctx)
	if err != nil {
		v.Login.Err = err.Error()
		return
	}
	if err := client.lookUp(ctx, s.token); err != nil {
		v.Login.SelfLookupErr = err.Error()
	}
	v.Needed, v.TooMuch, err = client.capabilities(ctx, in.Use)
	if err != nil {
		v.CapabilitiesErr = err.Error()
	}
	v.Key = client.describeKey(ctx)
	if v.Key.Err == "" {
		v.Trials = client.trials(ctx, in.Use, v.Key.Latest)
	}
}

// onceOnly says why a login must be left to the plugin; "" if it need not. A
// wrapping token is good for one use, and what it is exchanged for is kept in a
// file that must be the plugin's own.
func (c Config) onceOnly() string {
	if c.Auth.UnwrappedSecretIDFile == "" {
		return ""
	}
	w := wrappedSecretID{cfg: c.Auth}
	kept, have, err := w.readKept()
	if err != nil {
		return err.Error()
	}
	token, err := readCredential(c.Auth.SecretIDFile)
	switch {
	case have && (errors.Is(err, os.ErrNotExist) || kept.Token == tokenHash(token)):
		return ""
	default:
		return "the wrapped secret-id was not exchanged yet: that can be done once, and is left to the plugin"
	}
}

func tokenHash(token string) string {
	hash := sha256.Sum256([]byte(token))
	return hex.EncodeToString(hash[:])
}

// client returns one that logs nowhere: what it meets is its result.
func (in Inspection) client(cfg Config) (*Client, error) {
	return New(cfg, slog.New(slog.DiscardHandler), in.Boot, nil)
}

// inspect makes one request and returns its data.
func (c *Client) inspect(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	a, err := c.requestKey(ctx, opInspect, method, path, body)
	if backend.ClassOf(err) == backend.Refusal && err != nil {
		return nil, errDenied
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return a.data, nil
}

var errDenied = errors.New("permission denied")

// capabilities asks what the plugin's token may do with the paths that it needs,
// and with some that it should not have.
func (c *Client) capabilities(ctx context.Context, use Use) (needed, tooMuch []doctor.Capability, err error) {
	use.Config = c.cfg
	use.Config.Auth.Namespace = use.Config.Namespace // paths as seen from there
	rules, err := use.rules()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rules {
		// Whether the token may look after itself is Vault's own default
		// policy's business, in the namespace of the login.
		if r.Path != pathRenewSelf && r.Path != pathLookupSelf && r.Path != pathRevokeSelf {
			needed = append(needed, doctor.Capability{Path: r.Path, Want: r.Capabilities})
		}
	}
	tooMuch = c.tooMuch(use)
	var paths []string
	for _, list := range [][]doctor.Capability{needed, tooMuch} {
		for _, capability := range list {
			paths = append(paths, capability.Path)
		}
	}
	data, err := c.inspect(ctx, http.MethodPost, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, nil, err
	}
	var have map[string]json.RawMessage
	if err := json.Unmarshal(data, &have); err != nil {
		return nil, nil, errors.New("the answer is no list of capabilities")
	}
	for _, list := range [][]doctor.Capability{needed, tooMuch} {
		for i := range list {
			_ = json.Unmarshal(have[list[i].Path], &list[i].Have) // absent: none
		}
	}
	return needed, tooMuch, nil
}

// tooMuch lists what nobody should be able to do with the plugin's credentials.
func (c *Client) tooMuch(use Use) []doctor.Capability {
	mount, key := c.cfg.Mount+"/", c.cfg.Key
	list := []doctor.Capability{
		{Path: mount + "keys/" + key + "/config", Meaning: "deletion can be allowed and minimums raised"},
		{Path: mount + "keys/" + key + "/rotate", Meaning: "versions can be added"},
		{Path: mount + "keys/" + key + "/trim", Meaning: "versions can be destroyed"},
		{Path: mount + "export/encryption-key/" + key, Meaning: "an exportable key can be read out"},
		{Path: mount + "export/hmac-key/" + key, Meaning: "an exportable key can be read out"},
		{Path: mount + "backup/" + key, Meaning: "the key can be backed up in the clear where that is allowed"},
		{Path: mount + "restore/" + key, Meaning: "the key can be replaced"},
		// Such a key is unlikely; what is allowed on it is allowed on all.
		{Path: mount + "decrypt/" + key + "-sealproof-doctor", Meaning: "other keys can be used as well"},
		{Path: mount + "keys/" + key + "-sealproof-doctor", Meaning: "other keys can be used as well"},
		{Path: "auth/token/create", Meaning: "tokens can be made that outlive the login"},
		{Path: "sys/policies/acl/sealproof-doctor", Meaning: "policies can be written"},
		{Path: "sys/audit/sealproof-doctor", Meaning: "the audit log can be turned off"},
		{Path: "sys/mounts/" + c.cfg.Mount, Meaning: "the Transit engine can be removed with all its keys"},
	}
	if !use.Seals {
		list = append(list, doctor.Capability{Path: mount + "encrypt/" + key, Meaning: "it only needs to decrypt"})
	}
	if !use.Derives {
		list = append(list, doctor.Capability{Path: mount + "hmac/" + key + "/sha2-256", Meaning: "local KEKs can be derived, which this configuration does not need"})
	}
	return list
}

// describeKey reads the key, also one that cannot serve.
func (c *Client) describeKey(ctx context.Context) doctor.Key {
	a, err := c.requestKey(ctx, opReadKey, http.MethodGet, c.keyPath("keys"), nil)
	if err != nil {
		return doctor.Key{Err: err.Error()}
	}
	var data struct {
		keyData
		Convergent   bool `json:"convergent_encryption"`
		Imported     bool `json:"imported_key"`
		MinAvailable int  `json:"min_available_version"`
	}
	if err := json.Unmarshal(a.data, &data); err != nil {
		return doctor.Key{Err: "Vault answered with something that is no description of a key"}
	}
	return doctor.Key{
		Type: data.Type, Derived: data.Derived, Convergent: data.Convergent, ImportedKey: data.Imported,
		Exportable: data.Exportable, DeletionAllowed: data.DeletionAllowed, AllowPlaintextBackup: data.AllowPlaintextBackup,
		AutoRotate: time.Duration(data.AutoRotatePeriod) * time.Second,
		Latest:     data.LatestVersion, Versions: len(data.Keys),
		MinDecryption: data.MinDecryptionVersion, MinEncryption: data.MinEncryptionVersion, MinAvailable: data.MinAvailable,
	}
}

// trials makes the requests that the plugin makes, with bytes that mean nothing.
func (c *Client) trials(ctx context.Context, use Use, version int) (done []doctor.Trial) {
	note := func(what string, err error) {
		t := doctor.Trial{What: what}
		if err != nil {
			t.Err = err.Error()
		}
		done = append(done, t)
	}
	text, data := []byte("sealproof doctor"), []byte("sealproof doctor: not a key")
	// In the form of a ciphertext. That it does not authenticate is the good
	// answer: Vault gives it to those only who may decrypt.
	sealed := fmt.Appendf(nil, "vault:v%d:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", version)
	if use.Derives {
		results, err := c.HMAC(ctx, []backend.HMACItem{{Version: version, Input: text}})
		note("hmac", firstError(results, err))
	}
	opens := func(err error) error {
		if errors.Is(err, backend.ErrAuthentication) {
			return nil
		}
		return err
	}
	if use.Seals {
		results, err := c.Encrypt(ctx, []backend.EncryptItem{{Version: version, Plaintext: text, AssociatedData: data}})
		err = firstError(results, err)
		note("encrypt", err)
		if err == nil {
			sealed = results[0].Data
			opens = func(err error) error { return err }
		}
	}
	results, err := c.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: sealed, AssociatedData: data}})
	note("decrypt", opens(firstError(results, err)))
	return done
}

func firstError(results []backend.Result, err error) error {
	if err != nil {
		return err
	}
	return results[0].Err
}

// asAdmin looks at what the plugin's own rights should not suffice to see.
func (in Inspection) asAdmin(ctx context.Context, cfg Config, v *doctor.Vault) {
	if in.AdminTokenFile == "" {
		v.Audit.Err = "the plugin may not read sys/audit, as it should be"
		return
	}
	auth := cfg.Auth
	cfg.Auth = AuthConfig{Method: MethodToken, TokenFile: in.AdminTokenFile, Namespace: "root"}
	system := cfg
	system.Namespace = "" // audit devices belong to no other
	if err := in.readAs(ctx, system, "sys/audit", func(data json.RawMessage) error {
		var devices map[string]struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(data, &devices); err != nil {
			return errors.New("the answer is no list of audit devices")
		}
		for _, path := range slices.Sorted(maps.Keys(devices)) {
			v.Audit.Devices = append(v.Audit.Devices, path+" ("+devices[path].Type+")")
		}
		return nil
	}); err != nil {
		v.Audit.Err = err.Error()
	}
	if auth.Method == MethodKubernetes {
		login := cfg
		login.Namespace = auth.Namespace
		// What cannot be read stays unknown; the check says so.
		_ = in.readAs(ctx, login, "auth/"+auth.Mount+"/config", func(data json.RawMessage) error {
			var config struct {
				Host string `json:"kubernetes_host"`
			}
			err := json.Unmarshal(data, &config)
			v.Login.Reviewer = config.Host
			return err
		})
	}
}

// readAs reads one path as the admin.
func (in Inspection) readAs(ctx context.Context, cfg Config, path string, read func(json.RawMessage) error) error {
	client, err := in.client(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	data, err := client.inspect(ctx, http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("read %s with the admin token: %w", path, err)
	}
	return read(data)
}

// Files lists the files that the configuration names, by their key below the
// section. Nothing is read.
func (c Config) Files() []doctor.File {
	c = c.canonical()
	return []doctor.File{
		{Key: "ca-file", Name: c.CAFile},
		{Key: "client-cert-file", Name: c.ClientCertFile},
		{Key: "client-key-file", Name: c.ClientKeyFile, Secret: true},
		{Key: "auth.role-id-file", Name: c.Auth.RoleIDFile},
		// A wrapping token may be taken away once it was used.
		{Key: "auth.secret-id-file", Name: c.Auth.SecretIDFile, Secret: true, Later: c.Auth.UnwrappedSecretIDFile != ""},
		{Key: "auth.unwrapped-secret-id-file", Name: c.Auth.UnwrappedSecretIDFile, Secret: true, Later: true},
		{Key: "auth.jwt-file", Name: c.Auth.JWTFile, Secret: true},
		{Key: "auth.token-file", Name: c.Auth.TokenFile, Secret: true},
	}
}

// issuerOf returns who issued the JWT in a file, unverified: only whether it
// names a cluster is of interest. It is empty where there is none.
func issuerOf(file string) string {
	if file == "" {
		return ""
	}
	jwt, err := readCredential(file)
	if err != nil {
		return "" // said about the file itself
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	_ = json.Unmarshal(payload, &claims) // else it stays empty
	return claims.Issuer
}
