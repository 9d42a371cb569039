package main

import (
	"context"
	"log/slog"
	"os"
	"slices"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

// reloader applies the only setting that can be changed while the plugin runs:
// on-refusal, which decides whether keys that Vault refuses are used. A restart would
// lose those keys unless local-kek.keep is systemd.
type reloader struct {
	running config // the configuration in force
	load    func() (config, error)
	apply   func(onRefusal string) error
	log     *slog.Logger
}

// run reads the configuration again at each signal, until the context ends.
func (r *reloader) run(ctx context.Context, told <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
			r.reload()
		}
	}
}

func (r *reloader) reload() {
	c, err := r.load()
	if err == nil {
		err = r.apply(c.OnRefusal)
	}
	if err != nil {
		r.log.Error("SIGHUP: the configuration is invalid, nothing is changed", "on_refusal", r.running.OnRefusal, "cause", err.Error())
		return
	}
	before := r.running.OnRefusal
	r.running.OnRefusal = c.OnRefusal
	if c.OnRefusal == before {
		r.log.Warn("SIGHUP: on-refusal is unchanged; a flag or KMSPLUGIN_ON_REFUSAL overrides the file", "on_refusal", before)
	} else {
		r.log.Warn("SIGHUP: on-refusal has changed", "before", before, "on_refusal", c.OnRefusal)
	}
	if other := cli.Differences(&r.running, &c); len(other) > 0 {
		r.log.Warn("SIGHUP: other changes of the configuration need a restart", "keys", slices.Sorted(slices.Values(other)))
	}
}
