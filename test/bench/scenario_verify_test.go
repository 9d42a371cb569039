package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/grpc"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/bench/atrest"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// seeds is a KMS plugin without keys, and counts what it is asked.
type seeds struct {
	kms.UnimplementedKeyManagementServiceServer
	asked atomic.Int64
}

func (s *seeds) Unwrap(_ context.Context, source verify.Source) ([]byte, error) {
	s.asked.Add(1)
	return atrest.SeedOf(source.DEKSource), nil
}

func (s *seeds) Status(context.Context, *kms.StatusRequest) (*kms.StatusResponse, error) {
	return &kms.StatusResponse{Version: "v2", Healthz: "ok", KeyId: "k"}, nil
}

func (s *seeds) Decrypt(_ context.Context, req *kms.DecryptRequest) (*kms.DecryptResponse, error) {
	s.asked.Add(1)
	return &kms.DecryptResponse{Plaintext: atrest.SeedOf(req.GetCiphertext())}, nil
}

// BenchmarkScenarioVerify measures a whole audit of a database that opens every value, beside a
// bare loop of HKDF, AES and GCM with the etcd key over the same ciphertexts in memory. Both have
// all cores, and no file is hashed.
func BenchmarkScenarioVerify(b *testing.B) {
	const secrets = 200_000
	for _, sources := range []int{3, 1000} {
		files := atRest(b, atrest.Options{Secrets: secrets, Sources: sources})
		b.Run(fmt.Sprintf("%d sources", sources), func(b *testing.B) {
			all := ciphertexts(b, files.Database)
			what := fmt.Sprintf("an audit that opens %d Secrets of %d DEK sources", secrets, sources)
			p := &pair{subjectName: what, floorName: "HKDF, AES and GCM alone, of ciphertexts in memory", limits: []record.Limit{{At: .5, Ratio: 2}}}
			p.measure(b, rounds, func() error { return bare(all) }, func() error { return opened(b.Context(), files.Database, secrets, sources) })
			rate(b, "values/s", p.subject, secrets, record.Figure{What: what + ": values a second", Least: bound(300_000)})
			rate(b, "bare-values/s", p.floor, secrets, record.Figure{What: fmt.Sprintf("HKDF, AES and GCM alone, %d DEK sources: values a second", sources)})
		})
	}
	b.Run("process", func(b *testing.B) {
		const sources = 1000
		files := atRest(b, atrest.Options{Secrets: secrets, Sources: sources})
		program := testkit.Must(components.Build(b.Context(), b.Output(), components.ETCDAudit))(b).Path(components.ETCDAudit)
		plugin, socket := &seeds{}, filepath.Join(b.TempDir(), "s")
		l := testkit.Must(net.Listen("unix", socket))(b)
		server := grpc.NewServer()
		kms.RegisterKeyManagementServiceServer(server, plugin)
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		b.Cleanup(func() { server.Stop(); testkit.Check(b, <-done) })
		var peak int64
		for b.Loop() {
			_, most, err := ran(b.Context(), program, "scan", files.Database, "--verify", "--plugin-socket", socket, "--unwrap-rate", "10000")
			testkit.Check(b, err)
			peak = max(peak, most)
		}
		if n := plugin.asked.Load(); n != int64(sources*b.N) {
			b.Errorf("%d requests for %d DEK sources", n, sources*b.N)
		}
		figure(b, "peak-MiB", record.Figure{What: fmt.Sprintf("etcdaudit scan --verify, the whole process: resident memory, the most, %d Secrets of %d DEK sources", secrets, sources), Unit: "MiB",
			Value: float64(peak) / (1 << 20), Most: bound(float64(96<<20+48*files.Live+256*sources) / (1 << 20))})
	})
}

// opened audits a database, and requires that every Secret was opened, with one request for each
// source.
func opened(ctx context.Context, file string, secrets, sources int) (err error) {
	set, err := offline.Open(ctx, []string{file}, offline.Options{Now: time.Now, Unhashed: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	plugin := &seeds{}
	v := &audit.Verification{Sources: verify.NewSources(verify.Paced("seeds", plugin, verify.Pace{PerSecond: 1_000_000}, slog.New(slog.DiscardHandler)))}
	defer v.Sources.Clear()
	r, err := audit.Run(ctx, audit.Options{Sources: set.Sources, Groups: rules.Groups{Data: true, Verify: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM, Verify: v})
	if err != nil {
		return err
	}
	if one := r.Verification.Verified[0]; int(one.Same) != secrets || int(plugin.asked.Load()) != sources {
		return fmt.Errorf("%v, with %d requests", one, plugin.asked.Load())
	}
	return nil
}

// ciphertext is one value as far as it is decrypted, and what with.
type ciphertext struct{ key, seed, data []byte }

func ciphertexts(b *testing.B, file string) (all []ciphertext) {
	b.Helper()
	db := testkit.Must(bbolt.Open(file, 0, &bbolt.Options{ReadOnly: true}))(b)
	defer db.Close()
	known := map[string][]byte{}
	testkit.Check(b, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(_, stored []byte) error {
			version, _ := mvcc.ParseVersion(stored)
			value := storedvalue.Parse(version.Value)
			if value.Format != storedvalue.KMSv2 {
				return nil
			}
			source := string(value.DEKSource)
			if known[source] == nil {
				known[source] = atrest.SeedOf(value.DEKSource)
			}
			all = append(all, ciphertext{key: append([]byte(nil), version.Key...), seed: known[source], data: append([]byte(nil), value.Ciphertext...)})
			return nil
		})
	}))
	return all
}

// bare decrypts everything on all cores.
func bare(all []ciphertext) error {
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var buffer []byte
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				c := all[i]
				key, err := hkdf.Expand(sha256.New, c.seed, string(c.data[:32]), 32)
				if err != nil {
					failed.Store(true)
					return
				}
				block, _ := aes.NewCipher(key)
				aead, _ := cipher.NewGCM(block)
				if buffer, err = aead.Open(buffer[:0], c.data[32:44], c.data[44:], c.key); err != nil {
					failed.Store(true)
					return
				}
			}
		})
	}
	workers.Wait()
	if failed.Load() {
		return errors.New("a ciphertext does not open")
	}
	return nil
}
