package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// RegisterOptions says what a register of keys is made of.
type RegisterOptions struct {
	Sources []record.Source
	// Missing is what was looked for and could not be read.
	Missing []facts.Missing
	// TransitKeys are those that Vault was asked for; none where it was not. Below, unless it is
	// 0, asks whether anything needs versions below it: of the first of these, or without any of
	// whatever key.
	TransitKeys []keyusage.TransitKey
	Below       int
	// Backups is the inventory of backups, from BackupsFile; nil for none.
	Backups     *keyusage.Backups
	BackupsFile string
	// MaxAge is the age beyond which a version is marked; 0 for no limit.
	MaxAge time.Duration
	// Skew is the allowance for clocks, and Now when reading began.
	Skew     time.Duration
	Now      time.Time
	Tool     *auditv1.Tool
	Progress func(records int)
}

// Register reads every source to its end, and says which version of each key is needed by what. A
// source that cannot be read is listed, and the others are counted. It returns an error only where
// ctx has ended, or nothing could be read.
func Register(ctx context.Context, o RegisterOptions) (*auditv1.KeyRegister, error) {
	register := keyusage.New(func(k keyusage.Key) bool { return k.Version > 0 && int64(k.Version) < int64(o.Below) })
	u := newUsage(register, o.Sources).dated(o.Now, o.Skew)
	unread := slices.Clone(o.Missing)
	var failed error
	for i, source := range o.Sources {
		err := u.of(i).tally(ctx, source, o.Progress)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
		case err != nil:
			failed = cmp.Or(failed, err)
			unread = append(unread, facts.Missing{What: source.Scopes()[0].String(), Why: err.Error()})
			continue
		}
		unread = append(unread, unreadOf(source)...)
	}
	if len(u.scopes) == 0 {
		return nil, cmp.Or(failed, errNothing)
	}
	unread = append(unread, u.unseen()...)

	r := &auditv1.KeyRegister{
		Tool: o.Tool, Time: timestamppb.New(o.Now), Below: count(int64(o.Below)), MaxAgeSeconds: int64(o.MaxAge.Seconds()),
		DekSourcesIncomplete: register.Overflow(), Scopes: u.keyScopes(),
	}
	for _, k := range o.TransitKeys {
		r.TransitKeys = append(r.TransitKeys, &auditv1.TransitKey{Path: term.Printable(k.Path), LatestVersion: count(int64(k.Latest)), MinDecryptionVersion: count(int64(k.MinDecryption))})
	}
	if b := o.Backups; b != nil {
		r.Backups = &auditv1.BackupInventory{File: term.Printable(o.BackupsFile), Declared: b.Declared.Format(time.DateOnly), By: term.Printable(b.By), Paths: allPrintable(b.Paths)}
	}
	for _, m := range unread {
		r.Unread = append(r.Unread, &auditv1.Unread{Name: term.Printable(m.What), Reason: term.Printable(m.Why)})
	}
	entries := keyusage.Join(register.Usages(), o.TransitKeys)
	for _, e := range entries {
		k := u.key(e, o.TransitKeys)
		k.OverAge = o.MaxAge > 0 && !e.Known.Created.IsZero() && o.Now.Sub(e.Known.Created) > o.MaxAge
		r.Keys = append(r.Keys, k)
	}
	unknown := int64(0)
	for _, c := range register.Counts() {
		unknown += c.UnknownNeeded
	}
	r.Status, r.Reasons = verdictOf(entries, o, unknown, len(unread), u.undeclared(o.Backups))
	return r, nil
}

var errNothing = fmt.Errorf("there is nothing to read: no source has a scope")

// unreadOf is what a source that was read as far as possible has not shown.
func unreadOf(source record.Source) (all []facts.Missing) {
	damaged := int64(0)
	if leaver, ok := source.(record.Leaver); ok {
		for _, r := range leaver.Remains() {
			damaged += r.Damaged
		}
	}
	scopes := source.Scopes()
	if s := scopes[0]; damaged > 0 {
		all = append(all, facts.Missing{What: s.String(), Why: fmt.Sprintf("%d places in it could not be read; etcdaudit scan names them (EA-124)", damaged)})
	}
	for _, s := range scopes {
		switch {
		case s.Inexact != "":
			all = append(all, facts.Missing{What: s.String(), Why: "what was read is of several revisions, and not exact: " + s.Inexact})
		case s.Layer == record.Undetermined:
			all = append(all, facts.Missing{What: s.String(), Why: "nothing shows which of its bytes etcd still uses, so that history may need more than was counted: give --work-dir, or a snapshot"})
		}
	}
	return all
}

// unseen is what the sources leave out of each cluster that was read while it ran, or all of the
// cluster where only copies were read. Files that no member uses may be a copy, wherever they lie:
// nothing in them shows whether the cluster has gone on since.
func (u *usage) unseen() (all []facts.Missing) {
	own := false
	for i, c := range u.clusters {
		running, history := false, false
		for at, s := range u.scopes {
			if u.clusterOf[at] != i || s.OfFiles() && !s.InUse && s.As == "" {
				continue
			}
			own = own || s.Layer != record.WAL
			running = running || s.Layer == record.Live && !s.OfFiles()
			history = history || s.Layer == record.History || s.Layer == record.Undetermined // which is named already
		}
		if running && !history {
			all = append(all, facts.Missing{What: "history of " + c.store, Why: "etcd keeps overwritten and deleted values until they are compacted, and nothing that was read tells them: name the data directory of a member that runs, or run on its node with --work-dir"})
		}
	}
	if !own {
		all = append(all, facts.Missing{What: "the cluster itself", Why: "only files that no member uses were read, which show what was stored when they were last written: read the running etcd and the data directory of a member that runs as well"})
	}
	return all
}

// undeclared are the copies that were read although an inventory says that there are none.
func (u *usage) undeclared(b *keyusage.Backups) (all []string) {
	if b == nil || len(b.Paths) > 0 {
		return nil
	}
	for _, s := range u.scopes {
		// What a member has received or put aside lies in its own directory.
		if backup := s.Copy == record.CopySnapshot || s.Copy == record.CopyOfDatabase; backup && !slices.Contains(all, s.Sources[0].Name) {
			all = append(all, s.Sources[0].Name)
		}
	}
	return all
}

// keyScopes are the scopes with what their values are.
func (u *usage) keyScopes() (all []*auditv1.KeyScope) {
	for i, c := range u.register.Counts() {
		s := scopeOf(u.scopes[i])
		s.KeysRead = count(c.Plaintext + c.Encrypted + c.Malformed + c.Unknown + c.Cut)
		s.DekSources = count(c.DEKSources)
		all = append(all, &auditv1.KeyScope{
			Scope: s, Plaintext: count(c.Plaintext), Encrypted: count(c.Encrypted), Malformed: count(c.Malformed), Unknown: count(c.Unknown), Cut: count(c.Cut),
		})
	}
	return all
}

// undecided says why nothing shows whether a value is under the first of the keys, and what to do.
func undecided(e keyusage.Entry, keys []keyusage.TransitKey) string {
	first := keys[0]
	if i := slices.IndexFunc(keys, func(k keyusage.TransitKey) bool { return k.Latest == 0 }); i >= 0 {
		return "whether its key_id is of " + term.Printable(keys[i].Path) + " is not known, since that could not be read in Vault"
	}
	if int64(e.Number()) < int64(first.MinDecryption) {
		return fmt.Sprintf("Vault lists nothing of %s below %d now, so that its key_id may be of that one: name a register of before with --register", term.Printable(first.Path), first.MinDecryption)
	}
	return "its key_id is of no key that Vault was asked for, but may be of the same one under a path that it had before; name the other key with --vault-other-key"
}

// verdictOf answers whether versions below one are needed, and says why. unknown is how many needed
// values are of a provider that is not known.
func verdictOf(entries []keyusage.Entry, o RegisterOptions, unknown int64, unread int, undeclared []string) (auditv1.Status, []string) {
	var blocking, open []string
	for _, e := range entries {
		said := fmt.Sprintf("%d values need version %d, %s", e.Needed(), e.Number(), keyName(e.Key))
		if e.Needed() == 1 {
			said = fmt.Sprintf("1 value needs version %d, %s", e.Number(), keyName(e.Key))
		}
		switch e.Below(o.Below, len(o.TransitKeys) > 0) {
		case keyusage.Blocking:
			blocking = append(blocking, said)
		case keyusage.Undecided:
			open = append(open, said+": "+undecided(e, o.TransitKeys))
		case keyusage.Free:
		}
		if e.Rest {
			open = append(open, fmt.Sprintf("%d values are under keys that were too many to be told apart", e.Needed()))
		}
	}
	if unknown > 0 {
		open = append(open, fmt.Sprintf("values of a provider that is not known, which may need any version: %d", unknown))
	}
	if unread == 1 {
		open = append(open, "1 thing could not be read")
	} else if unread > 1 {
		open = append(open, fmt.Sprintf("%d things could not be read", unread))
	}
	if o.Backups == nil {
		open = append(open, "no inventory of backups was given (--backups)")
	}
	if len(undeclared) > 0 {
		wrong := "the inventory of backups says that there are none, and these were read: " + term.Printable(strings.Join(undeclared, ", "))
		open = append(open, wrong)
		if len(blocking) > 0 {
			blocking = append(blocking, wrong)
		}
	}
	switch {
	case len(blocking) > 0:
		return auditv1.Status_STATUS_FAIL, blocking
	case len(open) > 0:
		return auditv1.Status_STATUS_NOT_EVALUATED, open
	case o.Below > 0:
		return auditv1.Status_STATUS_PASS, []string{fmt.Sprintf("nothing that was read needs a version below %d", o.Below)}
	default:
		return auditv1.Status_STATUS_PASS, []string{"everything that was given was read"}
	}
}
