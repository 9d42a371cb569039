package main

import (
	"context"
	"log/slog"
	"os"
	"slices"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

// reloader applies what of the configuration can be changed while the plugin
// runs: on-refusal, which decides whether keys that Vault refuses are used. A
// restart would lose them where no state is saved.
type reloader struct {
	running config // as far as it is in force
	load    func() (config, error)
	apply   func(onRefusal string) error
	log     *slog.Logger
}

// run reads the configuration again whenever it is told to, until the context
// ends.
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
		r.log.Error("SIGHUP: the configuration cannot be used, nothing is changed", "on_refusal", r.running.OnRefusal, "cause", err.Error())
		return
	}
	before := r.running.OnRefusal
	r.running.OnRefusal = c.OnRefusal
	if c.OnRefusal == before {
		r.log.Warn("SIGHUP: on-refusal is what it was; a flag or KMSPLUGIN_ON_REFUSAL goes before the file", "on_refusal", before)
	} else {
		r.log.Warn("SIGHUP: on-refusal is changed", "before", before, "on_refusal", c.OnRefusal)
	}
	if other := cli.Differences(&r.running, &c); len(other) > 0 {
		r.log.Warn("SIGHUP: other changes of the configuration wait for the next start", "keys", slices.Sorted(slices.Values(other)))
	}
}
