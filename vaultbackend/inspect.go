package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/vaultfacts"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// opInspect is a request that only Inspect makes.
const opInspect client.Operation = "inspect"

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
func Inspect(ctx context.Context, in Inspection) vaultfacts.Vault {
	cfg := in.Use.Config.canonical()
	f := vaultfacts.Vault{
		Section: in.Use.Section, KeyPath: cfg.KeyPath(), Addresses: cfg.Inspect(ctx),
		Login: vaultfacts.Login{Method: cfg.Auth.Method, Issuer: cfg.JWTIssuer(), Skipped: cfg.NoTrialLogin()},
	}
	if f.Login.Skipped == "" {
		in.asPlugin(ctx, cfg, &f)
	}
	in.asAdmin(ctx, cfg.Config, &f)
	return f
}

// asPlugin looks at everything that takes the plugin's own login.
func (in Inspection) asPlugin(ctx context.Context, cfg Config, f *vaultfacts.Vault) {
	// It logs nothing: the facts are its result.
	key, err := New(cfg, slog.New(slog.DiscardHandler), in.Boot, nil)
	if err != nil {
		f.Login.Err = err.Error()
		return
	}
	defer key.Close()
	if err := key.vault.LogIn(ctx); err != nil {
		f.Login.Err = err.Error()
		return
	}
	f.Login.SelfLookupErr = errText(key.vault.LookUpSelf(ctx))
	f.Needed, f.TooMuch, err = key.capabilities(ctx, in.Use)
	f.CapabilitiesErr = errText(err)
	f.Key = key.facts(ctx)
	if f.Key.Err == "" {
		f.Trials = key.trials(ctx, in.Use, f.Key.Latest)
	}
}

// errText is that of an error; empty for none.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// inspect makes one request and returns its data.
func inspect(ctx context.Context, vault *client.Client, method, path string, body any) (json.RawMessage, error) {
	what := method + " " + path
	a, err := vault.Do(ctx, client.Request{Op: opInspect, What: what, Method: method, Path: path, Body: body})
	if err != nil && backend.ClassOf(err) == backend.Refusal {
		return nil, errors.New("permission denied")
	}
	return a.Data, err
}

// capabilities asks what the plugin's token may do with the paths that it needs,
// and with some that it should not have.
func (k *Key) capabilities(ctx context.Context, use Use) (needed, tooMuch []vaultfacts.Capability, err error) {
	use.Config = k.cfg
	use.Config.Auth.Namespace = use.Config.Namespace // paths as seen from there
	rules, err := use.rules()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rules {
		// Whether the token may look after itself is Vault's own default
		// policy's business, in the namespace of the login.
		if r.Path != client.PathRenewSelf && r.Path != client.PathLookupSelf && r.Path != client.PathRevokeSelf {
			needed = append(needed, vaultfacts.Capability{Path: r.Path, Want: r.Capabilities})
		}
	}
	tooMuch = k.tooMuch(use)
	var paths []string
	for _, list := range [][]vaultfacts.Capability{needed, tooMuch} {
		for _, capability := range list {
			paths = append(paths, capability.Path)
		}
	}
	data, err := inspect(ctx, k.vault, http.MethodPost, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, nil, err
	}
	var have map[string]json.RawMessage
	if err := json.Unmarshal(data, &have); err != nil {
		return nil, nil, errors.New("the answer is no list of capabilities")
	}
	for _, list := range [][]vaultfacts.Capability{needed, tooMuch} {
		for i := range list {
			_ = json.Unmarshal(have[list[i].Path], &list[i].Have) // absent: none
		}
	}
	return needed, tooMuch, nil
}

// tooMuch lists what the plugin's credentials should not allow.
func (k *Key) tooMuch(use Use) []vaultfacts.Capability {
	mount, key := k.cfg.Mount+"/", k.cfg.Key
	list := []vaultfacts.Capability{
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
		{Path: "sys/mounts/" + k.cfg.Mount, Meaning: "the Transit engine can be removed with all its keys"},
	}
	if !use.Seals {
		list = append(list, vaultfacts.Capability{Path: mount + "encrypt/" + key, Meaning: "it only needs to decrypt"})
	}
	if !use.Derives {
		list = append(list, vaultfacts.Capability{Path: mount + "hmac/" + key + "/sha2-256", Meaning: "local KEKs can be derived, which this configuration does not need"})
	}
	return list
}

// facts reads the key, also one that cannot serve.
func (k *Key) facts(ctx context.Context) vaultfacts.Key {
	a, err := k.readKey(ctx)
	if err != nil {
		return vaultfacts.Key{Err: err.Error()}
	}
	var data struct {
		keyData
		Convergent   bool `json:"convergent_encryption"`
		Imported     bool `json:"imported_key"`
		MinAvailable int  `json:"min_available_version"`
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return vaultfacts.Key{Err: "Vault answered with something that is no description of a key"}
	}
	return vaultfacts.Key{
		Type: data.Type, Derived: data.Derived, Convergent: data.Convergent, ImportedKey: data.Imported,
		Exportable: data.Exportable, DeletionAllowed: data.DeletionAllowed, AllowPlaintextBackup: data.AllowPlaintextBackup,
		AutoRotate: time.Duration(data.AutoRotatePeriod) * time.Second,
		Latest:     data.LatestVersion, Versions: len(data.Keys),
		MinDecryption: data.MinDecryptionVersion, MinEncryption: data.MinEncryptionVersion, MinAvailable: data.MinAvailable,
	}
}

// trials makes the requests that the plugin makes, with bytes that mean nothing.
func (k *Key) trials(ctx context.Context, use Use, version int) (done []vaultfacts.Trial) {
	note := func(what string, err error) { done = append(done, vaultfacts.Trial{What: what, Err: errText(err)}) }
	input, data := []byte("sealproof doctor"), []byte("sealproof doctor: not a key")
	// In the form of a ciphertext. "Does not authenticate" is the good answer:
	// Vault gives it only to a token that may decrypt.
	sealed := fmt.Appendf(nil, "vault:v%d:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", version)
	if use.Derives {
		results, err := k.HMAC(ctx, []backend.HMACItem{{Version: version, Input: input}})
		note("hmac", firstError(results, err))
	}
	opens := func(err error) error {
		if errors.Is(err, backend.ErrAuthentication) {
			return nil
		}
		return err
	}
	if use.Seals {
		results, err := k.Encrypt(ctx, []backend.EncryptItem{{Version: version, Plaintext: input, AssociatedData: data}})
		err = firstError(results, err)
		note("encrypt", err)
		if err == nil {
			sealed = results[0].Data
			opens = func(err error) error { return err }
		}
	}
	results, err := k.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: sealed, AssociatedData: data}})
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
func (in Inspection) asAdmin(ctx context.Context, cfg client.Config, f *vaultfacts.Vault) {
	if in.AdminTokenFile == "" {
		f.Audit.Err = "the plugin may not read sys/audit, as it should be"
		return
	}
	auth := cfg.Auth
	cfg.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: in.AdminTokenFile, Namespace: "root"}
	system := cfg
	system.Namespace = "" // audit devices belong to no other
	var devices map[string]struct {
		Type string `json:"type"`
	}
	f.Audit.Err = errText(in.readAs(ctx, system, "sys/audit", &devices))
	for _, path := range slices.Sorted(maps.Keys(devices)) {
		f.Audit.Devices = append(f.Audit.Devices, path+" ("+devices[path].Type+")")
	}
	if auth.Method == client.MethodKubernetes {
		login := cfg
		login.Namespace = auth.Namespace
		var config struct {
			Host string `json:"kubernetes_host"`
		}
		// What cannot be read stays unknown; the check says so.
		_ = in.readAs(ctx, login, "auth/"+auth.Mount+"/config", &config)
		f.Login.Reviewer = config.Host
	}
}

// readAs reads the data of one path with the login of cfg.
func (in Inspection) readAs(ctx context.Context, cfg client.Config, path string, into any) error {
	vault, err := client.New(cfg, slog.New(slog.DiscardHandler), in.Boot, nil)
	if err != nil {
		return err
	}
	defer vault.Close()
	data, err := inspect(ctx, vault, http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("read %s with the admin token: %w", path, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s with the admin token: the answer is not understood", path)
	}
	return nil
}
