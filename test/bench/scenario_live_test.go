package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// liveRounds is how often each reader of a store runs, in turn with the others.
const liveRounds = 5

// BenchmarkScenarioLive reads stores of 100,000 and 1,000,000 Secrets of 1 KiB with etcdaudit
// scan and with etcd's own client, which drops what it has read: whole processes, in turn, beside
// the same etcd. etcd 3.7 has streams, and 3.6 has not.
func BenchmarkScenarioLive(b *testing.B) {
	opts := clustertest.Options(b, components.Etcd, components.Etcd36, components.ETCDAudit)
	for b.Loop() {
		small := streamed(b, opts, 100_000, 1/1.2)
		large := streamed(b, opts, 1_000_000, 1/2.)
		figure(b, "CPU-growth", record.Figure{What: "live scan: own CPU time for 1,000,000 values against 100,000", Unit: "×",
			Value: large.own.Seconds() / small.own.Seconds(), Most: bound(11)})
		figure(b, "server-growth", record.Figure{What: "live scan: etcd's CPU time for 1,000,000 values against 100,000", Unit: "×",
			Value: large.server.Seconds() / small.server.Seconds()})
		paged(b, opts, 100_000)
		paged(b, opts, 1_000_000)
		b.ReportMetric(0, "ns/op")
	}
}

// streamed compares on an etcd that has streams. pages is what the scan may take of the time of
// paging. It returns what the scan used.
func streamed(b *testing.B, opts cluster.Options, values int, pages float64) usage {
	b.Helper()
	opts.Etcd = components.Etcd
	s := newLiveStore(b, opts, values)
	of := thousands(values) + " values of 1 KiB"
	all := s.interleaved(b, s.scan(opts), s.stock("stream"), s.stock("pages"))
	scan, stream, paging := all[0], all[1], all[2]
	against(b, "live scan, "+of, "GetStream of etcd's client, read and dropped", 1, scan, stream)
	against(b, "live scan, "+of, "limit=10000 paging, read and dropped", pages, scan, paging)
	scanRate(b, "live scan, "+of, values, scan)
	// 96 MiB, and 48 bytes for each key.
	resident := fmt.Sprintf("live scan, %s: resident memory, the most", of)
	figure(b, "scan-MiB-"+thousands(values), record.Figure{What: resident, Unit: "MiB", Value: most(scan), Most: bound(96 + float64(48*values)/(1<<20))})
	figure(b, "stream-MiB-"+thousands(values), record.Figure{What: fmt.Sprintf("GetStream of etcd's client, %s: resident memory, the most", of), Unit: "MiB", Value: most(stream)})
	return middleUsage(scan)
}

// paged compares on an etcd without streams.
func paged(b *testing.B, opts cluster.Options, values int) {
	b.Helper()
	opts.Etcd = components.Etcd36
	s := newLiveStore(b, opts, values)
	of := thousands(values) + " values of 1 KiB, etcd without RangeStream"
	all := s.interleaved(b, s.scan(opts), s.stock("pages"))
	scan, paging := all[0], all[1]
	against(b, "live scan, "+of, "limit=10000 paging, read and dropped", 1/.9, scan, paging)
	scanRate(b, "live scan, "+of, values, scan)
	figure(b, "paged-MiB-"+thousands(values), record.Figure{What: fmt.Sprintf("live scan, %s: resident memory", of), Unit: "MiB", Value: most(scan),
		Most: bound(most(paging) / 4)})
	figure(b, "paging-MiB-"+thousands(values), record.Figure{What: fmt.Sprintf("limit=10000 paging, %s: resident memory", of), Unit: "MiB", Value: most(paging)})
}

// against keeps the times of a subject beside those of a floor, and what they may be at most.
func against(b *testing.B, subject, floor string, ratio float64, s, f []usage) {
	b.Helper()
	p := pair{subjectName: subject, floorName: floor, limits: []record.Limit{{At: .5, Ratio: ratio}}}
	for i := range s {
		p.subject, p.floor = append(p.subject, s[i].wall), append(p.floor, f[i].wall)
	}
	p.keep(b)
	b.Logf("%s: %v against %v of %s: %.2f, at most %.2f", subject, quantile(p.subject, .5).Round(time.Millisecond),
		quantile(p.floor, .5).Round(time.Millisecond), floor, float64(quantile(p.subject, .5))/float64(quantile(p.floor, .5)), ratio)
}

func scanRate(b *testing.B, what string, values int, of []usage) {
	b.Helper()
	figure(b, "values/s", record.Figure{What: what + ": values a second", Value: float64(values) / middleUsage(of).wall.Seconds()})
}

// usage is what one run took: by the clock, of the processor, the processor time that etcd used
// meanwhile, and resident memory in MiB.
type usage struct {
	wall, own, server time.Duration
	peak              float64
}

func middleUsage(all []usage) usage {
	return slices.SortedFunc(slices.Values(all), func(x, y usage) int { return int(x.wall - y.wall) })[len(all)/2]
}

func most(all []usage) (peak float64) {
	for _, u := range all {
		peak = max(peak, u.peak)
	}
	return peak
}

// liveStore is an etcd with Secrets.
type liveStore struct {
	etcd   *cluster.Etcd
	values int
}

func newLiveStore(b *testing.B, opts cluster.Options, values int) liveStore {
	b.Helper()
	etcd, err := clustertest.Start(b, opts).StartEtcd(b.Context(), 1, "--quota-backend-bytes=8589934592", "--auto-compaction-retention=0")
	if err != nil {
		b.Fatal(err)
	}
	fill(b, etcd.Client(), values)
	b.Cleanup(func() { _ = etcd.Stop(context.Background()) })
	return liveStore{etcd, values}
}

// interleaved runs every command in turn, after one round that warms all of them. The next
// store is not filled before this one's etcd has gone.
func (s liveStore) interleaved(b *testing.B, commands ...func(context.Context) *exec.Cmd) [][]usage {
	b.Helper()
	all := make([][]usage, len(commands))
	for round := range liveRounds + 1 {
		for i, command := range commands {
			u := s.run(b, command(b.Context()))
			if round > 0 {
				all[i] = append(all[i], u)
			}
		}
	}
	if err := s.etcd.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	return all
}

func (s liveStore) run(b *testing.B, cmd *exec.Cmd) usage {
	b.Helper()
	cmd.Stderr = os.Stderr
	before, start := s.serverTime(b), time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %v", cmd.Args, err)
	}
	u := usage{wall: time.Since(start), own: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), server: s.serverTime(b) - before}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = float64(r.Maxrss) / 1024
	}
	return u
}

// serverTime is the processor time that etcd has used so far, in ticks of 10 ms.
func (s liveStore) serverTime(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.etcd.Member(0).PID()))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func (s liveStore) scan(opts cluster.Options) func(context.Context) *exec.Cmd {
	files := s.etcd.ClientFiles()
	return func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, opts.Binaries.Path(components.ETCDAudit), "scan", "--output", "json",
			"--endpoints", strings.Join(s.etcd.Endpoints(), ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key)
	}
}

// liveClient, if set in the environment, turns the test binary into a stock client that reads
// everything in one way, and liveEtcd says where.
const (
	liveClient = "SEALPROOF_BENCH_LIVE_CLIENT"
	liveEtcd   = "SEALPROOF_BENCH_LIVE_ETCD"
)

func (s liveStore) stock(way string) func(context.Context) *exec.Cmd {
	files := s.etcd.ClientFiles()
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), liveClient+"="+way, liveEtcd+"="+strings.Join([]string{
			s.etcd.Endpoints()[0], files.CA, files.Cert, files.Key, strconv.Itoa(s.values),
		}, ","))
		return cmd
	}
}

// readLive is the stock client.
func readLive(way, of string) error {
	at := strings.Split(of, ",")
	tls, err := cluster.CertFiles{CA: at[1], Cert: at[2], Key: at[3]}.TLS()
	if err != nil {
		return err
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: at[:1], TLS: tls})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	read := map[string]func(*clientv3.Client) (int, error){"stream": readStream, "pages": readPages}[way]
	n, err := read(client)
	if err == nil && strconv.Itoa(n) != at[4] {
		err = fmt.Errorf("%d values read, want %s", n, at[4])
	}
	return err
}

const registry = "/registry/"

func readStream(client *clientv3.Client) (n int, err error) {
	stream, err := client.GetStream(context.Background(), registry, clientv3.WithPrefix())
	if err != nil {
		return 0, err
	}
	for part := range stream {
		if err := part.Err(); err != nil {
			return n, err
		}
		n += len(part.Kvs)
	}
	return n, nil
}

func readPages(client *clientv3.Client) (n int, err error) {
	revision := int64(0)
	for from := registry; ; {
		page, err := client.Get(context.Background(), from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(registry)), clientv3.WithLimit(10_000), clientv3.WithRev(revision))
		if err != nil {
			return n, err
		}
		revision = page.Header.Revision
		if n += len(page.Kvs); !page.More {
			return n, nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}

// fill writes Secrets of 1 KiB as an API server with the plugin would have stored them.
func fill(b *testing.B, client *clientv3.Client, values int) {
	b.Helper()
	const perTxn = 100
	body := make([]byte, 1<<10)
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
			puts[j] = clientv3.OpPut(cluster.SecretKey(fmt.Sprintf("ns-%02d", i/perTxn%50), fmt.Sprintf("secret-%07d", i+j)), value)
		}
		if _, err := client.Txn(context.Background()).Then(puts...).Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// thousands writes 100000 as 100,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
