package kmsplugin

import (
	"cmp"
	"context"
	"crypto/fips140"
	"errors"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
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
	seeds, keks := s.cache.len()
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
		OnRefusal: s.writer().Snapshot().OnRefusal,
	}
	for _, src := range s.sources {
		snap := src.monitor.Snapshot()
		held.LocalKeks += count(snap.LocalKEKs())
		answer.Keys = append(answer.Keys, keyInfo(src, snap, s.boot()))
	}
	if life := s.sources[0].token.life.Load(); life != nil {
		answer.Token = &pluginv1.Token{Prolongable: life.renewable}
		if !life.expires.IsZero() {
			answer.Token.Expires = timestamppb.New(life.expires)
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
	now, snap := s.boot(), s.writer().Snapshot()
	v, err := snap.Serving(now)
	if err != nil {
		return &pluginv1.Serving{Reason: reasonOf(public(err))}
	}
	serving := &pluginv1.Serving{Ok: true, KeyId: v.Binding.KeyID, Writable: true}
	if _, err := snap.Writable(now); err != nil {
		serving.Writable, serving.Reason = false, reasonOf(public(err))
	}
	return serving
}

// keyInfo describes one key.
func keyInfo(src *source, s *keystate.Snapshot, now time.Duration) *pluginv1.Key {
	k := &pluginv1.Key{
		Source: src.name, Mount: s.Key.Mount, Name: s.Key.Name, Type: s.Key.Type,
		Probe:         probeInfo(s.Health, now),
		Latest:        count(s.Key.Latest),
		MinDecryption: count(s.Key.MinDecryption),
		MinEncryption: count(s.Key.MinEncryption),
		WriteVersion:  count(s.Choice.Version),
		NextVersion:   count(s.Choice.Next),
		Withheld:      withheldInfo(s, now),
	}
	if s.Choice.Next != 0 {
		k.Promotes, k.Announced = timestamppb.New(s.Choice.At), timestamppb.New(s.Choice.Announced)
	}
	if server, ok := s.StoreTime(now); ok {
		k.ClockAhead = durationpb.New(time.Until(server).Round(time.Millisecond))
	}
	for _, r := range src.risks() {
		k.Hazards = append(k.Hazards, &pluginv1.Hazard{Name: r.Name, Text: r.Text})
	}
	for _, state := range s.VersionStates(now) {
		v := &pluginv1.Version{
			Number: count(state.Number), KeyId: state.KeyID, Writes: state.Writes,
			OpensWithoutVault: state.Opens, Refused: state.Refused, Withheld: state.Withheld, Unconfirmed: state.Unconfirmed,
		}
		if !state.Created.IsZero() {
			v.Created = timestamppb.New(state.Created)
		}
		left := durationpb.New(state.Left.Round(time.Second))
		switch {
		case state.Withheld:
			v.WithheldLeft = left
		case state.Opens:
			v.LeaseLeft = left
		}
		k.Versions = append(k.Versions, v)
	}
	return k
}

// withheldInfo is about all that is refused and still held; nil if nothing is.
func withheldInfo(s *keystate.Snapshot, now time.Duration) *pluginv1.Withheld {
	all := s.Withheld()
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(a, b keystate.Withheld) int { return cmp.Compare(a.Since, b.Since) })
	w := &pluginv1.Withheld{
		Served: s.OnRefusal == RefusalLease, Reason: first.Reason, Since: durationpb.New((now - first.Since).Round(time.Second)),
		WholeKey: slices.ContainsFunc(all, func(w keystate.Withheld) bool { return w.Class == backend.Refusal }),
	}
	if left, ok := s.RefusedLeft(now); ok {
		w.Left = durationpb.New(left.Round(time.Second))
	}
	return w
}

func probeInfo(h keystate.Health, now time.Duration) *pluginv1.Probe {
	p := &pluginv1.Probe{State: h.State(), Reason: h.Reason}
	if h.EverGood {
		p.LastGood = durationpb.New((now - h.LastGood).Round(time.Millisecond))
	}
	if h.Class != 0 {
		p.Failing = durationpb.New((now - h.Since).Round(time.Millisecond))
	}
	return p
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
			src.monitor.ProbeSoon()
		}
	}()
	began := s.boot()
	for _, src := range s.sources {
		src.monitor.ProbeSoon() // the probes are to see it too
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
	now, snap := s.boot(), s.writer().Snapshot()
	r := &pluginv1.RehearseResponse{
		Elapsed: durationpb.New((now - began).Round(time.Millisecond)),
		Left:    durationpb.New(max(began+d-now, 0).Round(time.Millisecond)),
		Serving: s.servingInfo(),
	}
	if v, err := snap.Serving(now); err == nil {
		r.CouldLast = durationpb.New(snap.LeaseLeft(v.Binding.KeyID, now).Round(time.Second))
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
