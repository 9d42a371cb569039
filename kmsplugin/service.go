package kmsplugin

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/seal"
)

const (
	// apiVersion is what Status must name (k8s.io/kms/apis/v2).
	apiVersion = "v2"
	healthy    = "ok"
	// maxWaiting bounds the requests that wait for the key store at the same
	// time; the others queue within their deadline.
	maxWaiting = 512
)

// Service answers the API server. Status, and with local KEKs Encrypt and
// Decrypt too, are answered from the Keeper's snapshot without asking anybody.
type Service struct {
	config  Config
	keeper  *Keeper
	backend backend.Backend
	opened  *opened
	waiting chan struct{}
	boot    func() time.Duration
	metrics *Metrics
	log     *slog.Logger
}

// NewService returns a Service over a Keeper, which the caller runs.
func NewService(config Config, keeper *Keeper, b backend.Backend, boot func() time.Duration, metrics *Metrics, log *slog.Logger) *Service {
	s := &Service{
		config:  config,
		keeper:  keeper,
		backend: b,
		opened:  newOpened(),
		waiting: make(chan struct{}, maxWaiting),
		boot:    boot,
		metrics: metrics,
		log:     log,
	}
	keeper.dropped = s.opened.drop
	return s
}

// Status names the version that writes. It fails, with the reason, when this
// plugin can or must not serve; it never waits for anything.
func (s *Service) Status(context.Context) (*service.StatusResponse, error) {
	now := s.boot()
	snap := s.keeper.snapshot()
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
func (s *Service) Encrypt(ctx context.Context, _ string, seed []byte) (*service.EncryptResponse, error) {
	if err := seal.CheckSeed(seed); err != nil {
		return nil, err
	}
	v, err := s.keeper.snapshot().writable(s.boot())
	if err != nil {
		return nil, err
	}
	r := &service.EncryptResponse{
		KeyID:       v.binding.KeyID,
		Annotations: map[string][]byte{seal.AnnotationCluster: []byte(v.binding.Cluster)},
	}
	if v.kek != nil {
		r.Annotations[seal.AnnotationKEK] = v.wrapped
		r.Ciphertext = v.kek.Seal(v.binding, v.wrapped, seed)
		return r, nil
	}
	at := s.boot()
	var result backend.Result
	err = s.ask(ctx, func() error {
		results, err := s.backend.Encrypt(ctx, []backend.EncryptItem{{Version: v.number, Plaintext: seed, AssociatedData: v.binding.DirectData()}})
		if err == nil {
			result, err = results[0], results[0].Err
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wrap seed: %w", err)
	}
	r.Ciphertext = result.Data
	// What this replica wrote it must be able to read when Vault has gone.
	if sealed, err := seal.Parse(r.KeyID, r.Ciphertext, r.Annotations); err == nil {
		s.opened.addSeed(sealed, held{keyID: r.KeyID, at: at}, seed)
	}
	return r, nil
}

// Decrypt opens what Encrypt, or another Transit plugin with the same key, has
// sealed.
func (s *Service) Decrypt(ctx context.Context, _ string, req *service.DecryptRequest) ([]byte, error) {
	sealed, err := seal.Parse(req.KeyID, req.Ciphertext, req.Annotations)
	if err != nil {
		return nil, err
	}
	if err := s.admit(sealed); err != nil {
		return nil, err
	}
	snap := s.keeper.snapshot()
	if snap.refused != nil {
		return nil, snap.refused
	}
	if id := snap.keyIDOf(sealed); snap.gone[id] {
		return nil, &backend.Error{Class: backend.VersionRefusal, Op: "decrypt", Reason: fmt.Sprintf("Vault refuses key version %d: its minimum was raised above it", sealed.Version)}
	}
	if sealed.Form == seal.FormLocal {
		kek, err := s.kek(ctx, snap, sealed)
		if err != nil {
			return nil, err
		}
		return kek.Open(sealed)
	}
	return s.seed(ctx, snap, sealed)
}

// admit refuses what must not be opened here, whatever the keys say.
func (s *Service) admit(sealed seal.Sealed) error {
	if sealed.Form == seal.FormBare {
		s.metrics.bare.Inc()
		if s.config.Decrypt.RequireAssociatedData {
			return errBareForbidden
		}
		return nil
	}
	if c := sealed.Binding.Cluster; c != s.config.Cluster && !slices.Contains(s.config.AcceptClusters, c) {
		return fmt.Errorf("%w: it was sealed for %q, this is %q; if the cluster was renamed, list the old name in accept-clusters", errOtherCluster, c, s.config.Cluster)
	}
	return nil
}

// kek returns the local KEK that sealed s: the derived one, one that was
// unwrapped before, or the annotation unwrapped now.
func (s *Service) kek(ctx context.Context, snap *snapshot, sealed seal.Sealed) (*seal.LocalKEK, error) {
	if kek := snap.localKEK(sealed, s.boot()); kek != nil {
		return kek, nil
	}
	if kek, ok := s.opened.kek(sealed, s.current(snap)); ok && kek.Fingerprint() == sealed.Fingerprint {
		return kek, nil
	}
	at := s.boot()
	key, err := s.unwrap(ctx, snap, sealed, sealed.Binding.WrapData())
	if err != nil {
		return nil, err
	}
	defer clear(key)
	kek, err := seal.NewLocalKEK(key)
	if err != nil {
		return nil, err
	}
	if kek.Fingerprint() != sealed.Fingerprint {
		return nil, fmt.Errorf("%w (annotation %s holds another local key)", seal.ErrAuthentication, seal.AnnotationKEK)
	}
	s.opened.addKEK(sealed, held{keyID: snap.keyIDOf(sealed), at: at}, kek)
	return kek, nil
}

// seed returns the seed that Vault itself wrapped.
func (s *Service) seed(ctx context.Context, snap *snapshot, sealed seal.Sealed) ([]byte, error) {
	if seed, ok := s.opened.seed(sealed, s.current(snap)); ok {
		return seed, nil
	}
	var aad []byte
	if sealed.Form == seal.FormDirect {
		aad = sealed.Binding.DirectData()
	}
	at := s.boot()
	seed, err := s.unwrap(ctx, snap, sealed, aad)
	if err != nil {
		return nil, err
	}
	s.opened.addSeed(sealed, held{keyID: snap.keyIDOf(sealed), at: at}, seed)
	return seed, nil
}

// current says whether something opened earlier is still under lease: its own,
// or a later one of the version that opened it.
func (s *Service) current(snap *snapshot) func(held) bool {
	now := s.boot()
	return func(h held) bool {
		return now < h.at+s.config.LocalKEK.Lease || !snap.ended(h.keyID, now)
	}
}

// unwrap has the key store open what sealed carries.
func (s *Service) unwrap(ctx context.Context, snap *snapshot, sealed seal.Sealed, aad []byte) ([]byte, error) {
	var result backend.Result
	err := s.ask(ctx, func() error {
		results, err := s.backend.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: sealed.Wrapped, AssociatedData: aad}})
		if err == nil {
			result, err = results[0], results[0].Err
		}
		return err
	})
	switch {
	case err == nil:
		return result.Data, nil
	case backend.ClassOf(err) == backend.Outage && snap.write != nil && snap.ended(snap.write.binding.KeyID, s.boot()):
		return nil, snap.leaseError(s.boot())
	default:
		return nil, fmt.Errorf("unwrap: %w", err)
	}
}

// ask runs a request to the key store, among a bounded number at a time. What it
// meets may be news: then a probe follows soon.
func (s *Service) ask(ctx context.Context, request func() error) error {
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return errBusy // its time went by in the queue, not in the key store
	}
	err := request()
	if err != nil && ctx.Err() == nil && backend.ClassOf(err) != backend.Item {
		s.keeper.kick()
	}
	return err
}
