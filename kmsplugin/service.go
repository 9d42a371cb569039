package kmsplugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sealproof/sealproof/internal/transit"

	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
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
	// reached. By both together what was kept is found again, see match.
	Path      string
	Addresses []string
	Backend   backend.Backend
	// Observer is told of requests to the key store; nil if nobody is.
	Observer *Observer
}

// source is a Source at work.
type source struct {
	name     string
	identity identity
	backend  backend.Backend
	keeper   *keeper
	turns    turns
	observer *Observer // nil if nobody observes
}

// Service answers the API server. Status, and with local KEKs Encrypt and
// Decrypt too, are answered from a snapshot without asking anybody.
type Service struct {
	config    Config
	sources   []*source // the first writes
	opened    *opened
	boot      func() time.Duration
	started   time.Time
	build     Build
	metrics   *Metrics
	observer  *Observer // of the key that writes
	log       *slog.Logger
	warnings  *warnings
	preserver *preserver
	rehearsal *rehearsal
}

// Parts are what a Service is put together from.
type Parts struct {
	// Writes is the key that new seeds are sealed with, Previous those that are
	// only opened with.
	Writes   Source
	Previous []Source
	// Boot is the clock that leases run on, SinceBoot but in tests.
	Boot func() time.Duration
	// Keep is where local KEKs outlive the process, on the Machine that it
	// belongs to; nil keeps nothing.
	Keep    Keep
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
		opened:    newOpened(p.Keep != nil),
		boot:      p.Boot,
		started:   time.Now(),
		build:     p.Build,
		metrics:   p.Metrics,
		observer:  p.Writes.Observer,
		log:       p.Log,
		warnings:  newWarnings(p.Log),
		rehearsal: &rehearsal{boot: p.Boot},
	}
	if p.Keep != nil {
		s.preserver = newPreserver(p.Keep, p.Machine, p.Log)
		s.opened.changed = s.preserver.changed
	}
	s.add(p.Writes, false, maxWaiting)
	for _, src := range p.Previous {
		s.add(src, true, maxWaitingPrevious/len(p.Previous))
	}
	if s.preserver != nil {
		if err := s.restore(s.preserver); err != nil {
			// Starting empty-handed is what happens without a Keep too.
			p.Log.Warn("local keys were not taken over", "cause", err.Error())
		}
	}
	return s
}

func (s *Service) add(src Source, readOnly bool, waiting int) {
	log := s.log
	if readOnly {
		log = log.With("source", src.Name)
	}
	b := gated{Backend: src.Backend, rehearsal: s.rehearsal}
	k := newKeeper(s.config, b, readOnly, s.boot, log)
	added := &source{name: src.Name, identity: identity{src.Path, src.Addresses}, backend: b, keeper: k, observer: src.Observer, turns: newTurns(waiting)}
	k.keep, k.prober.keep = s.preserver.raw(), s.preserver != nil
	k.dropped = func(gone func(string) bool) {
		s.opened.drop(func(h held) bool { return h.source == added && gone(h.keyID) })
	}
	k.expired = func(ended func(string) bool) {
		now := s.boot()
		s.opened.drop(func(h held) bool {
			return h.source == added && now >= h.at+s.config.LocalKEK.Lease && ended(h.keyID)
		})
	}
	k.opens = func() map[string]time.Duration { return s.opened.keyIDs(added) }
	k.propertyChanged = func(property string) { s.metrics.propertyChanges.WithLabelValues(src.Name, property).Inc() }
	s.sources = append(s.sources, added)
}

// Run probes the key stores until the context ends, and then drops every key.
func (s *Service) Run(ctx context.Context) {
	// What is kept is last written before the keepers forget.
	keepers, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for _, src := range s.sources {
		wg.Go(func() { src.keeper.run(keepers) })
	}
	if s.preserver != nil {
		s.preserver.run(ctx, s)
	}
	<-ctx.Done()
	stop()
	wg.Wait()
}

// writer is the keeper of the key that writes.
func (s *Service) writer() *keeper { return s.sources[0].keeper }

// Status names the version that writes. It fails, with the reason, when this
// plugin can or must not serve; it never waits for anything.
func (s *Service) Status(context.Context) (*service.StatusResponse, error) {
	now := s.boot()
	snap := s.writer().snapshot()
	v, err := snap.serving(now)
	if err != nil {
		return nil, err
	}
	return &service.StatusResponse{Version: apiVersion, Healthz: s.healthz(snap, now), KeyID: v.binding.KeyID}, nil
}

func (s *Service) healthz(snap *snapshot, now time.Duration) string {
	st := snap.standing
	if after := s.config.Outage.ReportAfter; after > 0 && st.class != 0 && now-st.since >= after {
		return fmt.Sprintf("Vault has not served the key for %v: %s", (now - st.since).Round(time.Second), st.reason)
	}
	return healthy
}

// Encrypt seals a DEK seed under the version that Status names.
func (s *Service) Encrypt(ctx context.Context, uid string, seed []byte) (*service.EncryptResponse, error) {
	if err := envelope.CheckSeed(seed); err != nil {
		return nil, err
	}
	v, err := s.writer().snapshot().writable(s.boot())
	if err != nil {
		return nil, err
	}
	if v.kek != nil && s.config.Envelope == EnvelopeLocal {
		return encrypted(v.kek.Wrap(v.binding, v.wrapped, seed)), nil
	}
	at := s.boot()
	var result backend.Result
	ctx = backend.WithCaller(ctx, uid)
	err = s.ask(ctx, s.sources[0], func() error {
		results, err := s.sources[0].backend.Encrypt(ctx, []backend.EncryptItem{{Version: v.number, Plaintext: seed, AssociatedData: v.binding.DirectData()}})
		if err == nil {
			result, err = results[0], results[0].Err
		}
		return err
	})
	if err != nil {
		if backend.ClassOf(err) == backend.Item {
			// Nothing is wrong with the seed, so the version is not what the last
			// probe saw of it.
			s.writer().kick()
		}
		return nil, fmt.Errorf("wrap seed: %w", err)
	}
	stored := envelope.Direct(v.binding, result.Data)
	// What this replica wrote it must be able to read when Vault has gone.
	s.opened.addSeed(stored, held{source: s.sources[0], keyID: v.binding.KeyID, at: at}, seed)
	return encrypted(stored), nil
}

func encrypted(s envelope.Stored) *service.EncryptResponse {
	return &service.EncryptResponse{Ciphertext: s.Ciphertext, KeyID: s.Binding.KeyID, Annotations: s.Annotations()}
}

// Decrypt opens what Encrypt, or another Transit plugin with the same key, has
// sealed.
func (s *Service) Decrypt(ctx context.Context, uid string, req *service.DecryptRequest) ([]byte, error) {
	sealed, err := envelope.Parse(req.KeyID, req.Ciphertext, req.Annotations)
	if err != nil {
		return nil, err
	}
	if err := s.admit(sealed); err != nil {
		return nil, err
	}
	routes, err := s.routes(sealed)
	if err != nil {
		return nil, naming(err, sealed)
	}
	ctx = backend.WithCaller(ctx, uid)
	if sealed.Form == envelope.FormLocal {
		kek, err := s.kek(ctx, routes, sealed)
		if err != nil {
			return nil, naming(err, sealed)
		}
		return kek.Unwrap(sealed)
	}
	plain, err := s.seed(ctx, routes, sealed)
	return plain, naming(err, sealed)
}

// naming adds to a key store's failure which version sealed what could not be
// opened: whoever has lost that key looks for this version in a backup.
func naming(err error, sealed envelope.Stored) error {
	e, ok := errors.AsType[*backend.Error](err)
	if !ok {
		return err
	}
	reason := backend.Public(e)
	if sealed.Form == envelope.FormUnbound && errors.Is(err, backend.ErrAuthentication) {
		reason += "; " + foreignData
	}
	return &backend.Error{Class: e.Class, Op: fmt.Sprintf("open what key version %d sealed", sealed.Version), Reason: reason, Err: e.Err}
}

// admit refuses what must not be opened here, whatever the keys say.
func (s *Service) admit(sealed envelope.Stored) error {
	if sealed.Form == envelope.FormUnbound {
		s.metrics.bare.Inc()
		if s.config.Decrypt.RequireAssociatedData {
			return errBareForbidden
		}
		return nil
	}
	if c := sealed.Binding.Cluster; c != s.config.Cluster && !slices.Contains(s.config.AcceptClusters, c) {
		return fmt.Errorf("%w: it was sealed for %q, this is %q; if the cluster was renamed, list the old name in accept-clusters", errOtherCluster, clip(c), s.config.Cluster)
	}
	return nil
}

// kek returns the local KEK that sealed s: the derived one, one that was
// unwrapped before, or the annotation unwrapped now.
func (s *Service) kek(ctx context.Context, routes []route, sealed envelope.Stored) (*envelope.LocalKEK, error) {
	now := s.boot()
	for _, r := range routes {
		if kek := r.snap.localKEK(sealed, now); kek != nil {
			return kek, nil
		}
	}
	if kek, ok := s.opened.kek(sealed, s.current(routes, now)); ok && kek.Fingerprint() == sealed.Fingerprint {
		return kek, nil
	}
	key, r, err := s.unwrap(ctx, routes, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	kek, err := envelope.NewLocalKEK(key)
	if err != nil {
		return nil, err
	}
	if kek.Fingerprint() != sealed.Fingerprint {
		return nil, fmt.Errorf("%w (annotation %s holds another local key)", envelope.ErrAuthentication, transit.AnnotationKEK)
	}
	s.opened.addKEK(sealed, held{source: r.source, keyID: r.keyID, at: now}, kek, key)
	return kek, nil
}

// seed returns the seed that Vault itself wrapped.
func (s *Service) seed(ctx context.Context, routes []route, sealed envelope.Stored) ([]byte, error) {
	now := s.boot()
	if seed, ok := s.opened.seed(sealed, s.current(routes, now)); ok {
		return seed, nil
	}
	seed, r, err := s.unwrap(ctx, routes, sealed)
	if err != nil {
		return nil, err
	}
	s.opened.addSeed(sealed, held{source: r.source, keyID: r.keyID, at: now}, seed)
	return seed, nil
}

// current says whether something opened earlier may still be used: the key that
// opened it must be one that may open it now, the version that opened it must not
// be withheld, and it must be under lease, its own or a later one of that version.
func (s *Service) current(routes []route, now time.Duration) func(held) bool {
	return func(h held) bool {
		i := slices.IndexFunc(routes, func(r route) bool { return r.source == h.source })
		if i < 0 {
			return false
		}
		if _, heldBack := routes[i].snap.heldBack(h.keyID); heldBack {
			return false
		}
		return now < h.at+s.config.LocalKEK.Lease || !routes[i].snap.ended(h.keyID, now)
	}
}

// ask runs a request to the key store, among a bounded number at a time. What it
// meets may be news: then a probe follows soon.
func (s *Service) ask(ctx context.Context, src *source, request func() error) error {
	if err := src.turns.take(ctx); err != nil {
		return err
	}
	defer src.turns.leave()
	err := request()
	if err != nil && ctx.Err() == nil && backend.ClassOf(err) != backend.Item {
		src.keeper.kick()
	}
	return err
}
