package kmsplugin

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/keystate"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestARehearsalIsAnOutageThatEndsByItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		direct := other.mustEncrypt("needs Vault")
		other.stop()
		r := w.replicaWith(nil, nil)
		e := r.mustEncrypt("x")
		calls := w.store.count()
		_, stop, err := r.kms.rehearsal.begin(10 * time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.kms.rehearsal.begin(time.Minute); err == nil {
			t.Error("two at a time")
		}
		time.Sleep(9 * time.Minute)
		r.mustEncrypt("still")
		r.mustDecrypt(e, "x")
		r.mustNotDecrypt(direct, codes.Unavailable, "on purpose")
		if n := w.store.count() - calls; n != 0 {
			t.Errorf("Vault was asked %d times", n)
		}
		if s := r.kms.writer().Snapshot().Health.State(); s != "outage" {
			t.Errorf("the probes call it %q", s)
		}
		time.Sleep(2 * time.Minute) // nothing says that it is over
		r.mustDecrypt(direct, "needs Vault")
		if s := r.kms.writer().Snapshot().Health.State(); s != keystate.StateOK {
			t.Errorf("afterwards: %q", s)
		}
		if _, _, err := r.kms.rehearsal.begin(time.Minute); err != nil {
			t.Fatal(err)
		}
		if stop(); r.kms.rehearsal.left() == 0 {
			t.Error("the one before has ended it")
		}
	})
}

func TestARehearsalHasBounds(t *testing.T) {
	s := serveForTest(t, nil)
	api := pluginv1.NewPluginServiceClient(s.conn)
	for _, d := range []time.Duration{0, -time.Second, maxRehearsal + time.Second} {
		stream, err := api.Rehearse(t.Context(), &pluginv1.RehearseRequest{Duration: durationpb.New(d)})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func TestARehearsalCountsWhatItCostsAndEndsWithItsCaller(t *testing.T) {
	s := serveForTest(t, nil)
	api := pluginv1.NewPluginServiceClient(s.conn)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := testkit.Must(api.Rehearse(ctx, &pluginv1.RehearseRequest{Duration: durationpb.New(time.Hour)}))(t) // longer than any test
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	info, err := api.GetInfo(t.Context(), &pluginv1.GetInfoRequest{})
	if err != nil || !info.GetRehearsal().GetActive() {
		t.Fatalf("info says %v, %v", info.GetRehearsal(), err)
	}
	if _, err := s.kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("seed")}); err != nil {
		t.Fatal(err)
	}
	unbound := &kmsapi.DecryptRequest{KeyId: "1", Ciphertext: []byte("vault:v1:abcd")}
	if _, err := s.kms.Decrypt(t.Context(), unbound); status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
	report := testkit.Must(stream.Recv())(t)
	var got []string
	for _, r := range report.GetRequests() {
		got = append(got, r.GetMethod())
		if failed := r.GetMethod() == "Decrypt"; failed != (r.GetFailed() == 1) || failed != (len(r.GetReasons()) == 1) {
			t.Errorf("counted %v", r)
		}
	}
	if len(got) < 2 || report.GetCouldLast().AsDuration() <= 0 || !report.GetServing().GetOk() || report.GetOver() {
		t.Errorf("reported %v", report)
	}
	cancel()
	eventually(t, func() error {
		info, err := api.GetInfo(t.Context(), &pluginv1.GetInfoRequest{})
		if err == nil && info.GetRehearsal().GetActive() {
			err = errors.New("the rehearsal goes on")
		}
		return err
	})
}

func TestARehearsalSaysWhenItIsOverAndNeverHoldsUpAStop(t *testing.T) {
	s := serveForTest(t, nil)
	api := pluginv1.NewPluginServiceClient(s.conn)
	stream := testkit.Must(api.Rehearse(t.Context(), &pluginv1.RehearseRequest{Duration: durationpb.New(50 * time.Millisecond)}))(t)
	var last *pluginv1.RehearseResponse
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = r
	}
	if !last.GetOver() {
		t.Errorf("the last report is %v", last)
	}
	stream, err := api.Rehearse(t.Context(), &pluginv1.RehearseRequest{Duration: durationpb.New(time.Hour)})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	testkit.Check(t, s.shutdown())
	if _, err := stream.Recv(); status.Code(err) != codes.Aborted {
		t.Errorf("got %v", err)
	}
}
