// Package audit runs an audit: it reads sources, counts what they hold, evaluates the
// rules and makes the report. It is the one place that composes these.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/rbac"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// Options says what to audit.
type Options struct {
	// Sources are what holds data; none where only TLS or a host is asked for. Unscanned is
	// why there is none although data was asked for.
	Sources   []record.Source
	Unscanned string
	// Missing is what was looked for and could not be read.
	Missing []facts.Missing
	// Wire is what connections to etcd have shown, and Host what the control-plane node
	// has; nil for what was not asked for.
	Wire *facts.Wire
	Host *facts.Host
	// Archive is the file that Host was read from; without a name if it was the node itself.
	Archive record.Input
	// Groups are the rules that are evaluated.
	Groups rules.Groups
	// Encryption is the EncryptionConfiguration to compare with, read from
	// EncryptionFile; nil and empty for none. Its keys are tried while Run reads.
	Encryption     *encryptionconfig.Config
	EncryptionFile string
	// CurrentKeyID is the key_id that KMS v2 values should have; empty for the newest
	// in each store.
	CurrentKeyID string
	// KeySources are what plugins and API servers say of the current keys; nil if none was asked.
	KeySources *keyjoin.Sources
	// FailOn is the least severity that makes the verdict a failure.
	FailOn auditv1.Severity
	// Strict makes what lacks an optional input count as not evaluated.
	Strict bool
	Tool   *auditv1.Tool
	// API lists the objects of RBAC through the API server, where those in etcd could not be
	// read; nil if it is not to be asked.
	API API
	// Timeline says how to work out for how long objects were readable; nil for not at all.
	Timeline *timeline.Options
	// Verify says what values are opened with; nil to open none. Groups.Verify asks for the rules
	// about that.
	Verify *Verification
	// Progress is told how many more records were read; it may be nil.
	Progress func(records int)
}

// Run reads every source to its end. It returns an error, and no report, if one cannot
// be read as a whole, if there is nothing to look at, or if two scopes have the same id.
// Of several sources, one that cannot be read is listed as missing, and the others are judged.
// Where more than data was asked for and no source can be read, the rules about data are left
// unevaluated instead, and the rest of the audit goes on.
func Run(ctx context.Context, o Options) (r *auditv1.Report, err error) {
	f := facts.Facts{Encryption: o.Encryption, EncryptionFile: o.EncryptionFile, Wire: o.Wire, Host: o.Host, Unscanned: o.Unscanned, Unfound: o.Missing, KeySources: o.KeySources}
	if err := distinct(o.Sources); err != nil {
		return nil, err
	}
	lines := newTimelines(o.Timeline, o.Sources)
	defer func() { err = errors.Join(err, lines.close()) }()
	keys := newUsage(keyusage.New(nil), o.Sources)
	var failed error
	for i, source := range o.Sources {
		seen, err := lines.of(i, source.Scopes())
		if err != nil {
			return nil, err
		}
		stores, access, err := read(ctx, source, seen, keys.of(i), o)
		switch {
		case ctx.Err() != nil && err != nil:
			return nil, err
		case err != nil:
			failed = cmp.Or(failed, err)
			if len(o.Sources) > 1 {
				f.Unfound = append(f.Unfound, facts.Missing{What: source.Scopes()[0].String(), Why: err.Error()})
			}
			continue
		}
		f.Stores, f.Access = append(f.Stores, stores...), append(f.Access, access...)
	}
	if failed != nil && len(f.Stores) == 0 {
		if onlyData := !o.Groups.Wire && !o.Groups.Host; onlyData {
			return nil, failed
		}
		f.Unscanned = "the data could not be read: " + failed.Error()
	}
	o.Verify.settle(&f)
	if o.Groups.Data {
		f.Access = completed(ctx, f.Access, o.API)
	}
	if len(f.Stores) == 0 && f.Wire == nil && f.Host == nil {
		return nil, errors.New("there is nothing to read: no source has a scope")
	}
	r = model(f, check.Evaluate(rules.For(o.Groups), f), o)
	keys.addTo(r)
	if f.Unscanned != "" {
		return r, nil
	}
	if err := lines.addTo(r); err != nil {
		return nil, err
	}
	return r, nil
}

// distinct refuses two scopes of one id before anything is read: that may take hours.
func distinct(sources []record.Source) error {
	ids := map[string]bool{}
	for _, source := range sources {
		for _, s := range source.Scopes() {
			if ids[s.ID()] {
				return fmt.Errorf("%s is read twice: name every store and file once", s.ID())
			}
			ids[s.ID()] = true
		}
	}
	return nil
}

// counting is what one reading of a source has counted, by layer, and the objects of RBAC among
// what is live.
type counting struct {
	stores      []facts.Store
	inventories map[record.Layer]*inventory.Inventory
	objects     *rbac.Collector
	opening     *opening
	keys        *usageOf
	dates       *dates
}

func newCounting(scopes []record.Scope, keys *usageOf, o Options) (*counting, error) {
	c := &counting{inventories: map[record.Layer]*inventory.Inventory{}, opening: o.Verify.open(scopes), keys: keys}
	for _, scope := range scopes {
		if c.inventories[scope.Layer] != nil {
			return nil, fmt.Errorf("a source has two scopes of layer %q: this is a mistake of the program", scope.Layer)
		}
		if scope.Layer == record.Live {
			c.objects = rbac.NewCollector(strings.TrimSuffix(scope.Prefix, "/"))
		}
		inv := inventory.New(strings.TrimSuffix(scope.Prefix, "/"), o.Encryption)
		c.inventories[scope.Layer] = inv
		store := facts.Store{Scope: scope, Inventory: inv, CurrentKeyID: o.CurrentKeyID, KeySources: o.KeySources}
		if c.opening != nil {
			store.Verified = c.opening.tallies[scope.Layer]
		}
		if d := datesOf(scope, o, time.Now()); d != nil {
			c.dates, store.Clock = d, d.clock
		}
		c.stores = append(c.stores, store)
	}
	return c, nil
}

func (c *counting) add(ctx context.Context, records []record.Record, seen *sightings) error {
	results := c.opening.records(ctx, records)
	for i, rec := range records {
		inv, ok := c.inventories[rec.Origin.Layer]
		if !ok {
			return fmt.Errorf("%q was read in layer %q, which is in no scope: this is a mistake of the program", rec.Key, rec.Origin.Layer)
		}
		if !rec.Tombstone {
			group := inv.Add(rec)
			if results != nil {
				c.opening.add(rec, results[i], group)
			}
			c.keys.add(rec)
			c.dates.add(rec)
		}
		// What is retracted was there at the revision that it was read at.
		if !rec.Retracted {
			if err := seen.add(rec); err != nil {
				return err
			}
		}
		switch {
		case rec.Origin.Layer != record.Live:
		case rec.Retracted:
			c.objects.Retract(rec.Key)
		default:
			c.objects.Add(rec.Key, rec.Value)
		}
	}
	return nil
}

// tally reads a source, again from the beginning where it asks for that: it knows how often.
func tally(ctx context.Context, source record.Source, seen *sightings, keys *usageOf, o Options) (c *counting, err error) {
	for {
		if c, err = newCounting(source.Scopes(), keys, o); err != nil {
			return nil, err
		}
		keys.begin(source.Scopes())
		err = source.Read(ctx, func(records []record.Record) error {
			if err := c.add(ctx, records, seen); err != nil {
				return err
			}
			if o.Progress != nil {
				o.Progress(len(records))
			}
			return nil
		})
		c.opening.clear()
		if !errors.Is(err, record.ErrRepeat) || ctx.Err() != nil {
			return c, err
		}
	}
}

// read counts the records of one source, by layer, and says who may read them: what is live
// counts for that.
func read(ctx context.Context, source record.Source, seen *sightings, keys *usageOf, o Options) (stores []facts.Store, access []facts.Access, err error) {
	c, err := tally(ctx, source, seen, keys, o)
	if c == nil {
		return nil, nil, err
	}
	defer func() { keys.end(source.Scopes(), err) }()
	stores = c.stores
	// Reading shows more of a file than opening it.
	scopes := source.Scopes()
	seen.read(scopes)
	var remains map[record.Layer]*record.Remains
	if leaver, ok := source.(record.Leaver); ok {
		remains = leaver.Remains()
	}
	var members *record.Comparison
	if comparer, ok := source.(record.Comparer); ok && err == nil {
		members = comparer.Compare(ctx)
		// Members that were not asked any more are not those that gave no answer.
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("compare the members: %w", context.Cause(ctx))
		}
	}
	damaged := int64(0)
	for _, r := range remains {
		damaged += r.Damaged
	}
	for i := range stores {
		s := &stores[i]
		s.Inventory.Settle() // before the next source is read
		s.Scope, s.Damaged, s.Members = scopes[i], damaged, members
		if r := remains[s.Scope.Layer]; r != nil {
			s.Remains = *r
		}
		if err == nil && s.Scope.Layer == record.Live && s.Scope.Keys != 0 && s.Inventory.Keys != s.Scope.Keys {
			err = fmt.Errorf("%d keys were read of %s, which counts %d", s.Inventory.Keys, s.Scope, s.Scope.Keys)
		}
		if s.Scope.Layer == record.Live {
			access = append(access, accessIn(*s, c.objects))
		}
	}
	return stores, access, err
}
