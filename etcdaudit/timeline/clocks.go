package timeline

import (
	"bytes"
	"math"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// latency is how much later than its creationTimestamp an object can be written, in seconds: as
// long as a request may take (kube-apiserver --request-timeout), and the fraction of a second that
// the timestamp leaves out.
const latency = 61

// clocks are those of one cluster: of etcd's revisions, and of raft's indexes.
type clocks struct {
	revisions, log clock
	now            time.Time // when reading began
	tolerated      time.Duration
}

// Clock bounds when the revisions of one cluster were written, by what its objects in plaintext
// say. It is used by one goroutine.
type Clock struct {
	clocks
	allowance int64
	settled   bool
}

// NewClock makes an empty clock. now is when reading began, and skew the allowance for clocks, as
// in Options.
func NewClock(now time.Time, skew time.Duration) *Clock {
	return &Clock{clocks: clocks{now: now, tolerated: skew}}
}

// Add takes what was read under a prefix, of any resource. What is not plaintext tells nothing.
func (c *Clock) Add(prefix string, rec record.Record) {
	if rec.Within || rec.Tombstone || rec.Retracted || !plaintext(rec) {
		return
	}
	c.times(rec)
	if k, ok := storedvalue.ParseKey(prefix, rec.Key); ok && renews(k) {
		c.renewed(rec)
	}
}

func plaintext(rec record.Record) bool {
	if rec.Parsed != nil {
		return rec.Parsed.Format.Plaintext()
	}
	return storedvalue.Parse(rec.Value).Format.Plaintext()
}

// Read takes that a source at a revision was read, or its file last written, at a time.
func (c *Clock) Read(revision int64, at time.Time, source Source) {
	if revision > 0 && !at.IsZero() {
		c.revisions.notAfter(revision, bound{ceil(at), source})
	}
}

// Written bounds when a revision was written. Nothing is added after that.
func (c *Clock) Written(revision int64) Bounds {
	if !c.settled {
		c.allowance, _ = c.settle()
		c.settled = true
	}
	return bounded(c.revisions.low(revision, RevisionClock), c.revisions.high(revision, RevisionClock), c.allowance)
}

// settle makes the clocks ready to be asked. allowance is what every bound has to have in it, and
// disagreement by how much the clocks contradict each other beyond what is tolerated, in seconds; 0
// if they do not.
func (c *clocks) settle() (allowance, disagreement int64) {
	c.revisions.settle()
	c.log.settle()
	allowance, disagreement = c.skew(), max(c.revisions.disagreement(), c.log.disagreement())
	if disagreement > 2*allowance {
		// One of the clocks is wrong by all that it differs from the other one, and by as much
		// more as the other write may have taken.
		return disagreement + latency, disagreement
	}
	return allowance, 0
}

// renews reports whether a key is that of the Lease of an API server.
func renews(k storedvalue.Key) bool {
	return string(k.Path) == "leases" && string(k.Namespace) == "kube-system" && bytes.HasPrefix(k.Name, []byte("apiserver-"))
}

// times are those that an object says it was written at, which the clocks are set by.
func (c *clocks) times(rec record.Record) storedvalue.Times {
	t := storedvalue.ReadTimes(rec.Value)
	if t.Created > c.latest() {
		t.Created = 0
	}
	if t.Changed > c.latest() {
		t.Changed = 0 // a client can write any time there
	}
	created, changed := bound{t.Created, Creation}, bound{t.Changed, ManagedFields}
	if i := rec.Origin.Index; i > 0 {
		c.log.tell(int64(min(i, math.MaxInt64)), created, changed)
	}
	if rec.ModRevision > 0 {
		c.revisions.tell(rec.ModRevision, changed)
	}
	if rec.CreateRevision > 0 && t.Created > 0 {
		c.revisions.tell(rec.CreateRevision, created)
		c.revisions.notAfter(rec.CreateRevision, bound{t.Created + latency, Creation})
	}
	return t
}

// tell sets the clock by times before a write.
func (c *clock) tell(position int64, all ...bound) {
	for _, b := range all {
		if b.at > 0 {
			c.notBefore(position, b)
		}
	}
}

// renewed sets the clocks by a Lease, which an API server writes each ten seconds with the time.
func (c *clocks) renewed(rec record.Record) {
	at := storedvalue.ReadRenewTime(rec.Value)
	if at == 0 || at > c.latest() {
		return
	}
	set := func(of *clock, position int64) {
		if position > 0 {
			of.notBefore(position, bound{at, RenewTime})
			of.notAfter(position, bound{at + latency, RenewTime})
		}
	}
	set(&c.revisions, rec.ModRevision)
	set(&c.log, int64(min(rec.Origin.Index, math.MaxInt64)))
}

func (c *clocks) latest() int64 { return c.now.Unix() + c.skew() }

func (c *clocks) skew() int64 { return int64(math.Ceil(c.tolerated.Seconds())) }

// bounded adds the allowance for clocks.
func bounded(low, high bound, allowance int64) (b Bounds) {
	if low.at != never {
		b.NotBefore = Bound{time.Unix(low.at-allowance, 0).UTC(), low.source}
	}
	if high.at != always {
		b.NotAfter = Bound{time.Unix(high.at+allowance, 0).UTC(), high.source}
	}
	return b
}

func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
