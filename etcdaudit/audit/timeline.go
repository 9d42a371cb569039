package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// timelines collects the sightings of each cluster. Sources that show the same cluster, or a
// member that another source shows as well, are of one. nil collects nothing.
type timelines struct {
	clusters []*lines
}

// lines is what is collected of one cluster.
type lines struct {
	cluster
	collector *timeline.Collector
	scopes    []string // by place
}

func newTimelines(o *timeline.Options, sources []record.Source) *timelines {
	if o == nil {
		return nil
	}
	t := &timelines{}
	for _, c := range clustersOf(sources) {
		t.clusters = append(t.clusters, &lines{cluster: c})
	}
	for _, c := range t.clusters {
		share := *o
		share.Memory /= int64(len(t.clusters))
		c.collector = timeline.New(share)
	}
	return t
}

// of is the collector of a source, with a place for each of its layers.
func (t *timelines) of(source int, scopes []record.Scope) (*sightings, error) {
	if t == nil {
		return nil, nil
	}
	i := slices.IndexFunc(t.clusters, func(c *lines) bool { return slices.Contains(c.sources, source) })
	s := &sightings{lines: t.clusters[i], places: map[record.Layer]int{}}
	for _, scope := range scopes {
		at, err := s.collector.Place(timeline.Place{Layer: scope.Layer, Prefix: scope.Prefix})
		if err != nil {
			return nil, err
		}
		s.places[scope.Layer] = at
		s.scopes = append(s.scopes, "")
	}
	return s, nil
}

// sightings are those of one source; nil for none.
type sightings struct {
	*lines
	places map[record.Layer]int
}

func (s *sightings) add(rec record.Record) error {
	if s == nil {
		return nil
	}
	return s.collector.Add(s.places[rec.Origin.Layer], rec)
}

// read takes the scopes after reading.
func (s *sightings) read(scopes []record.Scope) {
	if s == nil {
		return
	}
	for _, scope := range scopes {
		at := s.places[scope.Layer]
		s.scopes[at] = scope.ID()
		files, opened := scope.Sources, scope.Time
		if scope.InUse || scope.Layer == record.Undetermined || scope.As != "" && scope.Layer == record.FreePages {
			// What was written while it was read may be later than its time, and is not later
			// than now. Of a file that its member writes to, that is what was behind the last
			// page of the moment that the rest is of.
			files, opened = untimed(files), time.Now()
		}
		s.collector.Read(at, scope.Revision, files, opened)
	}
}

func untimed(files []record.Input) (all []record.Input) {
	for _, f := range files {
		f.Modified = time.Time{}
		all = append(all, f)
	}
	return all
}

// addTo adds what was worked out to a report.
func (t *timelines) addTo(r *auditv1.Report) error {
	if t == nil {
		return nil
	}
	for _, c := range t.clusters {
		got, err := c.collector.Timelines()
		if err != nil {
			return fmt.Errorf("work out the timeline of %s: %w", c.store, err)
		}
		if err := c.collector.Close(); err != nil { // the report needs the room
			return fmt.Errorf("close the timeline of %s: %w", c.store, err)
		}
		r.TimelineBasis = append(r.TimelineBasis, &auditv1.TimelineBasis{
			Store: c.store, Objects: count(int64(len(got.Secrets) + got.More)), Omitted: count(int64(got.More)),
			AllowanceSeconds: int64(got.Allowance.Seconds()), DisagreementSeconds: int64(got.Disagreement.Seconds()),
		})
		for _, s := range got.Secrets {
			r.Timelines = append(r.Timelines, c.timeline(s))
		}
	}
	return nil
}

func (c *lines) timeline(s timeline.Secret) *auditv1.Timeline {
	out := &auditv1.Timeline{
		Resource: term.Printable(apiresource.Of(s.Path).String()), Namespace: term.Printable(s.Namespace), Name: term.Printable(s.Name),
		Store: c.store, Values: count(int64(s.Values)), Omitted: count(int64(s.Omitted)),
	}
	for _, in := range s.Readable {
		one := &auditv1.Interval{From: bounds(in.From)}
		if !in.Still {
			one.Until = bounds(in.Until)
		}
		out.Readable = append(out.Readable, one)
	}
	for _, at := range s.Places {
		out.RecoverableIn = append(out.RecoverableIn, c.scopes[at])
	}
	return out
}

func bounds(b timeline.Bounds) *auditv1.Bounds {
	out := &auditv1.Bounds{NotBeforeSource: string(b.NotBefore.Source), NotAfterSource: string(b.NotAfter.Source)}
	if b.NotBefore.Source != "" {
		out.NotBefore = timestamppb.New(b.NotBefore.Time)
	}
	if b.NotAfter.Source != "" {
		out.NotAfter = timestamppb.New(b.NotAfter.Time)
	}
	return out
}

func (t *timelines) close() error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, c := range t.clusters {
		errs = append(errs, c.collector.Close())
	}
	return errors.Join(errs...)
}
