package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	etcdrecord "github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/bench/atrest"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// rounds is how often each is measured, in turn with its floor.
const rounds = 5

const gibi = 1 << 30

// atRest makes the files of benchmarks once and keeps them, in a directory that is not in git.
func atRest(b *testing.B, o atrest.Options) *atrest.Files {
	b.Helper()
	return testkit.Must(atrest.Make(filepath.Join("..", "..", "bin", "atrest"), o))(b)
}

// BenchmarkScenarioOffline measures how fast files are read that lie in the page cache, and once
// that do not. Both cores are the auditor's, and the floor's where it can use them. But for the
// whole process no file is hashed: SHA-256 alone takes longer than all else, and its row says so.
func BenchmarkScenarioOffline(b *testing.B) {
	million := atRest(b, atrest.Options{Secrets: 1_000_000, Rewritten: true})
	b.Run("classification", func(b *testing.B) {
		read := 0
		p := &pair{subjectName: "classification of a database of 1,000,000 Secrets, live and old", floorName: "bbolt's cursor over the live and old ones"}
		p.measure(b, rounds,
			func() error { return cursor(million.Database) },
			func() (err error) { read, err = classify(b.Context(), nil, million.Database); return err })
		rate(b, "values/s", p.subject, float64(read), record.Figure{What: "classification of a database: values a second, two cores, warm", Least: bound(2_000_000)})
		rate(b, "cursor-values/s", p.floor, float64(million.Live+million.Old), record.Figure{What: "bbolt's cursor: values a second"})
	})
	b.Run("cold", func(b *testing.B) {
		p := &pair{
			subjectName: "classification of a database, nothing of it in memory", floorName: "reading the file once in order, nothing of it in memory",
			limits: []record.Limit{{At: .5, Ratio: 1.42}}, before: func() error { return forget(million.Database) },
		}
		p.measure(b, rounds,
			func() error { return inOrder(million.Database, io.Discard) },
			func() error { _, err := classify(b.Context(), nil, million.Database); return err })
	})
	for _, of := range []struct {
		name  string
		o     atrest.Options
		least float64
	}{{"no hits", atrest.Options{Secrets: 100_000}, 2.5}, {"all Secrets, each with a fingerprint", atrest.Options{Secrets: 100_000, Plaintext: true}, 1}} {
		files := atRest(b, of.o)
		var fingerprint hash.Hash
		if of.o.Plaintext {
			fingerprint = hmac.New(sha256.New, []byte(rand.Text()))
		}
		all := append(slices.Clone(files.Segments), files.Database)
		search := func(b *testing.B, what string, paths []string, files []string) {
			p := &pair{subjectName: what, floorName: "reading the files once in order"}
			p.measure(b, rounds,
				func() error {
					for _, file := range files {
						if err := inOrder(file, io.Discard); err != nil {
							return err
						}
					}
					return nil
				},
				func() error { _, err := classify(b.Context(), fingerprint, paths...); return err })
			rate(b, "GiB/s", p.subject, float64(sizes(b, files))/gibi, record.Figure{What: what + ": GiB a second, two cores, warm", Unit: "GiB/s", Least: bound(of.least)})
		}
		b.Run(of.name, func(b *testing.B) {
			search(b, "residue search over database and WAL, "+of.name, []string{files.Dir}, all)
		})
		b.Run(of.name+", pages", func(b *testing.B) {
			file := headless(b, files.Database)
			search(b, "residue search over pages without a beginning, "+of.name, []string{file}, []string{file})
		})
	}
}

// BenchmarkScenarioOfflineProcess runs the program itself, which hashes what it reads.
func BenchmarkScenarioOfflineProcess(b *testing.B) {
	binaries := testkit.Must(components.Build(b.Context(), b.Output(), components.ETCDAudit))(b)
	var cpu [2]time.Duration
	for i, secrets := range []int{100_000, 1_000_000} {
		files := atRest(b, atrest.Options{Secrets: secrets, Rewritten: true})
		name := fmt.Sprintf("%d Secrets with history", secrets)
		b.Run(name, func(b *testing.B) {
			var peak int64
			var used []time.Duration
			p := &pair{subjectName: "etcdaudit scan of a database, the whole process, " + name, floorName: "SHA-256 of the file alone"}
			p.measure(b, rounds,
				func() error { return inOrder(files.Database, sha256.New()) },
				func() error {
					took, most, err := ran(b.Context(), binaries.Path(components.ETCDAudit), "scan", files.Database)
					peak, used = max(peak, most), append(used, took)
					return err
				})
			cpu[i] = quantile(used, .5)
			figure(b, "peak-MiB", record.Figure{What: "etcdaudit scan of a database, the whole process: resident memory, the most, " + name, Unit: "MiB",
				Value: float64(peak) / (1 << 20), Most: bound(float64(96<<20+48*files.Live) / (1 << 20))})
			figure(b, "cpu-s", record.Figure{What: "etcdaudit scan of a database, the whole process: CPU, " + name, Unit: "s", Value: cpu[i].Seconds()})
		})
	}
	if cpu[0] > 0 && cpu[1] > 0 {
		figure(b, "cpu-ratio", record.Figure{What: "etcdaudit scan of a database, the whole process: CPU, from 100,000 Secrets to 1,000,000", Unit: "×", Value: float64(cpu[1]) / float64(cpu[0]), Most: bound(11)})
	}
}

// rate turns how long something took into how much of it a second there is, at the median.
func rate(b *testing.B, metric string, took []time.Duration, amount float64, f record.Figure) {
	b.Helper()
	f.Value = amount / quantile(took, .5).Seconds()
	figure(b, metric, f)
}

// classify reads files, as an audit does up to its rules, and returns how many values it has met.
func classify(ctx context.Context, fingerprint hash.Hash, paths ...string) (values int, err error) {
	set, err := offline.Open(ctx, paths, offline.Options{Now: time.Now, Unhashed: true})
	if err != nil {
		return 0, err
	}
	keys := keyusage.New(nil)
	for _, source := range set.Sources {
		reading := keys.Begin(source.Scopes(), func(etcdrecord.Origin) bool { return true })
		counted := map[etcdrecord.Layer]*inventory.Inventory{}
		for _, scope := range source.Scopes() {
			counted[scope.Layer] = inventory.New("/registry", nil)
		}
		err = errors.Join(err, source.Read(ctx, func(records []etcdrecord.Record) error {
			for _, rec := range records {
				counted[rec.Origin.Layer].Add(rec)
				reading.Add(rec)
				if fingerprint != nil {
					fingerprint.Reset()
					fingerprint.Write(rec.Value)
					fingerprint.Sum(nil)
				}
			}
			values += len(records)
			return nil
		}))
		reading.Keep()
	}
	return values, errors.Join(err, set.Close())
}

// cursor reads the first byte of every version by bbolt.
func cursor(file string) error {
	db, err := bbolt.Open(file, 0, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	var sum byte
	err = db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte("key")).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			sum += v[0]
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

// inOrder reads a file once in order.
func inOrder(name string, to io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	// Neither side may read in another way than this, such as by a system call from file to file.
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return errors.Join(err, f.Close())
}

// forget has the system drop what it holds of a file.
func forget(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
}

func sizes(b *testing.B, files []string) (bytes int64) {
	b.Helper()
	for _, file := range files {
		bytes += testkit.Must(os.Stat(file))(b).Size()
	}
	return bytes
}

// headless is a copy of a database in which no page is in its place, so that nothing is known of
// any: all of it is searched byte by byte, page by page.
func headless(b *testing.B, database string) string {
	b.Helper()
	data := testkit.Must(os.ReadFile(database))(b)
	const page = 4096
	damaged := bytes.Clone(data[:page])
	damaged[40] ^= 1 // its checksum does not fit any more
	name := filepath.Join(b.TempDir(), "headless.db")
	testkit.Check(b, os.WriteFile(name, slices.Concat(damaged, make([]byte, page+512), data[2*page:]), 0o600))
	return name
}

// ran runs the program, whose status may say that it has findings, and returns its CPU time and
// the most memory that it had. What the system says of a process that has ended would be at least
// what this one had when it started it.
func ran(ctx context.Context, program string, args ...string) (cpu time.Duration, peak int64, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err = <-ended:
			var status *exec.ExitError
			if err != nil && (!errors.As(err, &status) || status.ExitCode() > 2) {
				return 0, 0, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, messages.String())
			}
			return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak, nil
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, highWater(cmd.Process.Pid))
		}
	}
}

// highWater is the most memory that a process had so far, in bytes; 0 if it has ended.
func highWater(pid int) (bytes int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
