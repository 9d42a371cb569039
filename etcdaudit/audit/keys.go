package audit

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// usage counts which keys the values of sources are under, and dates their revisions.
type usage struct {
	register *keyusage.Register
	clusters []cluster
	clocks   []*timeline.Clock // of each cluster; none where nothing is dated
	// scopes are those of the sources that were read, in the order of the register's layers, and
	// clusterOf has the cluster of each.
	scopes    []record.Scope
	clusterOf []int
	// applied is the index of the last raft entry that a database holds, by member and copy, until
	// the log beside it was read, which comes next.
	applied map[[2]string]uint64
}

func newUsage(register *keyusage.Register, sources []record.Source) *usage {
	return &usage{register: register, clusters: clustersOf(sources), applied: map[[2]string]uint64{}}
}

// dated has revisions dated, as a timeline.Clock does it.
func (u *usage) dated(now time.Time, skew time.Duration) *usage {
	for range u.clusters {
		u.clocks = append(u.clocks, timeline.NewClock(now, skew))
	}
	return u
}

// usageOf is what is counted of one source.
type usageOf struct {
	*usage
	reading  *keyusage.Reading
	cluster  int
	prefixes map[record.Layer]string
}

// of is the part of a source, by its index.
func (u *usage) of(source int) *usageOf {
	return &usageOf{usage: u, cluster: slices.IndexFunc(u.clusters, func(c cluster) bool { return slices.Contains(c.sources, source) })}
}

// begin begins a reading of the source. What one before it has counted is dropped.
func (of *usageOf) begin(scopes []record.Scope) {
	if of.reading != nil {
		of.reading.Drop()
	}
	of.reading, of.prefixes = of.register.Begin(scopes, of.needed(scopes)), map[record.Layer]string{}
	for _, s := range scopes {
		of.prefixes[s.Layer] = strings.TrimSuffix(s.Prefix, "/")
	}
}

// needed says which values are read by API servers, or would be if the files were used: those in
// the tree of a database, and those that only a log holds, which etcd applies when it starts. What
// a log has and its database too was counted there, or is replaced since. Free pages are read by
// nobody.
func (u *usage) needed(scopes []record.Scope) func(record.Origin) bool {
	applied := uint64(0)
	for _, s := range scopes {
		if s.Layer == record.WAL {
			applied = u.applied[memberOf(s)]
		}
	}
	return func(at record.Origin) bool {
		switch at.Layer {
		case record.Live, record.History:
			return true
		case record.WAL:
			return at.Index > applied
		default:
			return false
		}
	}
}

func memberOf(s record.Scope) [2]string { return [2]string{s.Member, s.Copy} }

func (of *usageOf) add(rec record.Record) {
	of.reading.Add(rec)
	if of.clocks != nil {
		of.clocks[of.cluster].Add(of.prefixes[rec.Origin.Layer], rec)
	}
}

// end takes what the last reading has shown of the scopes, and nothing where it has failed.
func (of *usageOf) end(scopes []record.Scope, failed error) {
	for _, s := range scopes {
		delete(of.applied, memberOf(s)) // it says nothing of another copy of the member
	}
	if failed != nil {
		of.reading.Drop()
		return
	}
	of.reading.Keep()
	for _, s := range scopes {
		of.scopes, of.clusterOf = append(of.scopes, s), append(of.clusterOf, of.cluster)
		if s.Member != "" && s.Layer == record.Live {
			of.applied[memberOf(s)] = s.Cluster.Index
		}
		at, by := newestOf(s)
		if s.Layer == record.Live && of.clocks != nil {
			of.clocks[of.cluster].Read(s.Revision, at, by)
		}
	}
}

// newestOf is when a source was read, or its newest file last written.
func newestOf(s record.Scope) (at time.Time, by timeline.Source) {
	for _, file := range s.Sources {
		if file.Modified.After(at) {
			at = file.Modified
		}
	}
	if at.IsZero() || s.InUse {
		return s.Time, timeline.ReadingTime
	}
	return at, timeline.FileTime
}

// tally reads a source for its keys alone, again from the beginning where it asks for that.
func (of *usageOf) tally(ctx context.Context, source record.Source, progress func(int)) (err error) {
	defer func() { of.end(source.Scopes(), err) }()
	for {
		of.begin(source.Scopes())
		keys := int64(0)
		err := source.Read(ctx, func(records []record.Record) error {
			for _, rec := range records {
				of.add(rec)
				switch {
				case rec.Origin.Layer != record.Live || rec.Tombstone:
				case rec.Retracted:
					keys--
				default:
					keys++
				}
			}
			if progress != nil {
				progress(len(records))
			}
			return nil
		})
		if s := source.Scopes()[0]; err == nil && s.Layer == record.Live && s.Keys != 0 && s.Keys != keys {
			err = fmt.Errorf("%d keys were read of %s, which counts %d", keys, s, s.Keys)
		}
		if !errors.Is(err, record.ErrRepeat) || ctx.Err() != nil {
			return err
		}
	}
}

// key puts an entry into the report's form. keys are those that Vault was asked for.
func (u *usage) key(e keyusage.Entry, keys []keyusage.TransitKey) *auditv1.Key {
	out := &auditv1.Key{
		Kind: e.Format.String(), Name: term.Printable(e.Name), KeyId: term.Printable(e.KeyID), VaultKeyVersion: e.Version,
		Cluster: term.Printable(e.Cluster), LocalKek: hex.EncodeToString([]byte(e.LocalKEK)), DekSources: count(e.DEKSources), Rest: e.Rest,
	}
	if e.KeyID != "" {
		out.KeyIdHash = keyjoin.Hash(e.KeyID)
	}
	if (e.Format == storedvalue.KMSv1 || e.Format == storedvalue.KMSv2) && !e.Rest && len(e.Uses) > 0 {
		out.Envelope = e.Envelope.String()
	}
	if e.TransitKey >= 0 {
		out.TransitKey, out.Created, out.CreatedSource = keys[e.TransitKey].Path, timestamppb.New(e.Known.Created), "register"
		if e.Known.Listed {
			out.CreatedSource = "vault"
		}
	}
	var last time.Time
	for _, use := range e.Uses {
		scope := u.scopes[use.Layer]
		of := &auditv1.KeyUse{
			Scope: scope.ID(), Values: count(use.Values), Needed: count(use.Needed), DekSources: count(use.DEKSources), MostValues: count(use.Most),
			FirstRevision: use.First, LastRevision: use.Last, ObjectsOmitted: count(omitted(use)),
		}
		if use.First > 0 && u.clocks != nil {
			clock := u.clocks[u.clusterOf[use.Layer]]
			of.FirstWritten, of.LastWritten = bounds(clock.Written(use.First)), bounds(clock.Written(use.Last))
		}
		for _, o := range use.Objects {
			of.Objects = append(of.Objects, objectOf(o))
		}
		if at, _ := newestOf(scope); use.Needed > 0 && at.After(last) {
			last = at
		}
		out.Uses = append(out.Uses, of)
	}
	if !last.IsZero() {
		out.LastNeeded = timestamppb.New(last)
	}
	return out
}

// addTo adds the keys to a report, and to its scopes how many DEK sources they have.
func (u *usage) addTo(r *auditv1.Report) {
	for _, e := range keyusage.Join(u.register.Usages(), nil) {
		r.Keys = append(r.Keys, u.key(e, nil))
	}
	for i, c := range u.register.Counts() {
		if at := slices.IndexFunc(r.Scopes, func(s *auditv1.Scope) bool { return s.Id == u.scopes[i].ID() }); at >= 0 {
			r.Scopes[at].DekSources = count(c.DEKSources)
		}
	}
}

// omitted is how many needed values are not named, where any is.
func omitted(use keyusage.Use) int64 {
	if len(use.Objects) == 0 {
		return 0
	}
	return use.Needed - int64(len(use.Objects))
}

func objectOf(o check.Object) *auditv1.Object {
	out := &auditv1.Object{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name, Detail: o.Detail, Revision: o.Revision}
	if o.Origin != nil {
		out.Origin = &auditv1.Origin{Layer: o.Origin.Layer, File: term.Printable(o.Origin.File), Offset: o.Origin.Offset, RaftIndex: o.Origin.Index, RaftTerm: o.Origin.Term}
	}
	return out
}

// keyName names an entry for people.
func keyName(k keyusage.Key) string {
	name := k.Format.String()
	if k.Rest {
		return name + ", keys beyond those that were told apart"
	}
	return term.Printable(cmp.Or(k.KeyID, name+" "+k.Name))
}
