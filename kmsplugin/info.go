package kmsplugin

import (
	"cmp"
	"context"
	"crypto/fips140"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// rehearsalReport is how often a rehearsal reports.
const rehearsalReport = time.Second

// info serves what the plugin tells about itself.
type info struct {
	pluginv1.UnimplementedPluginServiceServer
	service *Service
}

// GetInfo answers from memory.
func (i info) GetInfo(context.Context, *pluginv1.GetInfoRequest) (*pluginv1.GetInfoResponse, error) {
	s := i.service
	seeds, keks := s.opened.len()
	held := &pluginv1.Held{OpenedKeks: count(keks), OpenedSeeds: count(seeds)}
	answer := &pluginv1.GetInfoResponse{
		Build:     &pluginv1.Build{Version: s.build.Version, Commit: s.build.Commit, Go: s.build.Go, Fips: fips140.Enabled()},
		Started:   timestamppb.New(s.started),
		Cluster:   s.config.Cluster,
		Envelope:  s.config.Envelope,
		Serving:   s.servingInfo(),
		Held:      held,
		Rehearsal: &pluginv1.Rehearsal{},
		Keep:      s.config.LocalKEK.Keep,
		Process:   processInfo(),
		OnRefusal: s.writer().snapshot().onRefusal,
	}
	for _, src := range s.sources {
		snap := src.keeper.snapshot()
		held.LocalKeks += count(len(snap.keks))
		answer.Keys = append(answer.Keys, snap.info(src.name, src.hazards(), s.boot()))
	}
	if t := s.token(); t != nil {
		answer.Token = &pluginv1.Token{Prolongable: t.prolongable}
		if !t.expires.IsZero() {
			answer.Token.Expires = timestamppb.New(t.expires)
		}
	}
	if left := s.rehearsal.left(); left > 0 {
		answer.Rehearsal = &pluginv1.Rehearsal{Active: true, Left: durationpb.New(left)}
	}
	return answer, nil
}

// processInfo says whose rights this process has, as far as that means something
// to others.
func processInfo() *pluginv1.Process {
	rights, err := hostfacts.OwnRights()
	if err != nil {
		return nil
	}
	p := &pluginv1.Process{Uid: uint32(rights.UID), Unbound: rights.Unbound} //nolint:gosec // ids are of 32 bits
	for _, gid := range rights.GIDs {
		p.Gids = append(p.Gids, uint32(gid)) //nolint:gosec // likewise
	}
	return p
}

// servingInfo says what the API server would be told now.
func (s *Service) servingInfo() *pluginv1.Serving {
	now, snap := s.boot(), s.writer().snapshot()
	v, err := snap.serving(now)
	if err != nil {
		return &pluginv1.Serving{Reason: reasonOf(public(err))}
	}
	serving := &pluginv1.Serving{Ok: true, KeyId: v.binding.KeyID, Writable: true}
	if _, err := snap.writable(now); err != nil {
		serving.Writable, serving.Reason = false, reasonOf(public(err))
	}
	return serving
}

// info describes one key.
func (s *snapshot) info(source string, hazards []hazard, now time.Duration) *pluginv1.Key {
	k := &pluginv1.Key{
		Source: source, Mount: s.key.Mount, Name: s.key.Name, Type: s.key.Type,
		Probe:         s.standing.info(now),
		Latest:        count(s.key.Latest),
		MinDecryption: count(s.key.MinDecryption),
		MinEncryption: count(s.key.MinEncryption),
		WriteVersion:  count(s.choice.version),
		NextVersion:   count(s.choice.next),
	}
	if s.choice.next != 0 {
		k.Promotes, k.Announced = timestamppb.New(s.choice.at), timestamppb.New(s.choice.announced)
	}
	if server, ok := s.clock.now(now); ok {
		k.ClockAhead = durationpb.New(time.Until(server).Round(time.Millisecond))
	}
	for _, h := range hazards {
		k.Hazards = append(k.Hazards, &pluginv1.Hazard{Name: h.name, Text: h.text})
	}
	k.Withheld = s.withheldInfo(now)
	ids := map[string]int{}
	for n, id := range s.keyIDs {
		ids[id] = n
	}
	for id, v := range s.versions {
		ids[id] = v.number
	}
	for _, id := range slices.SortedFunc(maps.Keys(ids), func(a, b string) int { return cmp.Or(ids[a]-ids[b], cmp.Compare(a, b)) }) {
		_, heldBack := s.heldBack(id)
		holds := s.versions[id] != nil && s.versions[id].kek != nil && !s.ended(id, now)
		v := &pluginv1.Version{
			Number: count(ids[id]), KeyId: id,
			Writes:            s.write != nil && s.write.binding.KeyID == id,
			OpensWithoutVault: holds && !heldBack && s.refused == nil,
			Refused:           s.gone[id] || s.refused != nil || s.withheld[id].class != 0,
			Withheld:          holds && heldBack,
			Unconfirmed:       s.unconfirmed[id],
		}
		if v.GetWithheld() {
			v.WithheldLeft = durationpb.New((s.leaseEnds[id] - now).Round(time.Second))
		}
		if created, ok := s.key.Created[ids[id]]; ok && s.keyIDs[ids[id]] == id {
			v.Created = timestamppb.New(created)
		}
		if v.GetOpensWithoutVault() {
			v.LeaseLeft = durationpb.New((s.leaseEnds[id] - now).Round(time.Second))
		}
		k.Versions = append(k.Versions, v)
	}
	return k
}

// withheldInfo is about all that is refused and still held; nil if nothing is.
func (s *snapshot) withheldInfo(now time.Duration) *pluginv1.Withheld {
	if len(s.rescues) == 0 {
		return nil
	}
	w := &pluginv1.Withheld{Served: s.onRefusal == RefusalLease}
	var first withholding
	for _, id := range slices.Sorted(maps.Keys(s.rescues)) { // of several at once always the same
		each := s.withheld[id]
		w.WholeKey = w.GetWholeKey() || each.class == backend.Refusal
		if first.class == 0 || each.since < first.since {
			first = each
		}
	}
	w.Reason, w.Since = first.reason, durationpb.New((now - first.since).Round(time.Second))
	if left, ok := s.refusedLeft(now); ok {
		w.Left = durationpb.New(left.Round(time.Second))
	}
	return w
}

func (s standing) info(now time.Duration) *pluginv1.Probe {
	p := &pluginv1.Probe{State: s.state(), Reason: s.reason}
	if s.everGood {
		p.LastGood = durationpb.New((now - s.lastGood).Round(time.Millisecond))
	}
	if s.class != 0 {
		p.Failing = durationpb.New((now - s.since).Round(time.Millisecond))
	}
	return p
}

// token is what is known of the token that the writing key is reached with.
func (s *Service) token() *tokenLife {
	if s.observer == nil {
		return nil
	}
	return s.observer.token.Load()
}

// Rehearse cuts the plugin off from its key stores until the time is over or the
// caller has gone.
func (i info) Rehearse(req *pluginv1.RehearseRequest, stream grpc.ServerStreamingServer[pluginv1.RehearseResponse]) error {
	s := i.service
	d := req.GetDuration().AsDuration()
	over, stop, err := s.rehearsal.begin(d)
	switch {
	case errors.Is(err, errRehearsing):
		return status.Error(codes.FailedPrecondition, err.Error())
	case err != nil:
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s.log.Warn("rehearsal: cut off from Vault on purpose", "for", d)
	defer func() {
		stop()
		s.log.Warn("rehearsal is over: Vault is asked again")
		for _, src := range s.sources {
			src.keeper.kick()
		}
	}()
	began := s.boot()
	for _, src := range s.sources {
		src.keeper.kick() // the probes are to see it too
	}
	ticker := time.NewTicker(rehearsalReport)
	defer ticker.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		if err := stream.Send(s.rehearsed(began, d)); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-over:
			return status.Error(codes.Aborted, "the plugin is stopping")
		case <-end.C:
			last := s.rehearsed(began, d)
			stop()
			last.Over, last.Left = true, nil
			return stream.Send(last)
		case <-ticker.C:
		}
	}
}

// rehearsed is one report of a rehearsal.
func (s *Service) rehearsed(began, d time.Duration) *pluginv1.RehearseResponse {
	now, snap := s.boot(), s.writer().snapshot()
	r := &pluginv1.RehearseResponse{
		Elapsed: durationpb.New((now - began).Round(time.Millisecond)),
		Left:    durationpb.New(max(began+d-now, 0).Round(time.Millisecond)),
		Serving: s.servingInfo(),
	}
	if v, err := snap.serving(now); err == nil {
		r.CouldLast = durationpb.New((snap.leaseEnds[v.binding.KeyID] - now).Round(time.Second))
	}
	all := s.rehearsal.tallies()
	for _, method := range slices.Sorted(maps.Keys(all)) {
		t := all[method]
		r.Requests = append(r.Requests, &pluginv1.Requests{Method: method, Served: t.served, Failed: t.failed, Reasons: t.reasons})
	}
	return r
}

// count narrows a number that is small by its nature.
func count(n int) int32 { return int32(min(n, 1<<31-1)) } //nolint:gosec // bounded in the line itself
