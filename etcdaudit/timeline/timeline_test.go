package timeline_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/test/testkit"
)

const skew = 10 * time.Second

func collector(t testing.TB, o timeline.Options) *timeline.Collector {
	t.Helper()
	o.Skew, o.Now = skew, time.Unix(2_000_000_000, 0)
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	c := timeline.New(o)
	t.Cleanup(func() { testkit.Check(t, c.Close()) })
	return c
}

// plaintext is a Secret that was created and changed at some seconds.
func plaintext(name string, created, changed int64, data string) []byte {
	return fmt.Appendf(nil, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"creationTimestamp":%q,"managedFields":[{"time":%q}]},"data":{"p":%q}}`, name, text(created), text(changed), data)
}

func version(name string, value []byte, revision, create, n int64) record.Record {
	return record.Record{Key: []byte("/registry/secrets/n/" + name), Value: value, ModRevision: revision, CreateRevision: create, Version: n, Tombstone: value == nil}
}

const day = 86400

// short writes bounds in days, with their sources.
func short(b timeline.Bounds) string {
	of := func(b timeline.Bound, allowance time.Duration) string {
		if b.Source == "" {
			return "-"
		}
		return fmt.Sprintf("%.3f %s", b.Time.Add(allowance).Sub(time.Unix(0, 0)).Hours()/24, b.Source)
	}
	return of(b.NotBefore, skew) + " to " + of(b.NotAfter, -skew)
}

func TestReadableUntilItWasEncryptedOrDeleted(t *testing.T) {
	c := collector(t, timeline.Options{})
	live := testkit.Must(c.Place(timeline.Place{Layer: record.Live, Prefix: "/registry/"}))(t)
	old := testkit.Must(c.Place(timeline.Place{Layer: record.History, Prefix: "/registry/"}))(t)
	add := func(place int, all ...record.Record) {
		for _, r := range all {
			testkit.Check(t, c.Add(place, r))
		}
	}
	// Others tell the time.
	for i := range int64(100) {
		add(old, record.Record{Key: []byte("/registry/configmaps/n/x"), Value: plaintext("x", (i+1)*day, (i+1)*day, ""), ModRevision: 10 * i, CreateRevision: 10 * i, Version: 1})
	}
	encrypted := []byte("k8s:enc:kms:v2:p:x")
	add(old,
		version("encrypted", plaintext("encrypted", 6*day, 6*day, "1"), 51, 51, 1),
		version("gap", plaintext("gap", 6*day, 6*day, "1"), 55, 51, 3),
		version("recreated", plaintext("recreated", 6*day, 6*day, "1"), 51, 51, 1),
		version("deleted", plaintext("deleted", 6*day, 6*day, "1"), 51, 51, 1),
		version("deleted", nil, 300, 0, 0),
		version("forgotten", plaintext("forgotten", 6*day, 6*day, "1"), 51, 51, 1),
		version("twice", plaintext("twice", 6*day, 6*day, "1"), 51, 51, 1),
		version("twice", encrypted, 100, 51, 2),
		version("never", encrypted, 100, 51, 2),
	)
	add(live,
		version("encrypted", encrypted, 201, 51, 2),
		version("gap", encrypted, 201, 51, 9),
		version("recreated", plaintext("recreated", 31*day, 31*day, "2"), 301, 301, 1),
		version("twice", plaintext("twice", 6*day, 41*day, "2"), 400, 51, 3),
	)
	file := []record.Input{{Name: "db", Modified: time.Unix(101*day, 1)}}
	c.Read(live, 995, file, time.Time{})
	c.Read(old, 995, file, time.Time{})
	got := testkit.Must(c.Timelines())(t)
	var lines []string
	for _, s := range got.Secrets {
		line := s.Name + fmt.Sprint(s.Values, s.Places)
		for _, in := range s.Readable {
			line += " | " + short(in.From)
			if !in.Still {
				line += ", " + short(in.Until)
			}
		}
		lines = append(lines, line)
	}
	// 61 s are 0.001 days. A point of the clock bounds all revisions to one side of it.
	want := []string{
		"deleted1 [1] | 6.000 creationTimestamp to 6.001 creationTimestamp, 6.000 creationTimestamp to 31.001 revision clock",
		"encrypted1 [1] | 6.000 creationTimestamp to 6.001 creationTimestamp, 21.000 revision clock to 22.001 revision clock",
		"forgotten1 [1] | 6.000 creationTimestamp to 6.001 creationTimestamp, 6.000 creationTimestamp to 101.000 file time",
		"gap1 [1] | 6.000 creationTimestamp to 7.001 revision clock, 6.000 creationTimestamp to 22.001 revision clock",
		"recreated2 [0 1] | 6.000 creationTimestamp to 6.001 creationTimestamp, 6.000 creationTimestamp to 31.001 creationTimestamp | 31.000 creationTimestamp to 31.001 creationTimestamp",
		"twice2 [0 1] | 6.000 creationTimestamp to 6.001 creationTimestamp, 11.000 creationTimestamp to 11.001 creationTimestamp | 41.000 managedFields to 41.001 creationTimestamp",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if got.Allowance != skew || got.Disagreement != 0 || got.More != 0 {
		t.Errorf("%+v", got)
	}
}

func TestClocksThatDisagreeWidenTheBounds(t *testing.T) {
	c := collector(t, timeline.Options{})
	live := testkit.Must(c.Place(timeline.Place{Layer: record.Live, Prefix: "/registry"}))(t)
	// The API server that wrote the second is ten minutes behind the other one.
	for i, at := range []int64{1000, 400} {
		testkit.Check(t, c.Add(live, version(fmt.Sprint("s", i), plaintext("x", at, at, ""), int64(10+i), int64(10+i), 1)))
	}
	got := testkit.Must(c.Timelines())(t)
	if want := 539 * time.Second; got.Disagreement != want || got.Allowance < 600*time.Second {
		t.Errorf("disagreement %v, allowance %v", got.Disagreement, got.Allowance)
	}
	for _, s := range got.Secrets {
		if b := s.Readable[0].From; b.NotBefore.Time.Unix() > 400 || b.NotAfter.Time.Unix() < 1000 {
			t.Errorf("%s: %+v", s.Name, b)
		}
	}
}

func TestATimeThatLiesInTheFutureIsNotReliedOn(t *testing.T) {
	c := collector(t, timeline.Options{})
	live := testkit.Must(c.Place(timeline.Place{Layer: record.Live, Prefix: "/registry"}))(t)
	testkit.Check(t, c.Add(live, version("a", plaintext("a", 1000, 3_000_000_000, ""), 10, 10, 1)))
	if b := testkit.Must(c.Timelines())(t).Secrets[0].Readable[0].From; b.NotBefore.Time.Unix() != 990 || b.NotBefore.Source != timeline.Creation {
		t.Errorf("%+v", b)
	}
}

// many adds versions of so many Secrets, each in two layers.
func many(t *testing.T, c *timeline.Collector, secrets int64) error {
	live := testkit.Must(c.Place(timeline.Place{Layer: record.Live, Prefix: "/registry"}))(t)
	log := testkit.Must(c.Place(timeline.Place{Layer: record.WAL, Prefix: "/registry"}))(t)
	for i := range secrets {
		name := fmt.Sprintf("s%06d", i)
		value := plaintext(name, 1000+i, 1000+i, "x")
		if err := c.Add(live, version(name, value, 10+i, 10+i, 1)); err != nil {
			return err
		}
		if err := c.Add(log, record.Record{Key: []byte("/registry/secrets/n/" + name), Value: value, Origin: record.Origin{File: "w", Index: uint64(20 + i)}}); err != nil {
			return err
		}
	}
	c.Read(live, 10+secrets, []record.Input{{Name: "db", Modified: time.Unix(5_000_000, 0)}}, time.Time{})
	return nil
}

func TestWhatDoesNotFitIntoMemoryGoesToAFileWithoutAName(t *testing.T) {
	dir := t.TempDir()
	const secrets = 36_000
	for _, o := range []timeline.Options{{}, {Memory: 1 << 20, WorkDir: dir}} {
		c := collector(t, o)
		testkit.Check(t, many(t, c, secrets))
		if left := testkit.Must(os.ReadDir(dir))(t); len(left) > 0 {
			t.Errorf("%v was left", left)
		}
		got := testkit.Must(c.Timelines())(t)
		if len(got.Secrets) != 20_000 || got.More != secrets-20_000 {
			t.Fatalf("%d and %d Secrets", len(got.Secrets), got.More)
		}
		for i, s := range got.Secrets {
			if s.Name != fmt.Sprintf("s%06d", i) || s.Values != 1 || !slices.Equal(s.Places, []int{0, 1}) || len(s.Readable) != 1 || !s.Readable[0].Still {
				t.Fatalf("%+v", s)
			}
		}
	}
}

func TestWithoutAPlaceForTheRestTheTimelineIsRefused(t *testing.T) {
	c := collector(t, timeline.Options{Memory: 1 << 20})
	err := many(t, c, 36_000)
	if tooMuch := new(timeline.MemoryError); !errors.As(err, &tooMuch) || !strings.Contains(err.Error(), "--memory") || !strings.Contains(err.Error(), "--work-dir") {
		t.Errorf("%v", err)
	}
}

// A file system without room answers as a limit on the size of files does.
func TestAWorkDirWithoutRoomEndsWithOneClearLine(t *testing.T) {
	var before unix.Rlimit
	testkit.Check(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	testkit.Check(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: before.Max}))
	dir := t.TempDir()
	c := collector(t, timeline.Options{Memory: 1 << 20, WorkDir: dir})
	err := many(t, c, 36_000)
	testkit.Check(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before))
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "make room") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if left := testkit.Must(os.ReadDir(dir))(t); len(left) > 0 {
		t.Errorf("%v was left", left)
	}
	if c := collector(t, timeline.Options{Memory: 1 << 20, WorkDir: "/proc"}); many(t, c, 36_000) == nil {
		t.Error("a file was made in /proc")
	}
}

// What etcd has for its own disk is not taken from it.
func TestSomeOfTheWorkDirStaysFree(t *testing.T) {
	c := collector(t, timeline.Options{Memory: 1 << 20, WorkDir: testkit.FileSystem(t, "200m")})
	if err := many(t, c, 36_000); err == nil || !strings.Contains(err.Error(), "256 MiB would be left: make room") {
		t.Errorf("%v", err)
	}
}
