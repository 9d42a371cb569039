package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/kmssocket"
	"github.com/sealproof/sealproof/etcdaudit/transitkey"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/process"
	"github.com/sealproof/sealproof/vaultbackend"
)

// verifyPart says what values are opened with.
type verifyPart struct {
	Verify         bool          `mapstructure:"verify" help:"open every value in memory, and say which cannot be decrypted and why, and which hold another object than their etcd key names"`
	Transit        bool          `mapstructure:"transit" help:"have DEK sources unwrapped by a Vault Transit key, without a plugin"`
	AcceptClusters []string      `mapstructure:"accept-cluster" help:"with --transit: the cluster identities whose values are opened, as a plugin with these does (default: all)"`
	UnwrapRate     int           `mapstructure:"unwrap-rate" help:"most requests a second to a plugin or Vault: API servers depend on them"`
	UnwrapTimeout  time.Duration `mapstructure:"unwrap-timeout" help:"how long one of these requests may take"`
}

func defaultVerify() verifyPart {
	return verifyPart{UnwrapRate: verify.DefaultPace().PerSecond, UnwrapTimeout: 10 * time.Second}
}

// mostUnwraps bounds --unwrap-rate.
const mostUnwraps = 10_000

func (v verifyPart) check() error {
	var errs []error
	if v.UnwrapRate < 1 || v.UnwrapRate > mostUnwraps {
		errs = append(errs, fmt.Errorf("unwrap-rate: %d: want 1 to %d requests a second", v.UnwrapRate, mostUnwraps))
	}
	if v.UnwrapTimeout <= 0 {
		errs = append(errs, fmt.Errorf("unwrap-timeout: %v: must be above zero", v.UnwrapTimeout))
	}
	return errors.Join(errs...)
}

// opener gathers what values are opened with.
type opener struct {
	*auditRun
	verification audit.Verification
	all          []verify.Unwrapper
	open         []io.Closer
}

// verification completes the options of an audit that opens values. keys are those of the
// EncryptionConfiguration that the values are compared with. What it returns forgets all keys.
func (a *auditRun) verification(ctx context.Context, o *audit.Options, keys *keyring.Keyring) (closeAll func(), err error) {
	if !a.groups.Verify {
		return func() {}, nil
	}
	// What is opened must not be left in a file when this program crashes.
	if err := process.ForbidDumps(); err != nil {
		return func() {}, err
	}
	v := &opener{auditRun: a, verification: audit.Verification{Versions: map[string]facts.KeyVersion{}}}
	configs := v.configurations(o.Encryption, keys)
	sockets := a.Plugins.Sockets
	if len(sockets) == 0 && !a.Verify.Transit {
		switch sockets = endpoints(configs); {
		case len(sockets) == 0:
		case a.Node.Root != "/":
			a.say("not by the plugins at %q, as the EncryptionConfiguration has it: they are those of the machine that %s is of; name a socket with --plugin-socket", sockets, a.Node.Root)
			sockets = nil
		default:
			a.say("DEK sources are unwrapped at %q, as the EncryptionConfiguration has it", sockets)
		}
	}
	for _, path := range sockets {
		if err := v.plugin(ctx, o, path); err != nil {
			return v.close, err
		}
	}
	if a.Verify.Transit {
		if err := v.transit(ctx); err != nil {
			return v.close, err
		}
	}
	if v.verification.Keys = keys.Keys(); len(v.all) == 0 && len(v.verification.Keys) == 0 {
		return v.close, cli.Usage(errors.New("verify: there is nothing to open values with: give --plugin-socket (a KMS v2 plugin), --transit (its Transit key in Vault) or --encryption-provider-config (keys in the file)"))
	}
	v.verification.Sources = verify.NewSources(verify.Any(v.all...))
	o.Verify = &v.verification
	return v.close, nil
}

func (v *opener) close() {
	if v.verification.Sources != nil {
		v.verification.Sources.Clear()
	}
	for _, c := range v.open {
		_ = c.Close()
	}
}

// configurations are those that name what opens values: the one that values are compared with, or
// those of this node's API servers, whose keys are added.
func (v *opener) configurations(compared *encryptionconfig.Config, keys *keyring.Keyring) (all []*encryptionconfig.Config) {
	if compared != nil {
		return []*encryptionconfig.Config{compared}
	}
	if v.node == nil {
		return nil
	}
	for _, server := range v.node.APIServers {
		if e := server.Encryption; e != nil && e.Config != nil {
			file := v.path(e.File.At)
			c, err := encryptionconfig.LoadWithKeys(file, keys.Opener)
			if err != nil {
				v.say("not with the keys of %s: %v", file, err)
				continue
			}
			v.say("values are opened with what %s names (%s)", file, server.Name)
			all = append(all, c)
		}
	}
	return all
}

// endpoints are those of the KMS v2 providers, each once.
func endpoints(configs []*encryptionconfig.Config) (all []string) {
	for _, c := range configs {
		for _, rule := range c.Rules() {
			for _, p := range rule.Providers {
				if p.Kind == encryptionconfig.KMSv2 && !slices.Contains(all, p.Endpoint) {
					all = append(all, p.Endpoint)
				}
			}
		}
	}
	return all
}

// plugin adds a KMS plugin. One that does not serve leaves the rest of the audit as it is.
func (v *opener) plugin(ctx context.Context, o *audit.Options, path string) error {
	p, err := kmssocket.Open(ctx, path, v.Verify.UnwrapTimeout)
	switch {
	case ctx.Err() != nil:
		return exitOf(fmt.Errorf("reach the KMS plugin: interrupted: %w", context.Cause(ctx)))
	case errors.Is(err, kmssocket.ErrNoSocket) && len(v.Plugins.Sockets) > 0:
		return cli.Usage(fmt.Errorf("plugin-socket: %w", err))
	case err != nil:
		o.Missing = append(o.Missing, facts.Missing{What: "what unwraps DEK sources", Why: err.Error()})
		v.all = append(v.all, away{err})
		return nil //nolint:nilerr // the report says it
	}
	v.open = append(v.open, p)
	v.add("the KMS plugin at "+path, p)
	for _, version := range p.Versions(ctx) {
		v.verification.Versions[version.KeyID] = facts.KeyVersion{Key: version.Key, Version: version.Number}
	}
	return nil
}

// away is what cannot be asked, and why.
type away struct{ err error }

func (a away) Unwrap(context.Context, verify.Source) ([]byte, error) { return nil, a.err }

// transit adds the Transit key.
func (v *opener) transit(ctx context.Context) error {
	start := time.Now()
	config, err := v.Vault.config()
	if err != nil {
		return cli.Usage(err)
	}
	v.warnOfToken()
	key, err := vaultbackend.New(config, slog.New(slog.DiscardHandler), func() time.Duration { return time.Since(start) }, nil)
	if err != nil {
		return cli.Usage(flagError(err))
	}
	opens := transitkey.New(key, v.Verify.AcceptClusters...)
	v.open = append(v.open, closer(func() { opens.Clear(); key.Close() }))
	v.add("the Vault key "+config.KeyPath(), opens)
	if v.versions(ctx, key); ctx.Err() != nil {
		return exitOf(fmt.Errorf("reach Vault: interrupted: %w", context.Cause(ctx)))
	}
	return nil
}

// versions names the versions of the Transit key. What they have written opens without that.
func (v *opener) versions(ctx context.Context, key backend.Backend) {
	within, cancel := context.WithTimeout(ctx, v.Verify.UnwrapTimeout)
	defer cancel()
	found, err := key.ReadKey(within)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		v.say("the versions of the Vault key are not known: %s", backend.Public(err))
		return
	}
	for number, created := range found.Created {
		id := envelope.KeyID(found.Mount, found.Name, number, created)
		v.verification.Versions[id] = facts.KeyVersion{Key: found.Mount + "/" + found.Name, Version: uint32(number)} //nolint:gosec // Vault's own number of a version
	}
}

type closer func()

func (c closer) Close() error { c(); return nil }

func (v *opener) add(name string, u verify.Unwrapper) {
	pace := verify.Pace{PerSecond: v.Verify.UnwrapRate, GiveUp: verify.DefaultPace().GiveUp, Timeout: v.Verify.UnwrapTimeout}
	paced := verify.Paced(name, u, pace, slog.New(slog.DiscardHandler))
	v.verification.Unwrappers = append(v.verification.Unwrappers, paced)
	v.all = append(v.all, paced)
}

// tell says on stderr how often a key was asked for.
func (a *auditRun) tell(v *audit.Verification) {
	if v == nil {
		return
	}
	for _, u := range v.Unwrappers {
		asked := u.Asked()
		noun := "sources"
		if asked.Opened == 1 {
			noun = "source"
		}
		a.say("%d DEK %s unwrapped by %s; requests: %d", asked.Opened, noun, asked.Name, asked.Requests)
	}
}
