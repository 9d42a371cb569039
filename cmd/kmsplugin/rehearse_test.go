package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/golden"
)

type rehearsalStream = grpc.ServerStreamingServer[pluginv1.RehearseResponse]

func TestARehearsalIsBoundedAndConfirmed(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"too long":                {[]string{"--for", "61m", "--yes"}, "at most 1h"},
		"no time at all":          {[]string{"--for", "0s", "--yes"}, "more than 0"},
		"no terminal to ask at":   {[]string{"--for", "1m"}, "--yes"},
		"a number without a unit": {[]string{"--for", "10", "--yes"}, "--for: \"10\": want a number with a unit"},
	} {
		t.Run(name, func(t *testing.T) {
			// Without standard input at a terminal, as in a script.
			path := serveFake(t, func(s *grpc.Server) {
				pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: healthy(), rehearse: func(*pluginv1.RehearseRequest, rehearsalStream) error {
					t.Error("the plugin was cut off")
					return nil
				}})
			})
			status, _, errs := run(t, append([]string{"rehearse", "--socket-path", path}, tc.args...)...)
			if status != cli.StatusUsage || !strings.Contains(errs, tc.want) {
				t.Errorf("status %d: %q does not say %q", status, errs, tc.want)
			}
		})
	}
}

// answers are what a plugin says in the course of a rehearsal.
func answers(failed int64) []*pluginv1.RehearseResponse {
	ok := &pluginv1.Serving{Ok: true, Writable: true}
	at := func(elapsed time.Duration, served, failed int64, over bool) *pluginv1.RehearseResponse {
		r := &pluginv1.RehearseResponse{
			Elapsed: durationpb.New(elapsed), Left: durationpb.New(time.Minute - elapsed), Serving: ok, Over: over,
			CouldLast: durationpb.New(23*time.Hour + 58*time.Minute),
			Requests: []*pluginv1.Requests{
				{Method: "Status", Served: served},
				{Method: "Decrypt", Served: served, Failed: failed},
			},
		}
		if failed > 0 {
			r.Requests[1].Reasons = []string{"Vault is cut off on purpose: a rehearsal"}
		}
		return r
	}
	return []*pluginv1.RehearseResponse{
		at(0, 0, 0, false), at(time.Second, 2, 0, false), at(30*time.Second, 60, failed, false), at(time.Minute, 120, failed, true),
	}
}

func TestARehearsalSaysWhatItCost(t *testing.T) {
	for name, tc := range map[string]struct {
		info   *pluginv1.GetInfoResponse
		failed int64
		want   int
	}{
		"nothing-failed":   {healthy(), 0, 0},
		"decrypts-failed":  {troubled(), 3, 1},
		"one-failed":       {healthy(), 1, 1},
		"vault-wraps-all":  {func() *pluginv1.GetInfoResponse { i := healthy(); i.Envelope = "vault"; return i }(), 0, 0},
		"saved-by-systemd": {func() *pluginv1.GetInfoResponse { i := healthy(); i.Keep = "systemd"; return i }(), 0, 0},
		"no-requests":      {healthy(), -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan time.Duration, 1)
			path := serveFake(t, func(s *grpc.Server) {
				pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: tc.info, rehearse: func(r *pluginv1.RehearseRequest, stream rehearsalStream) error {
					asked <- r.GetDuration().AsDuration()
					for _, a := range answers(max(tc.failed, 0)) {
						if tc.failed < 0 {
							a.Requests = nil
						}
						if err := stream.Send(a); err != nil {
							return err
						}
					}
					return nil
				}})
			})
			status, out, errs := run(t, "rehearse", "--socket-path", path, "--for", "1m", "--yes")
			if status != tc.want {
				t.Errorf("status %d, want %d: %s", status, tc.want, errs)
			}
			golden.Compare(t, "rehearse-"+name+".txt", out, *update)
			if d := <-asked; d != time.Minute {
				t.Errorf("the plugin was asked for %v", d)
			}
		})
	}
}

func TestARehearsalThatThePluginRefusesIsAnError(t *testing.T) {
	path := serveFake(t, func(s *grpc.Server) {
		pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: healthy(), rehearse: func(*pluginv1.RehearseRequest, rehearsalStream) error {
			return status.Error(codes.FailedPrecondition, "a rehearsal is under way")
		}})
	})
	if status, out, errs := run(t, "rehearse", "--socket-path", path, "--yes"); status != 1 || out != "" || !strings.Contains(errs, "a rehearsal is under way") {
		t.Errorf("status %d: %q %q", status, out, errs)
	}
}

// Ctrl-C ends the stream, which ends the rehearsal in the plugin.
func TestAnInterruptedRehearsalEndsAtOnce(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	path := serveFake(t, func(s *grpc.Server) {
		pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: healthy(), rehearse: func(_ *pluginv1.RehearseRequest, stream rehearsalStream) error {
			if err := stream.Send(answers(0)[1]); err != nil {
				return err
			}
			close(began)
			<-stream.Context().Done()
			close(ended)
			return stream.Context().Err()
		}})
	})
	ctx, interrupt := context.WithCancel(t.Context())
	go func() { <-began; interrupt() }()
	var out strings.Builder
	err := rehearse(ctx, &out, path, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "interrupted") || !strings.Contains(err.Error(), "uses Vault again") {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestAPluginThatDiesInARehearsalIsNotTakenForASuccess(t *testing.T) {
	path := serveFake(t, func(s *grpc.Server) {
		pluginv1.RegisterPluginServiceServer(s, fakePlugin{info: healthy(), rehearse: func(_ *pluginv1.RehearseRequest, stream rehearsalStream) error {
			return errors.Join(stream.Send(answers(0)[1]), status.Error(codes.Unavailable, "the plugin stops"))
		}})
	})
	status, out, errs := run(t, "rehearse", "--socket-path", path, "--yes")
	if status != 1 || !strings.Contains(errs, "ended early") || !strings.Contains(out, "1s without Vault") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}
