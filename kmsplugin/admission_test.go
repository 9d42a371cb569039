package kmsplugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// serve puts a replica's server behind a listener in memory, which works in
// synctest's bubble, and returns a way to connect to it.
func (r *replica) serve() (connect func() *grpc.ClientConn) {
	r.t.Helper()
	connect, _ = r.serveUntil()
	return connect
}

// serveUntil is serve with a way to stop it.
func (r *replica) serveUntil() (connect func() *grpc.ClientConn, stop func()) {
	r.t.Helper()
	l := bufconn.Listen(1 << 20)
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.kms.Serve(ctx, l, time.Second) }()
	stop = sync.OnceFunc(func() {
		end()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return func() *grpc.ClientConn {
		r.t.Helper()
		conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { _ = conn.Close() })
		return conn
	}, stop
}

// begin opens n requests whose messages never come, and returns what each is told.
func begin(t *testing.T, conn *grpc.ClientConn, method string, n int) (answers func() map[codes.Code]int) {
	t.Helper()
	var mu sync.Mutex
	told := map[codes.Code]int{}
	for range n {
		stream := testkit.Must(conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method))(t)
		go func() {
			err := stream.RecvMsg(&kmsapi.StatusResponse{})
			mu.Lock()
			defer mu.Unlock()
			told[status.Code(err)]++
		}()
	}
	synctest.Wait()
	return func() map[codes.Code]int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return told
	}
}

// atOnce fails the test if f takes any time; in the bubble only waiting does.
func atOnce(t *testing.T, what string, want codes.Code, f func() error) {
	t.Helper()
	start := time.Now()
	err := f()
	if took := time.Since(start); status.Code(err) != want || took != 0 {
		t.Errorf("%s: %v after %v, want %v at once", what, err, took, want)
	}
}

func ask(t *testing.T, conn *grpc.ClientConn) func() error {
	return func() error {
		_, err := kmsapi.NewKeyManagementServiceClient(conn).Status(t.Context(), &kmsapi.StatusRequest{})
		return err
	}
}

func seals(t *testing.T, conn *grpc.ClientConn) func() error {
	return func() error {
		_, err := kmsapi.NewKeyManagementServiceClient(conn).Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("x")})
		return err
	}
}

func TestAHungKeyStoreKeepsNoOtherRequestWaiting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		conn := r.serve()()
		w.store.set(func(s *fakeStore) { s.hang = true })
		const excess = 100
		var mu sync.Mutex
		told := map[codes.Code]int{}
		for i := range maxWaiting + excess {
			go func() {
				_, err := kmsapi.NewKeyManagementServiceClient(conn).Decrypt(context.WithoutCancel(t.Context()), &kmsapi.DecryptRequest{
					Ciphertext: fmt.Appendf(nil, "vault:v1:%d", i), KeyId: "1", Uid: "u"})
				mu.Lock()
				defer mu.Unlock()
				told[status.Code(err)]++
			}()
		}
		synctest.Wait()
		if told[codes.ResourceExhausted] != excess || len(told) != 1 {
			t.Errorf("at once: %v, want all but the %d that may wait to be refused", told, maxWaiting)
		}
		atOnce(t, "Status", codes.OK, ask(t, conn))
		atOnce(t, "what needs no key store", codes.OK, seals(t, conn))
		time.Sleep(r.kms.config.RequestTimeout)
		synctest.Wait()
		if told[codes.DeadlineExceeded]+told[codes.ResourceExhausted] != maxWaiting+excess || told[codes.DeadlineExceeded] < maxAsking {
			t.Errorf("in the end: %v", told)
		}
		w.store.set(func(s *fakeStore) { s.hang = false })
		_, err := kmsapi.NewKeyManagementServiceClient(conn).Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: w.store.unbound(t, "x").Ciphertext, KeyId: "1"})
		if err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// An API server that starts asks for what it has never seen, all at once.
func TestAThousandSeedsAreOpenedAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn := w.replica(nil).serve()()
		var wg sync.WaitGroup
		for i := range 1500 {
			unbound := w.store.unbound(t, fmt.Sprint(i))
			wg.Go(func() {
				d, err := kmsapi.NewKeyManagementServiceClient(conn).Decrypt(context.WithoutCancel(t.Context()), &kmsapi.DecryptRequest{Ciphertext: unbound.Ciphertext, KeyId: "1"})
				if err != nil || string(d.Plaintext) != fmt.Sprint(i) {
					t.Errorf("seed %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestRequestsBeyondTheBoundAreRefusedUnreadAndStatusIsNot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		connect := r.serve()
		conn, other := connect(), connect()
		answers := begin(t, conn, kmsapi.KeyManagementService_Decrypt_FullMethodName, maxRequests)
		if told := answers(); len(told) != 0 {
			t.Fatalf("within the bound: %v", told)
		}
		// No message of it is ever sent.
		if told := begin(t, conn, kmsapi.KeyManagementService_Encrypt_FullMethodName, 1)(); told[codes.ResourceExhausted] != 1 {
			t.Errorf("beyond the bound: %v, want a refusal before the message is read", told)
		}
		atOnce(t, "Status on the same connection", codes.OK, ask(t, conn))
		atOnce(t, "another connection", codes.OK, seals(t, other))
		if !strings.Contains(r.log.String(), errTooMany.Error()) {
			t.Error("the log says nothing")
		}
		time.Sleep(r.kms.config.RequestTimeout)
		if told := answers(); told[codes.DeadlineExceeded] != maxRequests {
			t.Errorf("whose message never comes is told %v", told)
		}
		atOnce(t, "afterwards", codes.OK, seals(t, conn))
	})
}

func TestHalfARequestForStatusKeepsOnlyItsOwnConnectionFromIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		connect := r.serve()
		conn, other := connect(), connect()
		begin(t, conn, kmsapi.KeyManagementService_Status_FullMethodName, maxQuick)
		atOnce(t, "Status on the same connection", codes.ResourceExhausted, ask(t, conn))
		atOnce(t, "on another one", codes.OK, ask(t, other))
		begin(t, other, kmsapi.KeyManagementService_Status_FullMethodName, maxOwn)
		atOnce(t, "on one that has its own places taken", codes.ResourceExhausted, ask(t, other))
		atOnce(t, "a request of another kind", codes.OK, seals(t, conn))
		time.Sleep(r.kms.config.RequestTimeout)
		synctest.Wait() // until the places are given back
		atOnce(t, "afterwards", codes.OK, ask(t, conn))
	})
}

func TestStreamsAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		conn := r.serve()()
		answers := begin(t, conn, pluginv1.PluginService_Rehearse_FullMethodName, maxStreaming+1)
		if told := answers(); told[codes.ResourceExhausted] != 1 || len(told) != 1 {
			t.Errorf("%v, want one to be refused", told)
		}
		time.Sleep(time.Minute) // a rehearsal outlasts every other request
		if told := answers(); len(told) != 1 {
			t.Errorf("later: %v", told)
		}
	})
}

func TestTheLargestRequestThatCanBeOpenedIsRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn := w.replica(nil).serve()()
		r := &kmsapi.DecryptRequest{
			Ciphertext: append([]byte("vault:v1:"), make([]byte, envelope.MaxCiphertext-9)...), KeyId: strings.Repeat("k", envelope.MaxKeyID), Uid: strings.Repeat("u", 128),
			Annotations: map[string][]byte{transit.AnnotationCluster: make([]byte, 63)},
		}
		send := func() error {
			_, err := kmsapi.NewKeyManagementServiceClient(conn).Decrypt(t.Context(), r)
			return err
		}
		atOnce(t, "the largest", codes.FailedPrecondition, send) // of another cluster
		r.Annotations["a.example"] = make([]byte, maxMessage)
		atOnce(t, "a larger one", codes.ResourceExhausted, send)
	})
}

func TestAHungKeyKeepsNoRequestFromAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.store.restored()
		other.recreate()
		r := w.replicaWith(func(c *Config) { c.Envelope = EnvelopeVault }, func(p *Parts) {
			p.Previous = []Source{
				{Name: "previous[0]", Path: "old/k8s", Backend: fakeClient{other, p.Boot}},
				{Name: "previous[1]", Path: "older/k8s", Backend: fakeClient{w.store.restored(), p.Boot}},
			}
		})
		other.set(func(s *fakeStore) { s.hang = true })
		hung := r.kms.sources[1]
		ctx, release := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		refused := 0
		var mu sync.Mutex
		for range maxWaitingPrevious {
			wg.Go(func() {
				_, err := hung.ask(ctx, func() ([]backend.Result, error) { <-ctx.Done(); return nil, ctx.Err() })
				if errors.Is(err, errBusy) {
					mu.Lock()
					defer mu.Unlock()
					refused++
				}
			})
		}
		synctest.Wait()
		if refused != maxWaitingPrevious/2 {
			t.Errorf("%d are turned away, want what exceeds this key's half of the places", refused)
		}
		start := time.Now()
		if _, err := r.encrypt("x"); err != nil || time.Since(start) != 0 {
			t.Errorf("the key that writes: %v after %v", err, time.Since(start))
		}
		if _, err := r.kms.sources[2].ask(t.Context(), func() ([]backend.Result, error) { return []backend.Result{{}}, nil }); err != nil {
			t.Errorf("another one that only decrypts: %v", err)
		}
		release()
		wg.Wait()
	})
}

func TestAPlaceThatIsLeftCanBeTakenAgain(t *testing.T) {
	p := newPlaces(3)
	a, b := &net.UnixAddr{Name: "a"}, &net.UnixAddr{Name: "b"}
	for range 3 { // rounds
		for i, caller := range []net.Addr{a, a, b} {
			if !p.take(caller) {
				t.Fatalf("place %d of 3 is not given", i+1)
			}
		}
		own := 2
		for p.take(a) {
			own++
		}
		if own != maxOwn {
			t.Errorf("a caller has %d places when all are taken, want %d", own, maxOwn)
		}
		for range own {
			p.leave(a)
		}
		p.leave(b)
		if p.total != 0 || len(p.own) != 0 {
			t.Fatalf("%d places are taken, %d callers are known", p.total, len(p.own))
		}
	}
}

func TestATurnThatComesTooLateIsNotTaken(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	turns := newTurns(1)
	for range 100 { // a select chooses at random
		if err := turns.take(ended); !errors.Is(err, errBusy) || len(turns.waiting)+len(turns.asking) != 0 {
			t.Fatalf("%v; %d wait, %d ask", err, len(turns.waiting), len(turns.asking))
		}
	}
}

func TestWhatTheLogLeftOutIsWrittenWhenThePluginStops(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		connect, stop := r.serveUntil()
		kms := kmsapi.NewKeyManagementServiceClient(connect())
		for range 5 {
			if _, err := kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{}); err == nil {
				t.Fatal("it does not fail")
			}
		}
		time.Sleep(time.Second)
		stop()
		time.Sleep(2 * warningGap)
		if all := r.warned(); len(all) != 2 || !all[0].At.IsZero() || all[1].LeftOut != 3 || all[1].Time.Sub(all[1].At) != time.Second {
			t.Errorf("%+v", all)
		}
	})
}

// A caller that forgets its connections must not keep an API server out for ever.
func TestAConnectionThatIsNotUsedIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		connect := w.replica(nil).serve()
		status := func(conn *grpc.ClientConn) {
			t.Helper()
			if _, err := kmsapi.NewKeyManagementServiceClient(conn).Status(t.Context(), &kmsapi.StatusRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		idle, used := connect(), connect()
		status(idle)
		for range 10 {
			status(used)
			if s := used.GetState(); s != connectivity.Ready {
				t.Fatalf("one that asks once a minute is %v", s)
			}
			time.Sleep(time.Minute)
		}
		if s := idle.GetState(); s == connectivity.Ready {
			t.Error("still open after ten minutes without a request")
		}
		status(idle) // it connects anew
	})
}
