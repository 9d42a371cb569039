package upgrade

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kms "k8s.io/kms/apis/v2"
)

// callLimit bounds one call: more than the API server's own 3 s, so that what is
// late shows as late, and is measured.
const callLimit = 20 * time.Second

// caller calls a plugin without mercy: a new connection for every call, no
// retries, and no waiting for a server that is not there.
type caller struct{ socket string }

// sealed is what Encrypt has made of a seed.
type sealed struct {
	seed     []byte
	response *kms.EncryptResponse
}

func (c caller) with(ctx context.Context, call func(context.Context, kms.KeyManagementServiceClient) error) error {
	conn, err := grpc.NewClient("unix://"+c.socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return call(ctx, kms.NewKeyManagementServiceClient(conn))
}

func (c caller) status(ctx context.Context) error {
	return c.with(ctx, func(ctx context.Context, client kms.KeyManagementServiceClient) error {
		r, err := client.Status(ctx, &kms.StatusRequest{})
		if err == nil && r.GetHealthz() != "ok" {
			err = fmt.Errorf("healthz %q", r.GetHealthz())
		}
		return err
	})
}

func (c caller) encrypt(ctx context.Context) (s sealed, err error) {
	s.seed = make([]byte, 32)
	rand.Read(s.seed)
	err = c.with(ctx, func(ctx context.Context, client kms.KeyManagementServiceClient) error {
		s.response, err = client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: s.seed, Uid: "test"})
		return err
	})
	return s, err
}

func (c caller) decrypt(ctx context.Context, s sealed) error {
	return c.with(ctx, func(ctx context.Context, client kms.KeyManagementServiceClient) error {
		r, err := client.Decrypt(ctx, &kms.DecryptRequest{
			Ciphertext: s.response.GetCiphertext(), KeyId: s.response.GetKeyId(), Annotations: s.response.GetAnnotations(), Uid: "test",
		})
		if err == nil && !bytes.Equal(r.GetPlaintext(), s.seed) {
			err = errors.New("another seed came back")
		}
		return err
	})
}

// load is what several callers have met.
type load struct {
	mu      sync.Mutex
	calls   int
	slowest time.Duration
	lost    []error
}

// run calls from several goroutines until the context ends.
func (l *load) run(ctx context.Context, c caller) {
	const callers = 4
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			var s sealed
			for i := 0; ctx.Err() == nil; i++ {
				begin := time.Now()
				var err error
				ctx := context.WithoutCancel(ctx) // the last call is answered, too
				switch {
				case i%3 == 0 || s.response == nil:
					s, err = c.encrypt(ctx)
				case i%3 == 1:
					err = c.decrypt(ctx, s)
				default:
					err = c.status(ctx)
				}
				l.note(time.Since(begin), err)
			}
		})
	}
	wg.Wait()
}

func (l *load) note(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	l.slowest = max(l.slowest, took)
	if err != nil {
		l.lost = append(l.lost, fmt.Errorf("call %d, after %v: %w", l.calls, took.Round(time.Millisecond), err))
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}
