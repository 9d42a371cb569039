package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/live"
	etcdrecord "github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

const (
	values    = 100_000
	valueSize = 1 << 10
)

// BenchmarkScan compares reading, classifying and judging 100,000 values with
// reading the same range at one revision, page by page, and doing nothing.
func BenchmarkScan(b *testing.B) {
	opts := clustertest.Options(b, components.Etcd, components.ETCDAudit)
	c := clustertest.Start(b, opts)
	etcd, err := c.StartEtcd(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, etcd.Client())
	files := etcd.ClientFiles()
	store, err := live.Connect(b.Context(), live.Config{Endpoints: etcd.Endpoints(), CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, RequestTimeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	pin := func() *live.Snapshot {
		snapshot, err := store.Pin(b.Context(), "/registry/")
		if err != nil {
			b.Fatal(err)
		}
		return snapshot
	}

	b.Run("against reading", func(b *testing.B) {
		(&pair{subjectName: "etcdaudit scan, 100,000 values read, classified and judged", floorName: "reading the same pages"}).measure(b, 5,
			func() error { return pin().Read(b.Context(), func([]etcdrecord.Record) error { return nil }) },
			func() error {
				r, err := audit.Run(b.Context(), audit.Options{Sources: []etcdrecord.Source{pin()}, Groups: rules.Groups{Data: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM})
				if err != nil {
					return err
				}
				return report.Table(io.Discard, r, false)
			})
	})
	b.Run("process", func(b *testing.B) {
		var peak int64
		for b.Loop() {
			cmd := exec.CommandContext(b.Context(), opts.Binaries.Path(components.ETCDAudit), "scan", "--output", "json",
				"--endpoints", strings.Join(etcd.Endpoints(), ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key)
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				peak = max(peak, usage.Maxrss)
			}
		}
		figure(b, "values/s", record.Figure{What: "etcdaudit scan, the whole process, over 100,000 values of 1.3 KiB: values a second",
			Value: float64(values) * float64(b.N) / b.Elapsed().Seconds()})
		figure(b, "peak-MiB", record.Figure{What: "etcdaudit scan, the whole process: resident memory, the most", Unit: "MiB", Value: float64(peak) / 1024})
	})
}

// fill writes Secrets as an API server with the plugin would have stored them.
func fill(b *testing.B, client *clientv3.Client) {
	b.Helper()
	const perTxn = 100
	body := make([]byte, valueSize)
	rand.Read(body)
	object, err := proto.Marshal(&kmstypes.EncryptedObject{
		EncryptedData: body, KeyID: envelope.KeyID("transit", keyName, 1, time.Unix(1_800_000_000, 0)),
		EncryptedDEKSource:     append([]byte{1}, body[:68]...),
		EncryptedDEKSourceType: kmstypes.EncryptedDEKSourceType_HKDF_SHA256_XNONCE_AES_GCM_SEED,
		Annotations:            map[string][]byte{transit.AnnotationCluster: []byte(clusterName), transit.AnnotationKEK: []byte("vault:v1:" + strings.Repeat("A", 80))},
	})
	if err != nil {
		b.Fatal(err)
	}
	value := "k8s:enc:kms:v2:sealproof:" + string(object)
	for i := 0; i < values; i += perTxn {
		puts := make([]clientv3.Op, perTxn)
		for j := range puts {
			puts[j] = clientv3.OpPut(cluster.SecretKey(fmt.Sprintf("ns-%02d", i%50), fmt.Sprintf("secret-%06d", i+j)), value)
		}
		if _, err := client.Txn(context.Background()).Then(puts...).Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
