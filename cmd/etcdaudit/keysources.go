package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/kmssocket"
)

// metricsPart says what API servers tell of themselves.
type metricsPart struct {
	APIServers []string `mapstructure:"apiserver-metrics" whole:"true" help:"file with an API server's /metrics (kubectl get --raw /metrics), which tell what EncryptionConfiguration is in force and which key_ids it uses; repeatable, one file for each API server (host: that of this node alone)"`
}

// pluginPart says which KMS plugins are asked.
type pluginPart struct {
	Sockets []string `mapstructure:"plugin-socket" whole:"true" help:"absolute path of the unix socket of a KMS v2 plugin, to ask which key_ids are current and known, and with --verify to unwrap DEK sources; repeatable (default with --verify: those of the EncryptionConfiguration that was given or found)"`
}

// check refuses a socket that is named twice: each would be asked in turn.
func (p pluginPart) check() error {
	known := map[string]bool{}
	for _, socket := range p.Sockets {
		path := filepath.Clean(strings.TrimPrefix(socket, "unix://"))
		if known[path] {
			return fmt.Errorf("plugin-socket: %s is named twice", socket)
		}
		known[path] = true
	}
	return nil
}

// keySources asks plugins and reads metrics, as far as they were given; nil for none. A plugin that
// does not answer is a part of the result, a file of metrics that cannot be used an error.
func (a *auditRun) keySources(ctx context.Context) (*keyjoin.Sources, error) {
	if !a.groups.Data || len(a.Plugins.Sockets)+len(a.Metrics.APIServers) == 0 {
		return nil, nil
	}
	k := &keyjoin.Sources{}
	for _, socket := range a.Plugins.Sockets {
		k.Plugins = append(k.Plugins, kmssocket.KeyIDs(ctx, socket, kmssocket.DefaultTimeout))
	}
	for _, file := range a.Metrics.APIServers {
		m, err := apimetrics.ReadFile(file)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("apiserver-metrics: %w", err))
		}
		k.Servers = append(k.Servers, keyjoin.Server{
			Name: file, Current: m.Current, Opened: m.Opened, Config: m.Hash, Missing: m.Missing, Failures: m.Failures, Reloaded: m.Reloaded,
		})
	}
	if file := a.Scan.EncryptionProviderConfig; file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // named by the user
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("encryption-provider-config: %w", err))
		}
		k.File, k.FileHash = file, fmt.Sprintf("sha256:%x", sha256.Sum256(text))
		clear(text)
	}
	return k, nil
}
