package kmsplugin

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/checkpoint"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

const (
	// apiVersion is what Status must name (k8s.io/kms/apis/v2).
	apiVersion = "v2"
	healthy    = "ok"
)

// Source is one key in one key store.
type Source struct {
	// Name says where the configuration names it: "vault", "previous[0]".
	Name string
	// Path is mount and name of the key, Addresses are where its key store is
	// reached. By both together its saved state is found again, see checkpoint.Match.
	Path      string
	Addresses []string
	Backend   backend.Backend
	// Token is what is known of the token for the key store; nil if nothing is.
	Token *TokenState
}

// source is a Source at work.
type source struct {
	name     string
	identity checkpoint.Identity
	backend  backend.Backend
	monitor  *keystate.Monitor
	turns    turns
	token    *TokenState
	cache    *unwrapCache
}

// Since implements keystate.Unwrapped.
func (src *source) Since() map[string]time.Duration { return src.cache.since(src) }

// Drop implements keystate.Unwrapped.
func (src *source) Drop(gone func(keyID string, at time.Duration) bool) {
	src.cache.drop(func(o origin) bool { return o.source == src && gone(o.keyID, o.at) })
}

// Service answers the API server. Status, and with local KEKs Encrypt and Decrypt too,
// are answered from a snapshot without asking the key store.
type Service struct {
	config    Config
	sources   []*source // the first writes
	cache     *unwrapCache
	boot      func() time.Duration
	started   time.Time
	build     Build
	metrics   *Metrics
	log       *slog.Logger
	warnings  *warnings
	rehearsal *rehearsal
	machine   string
	saver     *checkpoint.Saver // nil if nothing is saved
}

// Parts are what a Service is put together from.
type Parts struct {
	// Writes is the key that new seeds are wrapped with. Previous are those that are
	// only used to unwrap.
	Writes   Source
	Previous []Source
	// Boot is the clock that leases run on, SinceBoot except in tests.
	Boot func() time.Duration
	// Store is where the state survives a restart; nil saves nothing. Machine
	// identifies the boot of the machine that the state belongs to.
	Store   checkpoint.Store
	Machine string
	Build   Build
	Metrics *Metrics
	Log     *slog.Logger
}

// Build says what runs.
type Build struct{ Version, Commit, Go string }

// NewService returns a Service that has asked nothing yet; Run makes it work.
func NewService(config Config, p Parts) *Service {
	s := &Service{
		config:    config,
		cache:     newUnwrapCache(p.Store != nil),
		boot:      p.Boot,
		started:   time.Now(),
		build:     p.Build,
		metrics:   p.Metrics,
		log:       p.Log,
		warnings:  newWarnings(p.Log),
		rehearsal: &rehearsal{boot: p.Boot},
		machine:   p.Machine,
	}
	if p.Store != nil {
		s.saver = checkpoint.NewSaver(p.Store, p.Log)
		s.cache.changed = s.saver.Changed
	}
	s.add(p.Writes, false, maxWaiting)
	for _, src := range p.Previous {
		s.add(src, true, maxWaitingPrevious/len(p.Previous))
	}
	if p.Store != nil {
		if err := s.restore(p.Store); err != nil {
			// The plugin starts without, as it does where nothing is saved.
			p.Log.Warn("local keys were not taken over", "cause", err.Error())
		}
	}
	return s
}

func (s *Service) add(from Source, readOnly bool, waiting int) {
	log := s.log
	if readOnly {
		log = log.With("source", from.Name)
	}
	src := &source{
		name: from.Name, identity: checkpoint.Identity{Path: from.Path, Addresses: from.Addresses},
		backend: rehearsalBackend{Backend: from.Backend, rehearsal: s.rehearsal},
		turns:   newTurns(waiting), token: cmp.Or(from.Token, &TokenState{}), cache: s.cache,
	}
	src.monitor = keystate.New(s.config.keySettings(readOnly, s.saver != nil), keystate.Parts{
		Backend: src.backend, Boot: s.boot, Log: log, Unwrapped: src, Changed: s.cache.changed,
		PropertyChanged: func(property string) { s.metrics.propertyChanges.WithLabelValues(from.Name, property).Inc() },
	})
	s.sources = append(s.sources, src)
}

// Run probes the key stores until the context ends, and then drops every key.
func (s *Service) Run(ctx context.Context) {
	// The last save comes before the monitors drop what it saves.
	monitors, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for _, src := range s.sources {
		wg.Go(func() { src.monitor.Run(monitors) })
	}
	if s.saver != nil {
		s.saver.Run(ctx, s.subject())
	}
	<-ctx.Done()
	stop()
	wg.Wait()
}

// SetOnRefusal changes Config.OnRefusal for what is held and what will be.
func (s *Service) SetOnRefusal(onRefusal string) error {
	c := s.config
	c.OnRefusal = onRefusal
	if err := c.Validate(); err != nil {
		return err
	}
	for _, src := range s.sources {
		src.monitor.SetOnRefusal(onRefusal)
	}
	return nil
}

// writer watches the key that writes.
func (s *Service) writer() *keystate.Monitor { return s.sources[0].monitor }

// Status names the version that writes. It fails, with the reason, when this
// plugin can or must not serve. It never waits.
func (s *Service) Status(context.Context) (*service.StatusResponse, error) {
	now := s.boot()
	snap := s.writer().Snapshot()
	v, err := snap.Serving(now)
	if err != nil {
		return nil, err
	}
	return &service.StatusResponse{Version: apiVersion, Healthz: s.healthz(snap.Health, now), KeyID: v.Binding.KeyID}, nil
}

func (s *Service) healthz(h keystate.Health, now time.Duration) string {
	if after := s.config.Outage.ReportAfter; after > 0 && h.Class != 0 && now-h.Since >= after {
		return fmt.Sprintf("Vault has not served the key for %v: %s", (now - h.Since).Round(time.Second), h.Reason)
	}
	return healthy
}

// Encrypt wraps a DEK seed under the version that Status names.
func (s *Service) Encrypt(ctx context.Context, uid string, seed []byte) (*service.EncryptResponse, error) {
	if err := envelope.CheckSeed(seed); err != nil {
		return nil, err
	}
	at := s.boot()
	v, err := s.writer().Snapshot().Writable(at)
	if err != nil {
		return nil, err
	}
	if v.KEK != nil && s.config.Envelope == EnvelopeLocal {
		return encrypted(v.KEK.Wrap(v.Binding, v.Wrapped, seed)), nil
	}
	ctx = backend.WithCaller(ctx, uid)
	src := s.sources[0]
	wrapped, err := src.ask(ctx, func() ([]backend.Result, error) {
		return src.backend.Encrypt(ctx, []backend.EncryptItem{{Version: v.Number, Plaintext: seed, AssociatedData: v.Binding.DirectData()}})
	})
	if err != nil {
		if backend.ClassOf(err) == backend.Item {
			// Nothing is wrong with the seed, so the version is no longer what the
			// last probe saw of it.
			src.monitor.ProbeSoon()
		}
		return nil, fmt.Errorf("wrap seed: %w", err)
	}
	stored := envelope.Direct(v.Binding, wrapped)
	// What this replica wrote it must be able to read when Vault has gone.
	s.cache.addSeed(stored, origin{source: src, keyID: v.Binding.KeyID, at: at}, seed)
	return encrypted(stored), nil
}

func encrypted(s envelope.Stored) *service.EncryptResponse {
	return &service.EncryptResponse{Ciphertext: s.Ciphertext, KeyID: s.Binding.KeyID, Annotations: s.Annotations()}
}

// ask makes a request of one item to the key store, among a bounded number at a time.
// A failure may be news: then a probe follows soon.
func (src *source) ask(ctx context.Context, request func() ([]backend.Result, error)) ([]byte, error) {
	if err := src.turns.take(ctx); err != nil {
		return nil, err
	}
	defer src.turns.leave()
	var data []byte
	results, err := request()
	if err == nil {
		data, err = results[0].Data, results[0].Err
	}
	if err != nil && ctx.Err() == nil && backend.ClassOf(err) != backend.Item {
		src.monitor.ProbeSoon()
	}
	return data, err
}
