package keystate

import (
	"errors"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestWhatProbesTeach(t *testing.T) {
	const id = "v1.aa"
	failed := func(c backend.Class) outcome { return outcome{err: &backend.Error{Class: c, Reason: c.String()}} }
	good := outcome{accepted: []string{id}}
	tooOld := outcome{refused: []string{id}}
	neither := outcome{}
	rehearsed := outcome{err: &backend.Error{Class: backend.Outage, Reason: "on purpose", Err: ErrRehearsal}}
	type step struct {
		after time.Duration
		outcome
	}
	for name, tc := range map[string]struct {
		failing                                              time.Duration
		steps                                                []step
		class                                                backend.Class
		suspected, confirmed, versionSuspect, versionRefused bool
		troubled                                             bool
	}{
		"nothing yet":                               {troubled: true},
		"a good probe":                              {steps: []step{{0, good}}},
		"an outage":                                 {steps: []step{{0, good}, {5 * time.Second, failed(backend.Outage)}}, class: backend.Outage, troubled: true},
		"a refused login":                           {steps: []step{{0, good}, {5 * time.Second, failed(backend.Credentials)}}, class: backend.Credentials, troubled: true},
		"one refusal is a suspicion":                {steps: []step{{0, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"two refusals at once stay one":             {steps: []step{{0, failed(backend.Refusal)}, {4 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"two refusals 5 s apart are final":          {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"a requested probe between breaks nothing":  {steps: []step{{0, failed(backend.Refusal)}, {time.Second, failed(backend.Refusal)}, {4 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"an outage ends a suspicion":                {steps: []step{{0, failed(backend.Refusal)}, {9 * time.Second, failed(backend.Outage)}}, class: backend.Outage, troubled: true},
		"an outage between breaks the run":          {steps: []step{{0, failed(backend.Refusal)}, {3 * time.Second, failed(backend.Outage)}, {3 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"a refused login ends a suspicion":          {steps: []step{{0, failed(backend.Refusal)}, {9 * time.Second, failed(backend.Credentials)}}, class: backend.Credentials, troubled: true},
		"an unsuitable key ends a suspicion":        {steps: []step{{0, failed(backend.Refusal)}, {9 * time.Second, failed(backend.Unsuitable)}}, class: backend.Unsuitable, troubled: true},
		"time ends no refusal":                      {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, failed(backend.Refusal)}, {2 * time.Hour, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"an outage ends no refusal":                 {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, failed(backend.Refusal)}, {time.Hour, failed(backend.Outage)}}, class: backend.Outage, suspected: true, confirmed: true, troubled: true},
		"a rehearsal is no outcome":                 {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, rehearsed}}, class: backend.Outage, suspected: true, troubled: true},
		"nor between two refusals":                  {steps: []step{{0, failed(backend.Refusal)}, {3 * time.Second, rehearsed}, {3 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"refusals a minute apart are two":           {steps: []step{{0, failed(backend.Refusal)}, {time.Minute, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"and those that follow count anew":          {steps: []step{{0, failed(backend.Refusal)}, {time.Minute, failed(backend.Refusal)}, {4 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"less than a minute apart they are one run": {steps: []step{{0, failed(backend.Refusal)}, {59 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"slow probes are given three intervals":     {failing: time.Minute, steps: []step{{0, failed(backend.Refusal)}, {179 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, confirmed: true, troubled: true},
		"and no more":                               {failing: time.Minute, steps: []step{{0, failed(backend.Refusal)}, {180 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"a good probe between clears":               {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, good}, {5 * time.Second, failed(backend.Refusal)}}, class: backend.Refusal, suspected: true, troubled: true},
		"a good probe ends a refusal":               {steps: []step{{0, failed(backend.Refusal)}, {5 * time.Second, failed(backend.Refusal)}, {5 * time.Second, good}}},
		"a version refused once":                    {steps: []step{{0, tooOld}}, versionSuspect: true, troubled: true},
		"a version refused twice":                   {steps: []step{{0, tooOld}, {5 * time.Second, tooOld}}, versionSuspect: true, versionRefused: true},
		"an outage ends the suspicion of a version": {steps: []step{{0, tooOld}, {5 * time.Second, failed(backend.Outage)}, {5 * time.Second, tooOld}}, versionSuspect: true, troubled: true},
		"so does a probe that says neither":         {steps: []step{{0, tooOld}, {5 * time.Second, neither}, {5 * time.Second, tooOld}}, versionSuspect: true, troubled: true},
		"a rehearsal does not":                      {steps: []step{{0, tooOld}, {3 * time.Second, rehearsed}, {3 * time.Second, tooOld}}, versionSuspect: true, versionRefused: true},
		"neither ends the refusal of a version":     {steps: []step{{0, tooOld}, {5 * time.Second, tooOld}, {5 * time.Second, neither}, {5 * time.Second, failed(backend.Outage)}, {5 * time.Second, neither}}, versionSuspect: true, versionRefused: true},
		"a version accepted again":                  {steps: []step{{0, tooOld}, {5 * time.Second, tooOld}, {5 * time.Second, good}}},
		"an unsuitable key is no refusal":           {steps: []step{{0, failed(backend.Unsuitable)}, {9 * time.Second, failed(backend.Unsuitable)}}, class: backend.Unsuitable, troubled: true},
		"an unclassified error is an outage":        {steps: []step{{0, outcome{err: errors.New("not classified")}}}, class: backend.Outage, troubled: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := Health{failing: tc.failing}
			at := time.Hour
			for _, step := range tc.steps {
				at += step.after
				o := step.outcome
				o.at = at
				s = s.after(o)
			}
			v := s.versions[id]
			if s.Class != tc.class || s.key.suspected != tc.suspected || s.key.confirmed != tc.confirmed ||
				v.suspected != tc.versionSuspect || v.confirmed != tc.versionRefused || s.troubled() != tc.troubled {
				t.Errorf("got %+v, troubled %v", s, s.troubled())
			}
		})
	}
}

func TestHealthIsAValue(t *testing.T) {
	first := Health{}.after(outcome{refused: []string{"a"}})
	_ = first.after(outcome{refused: []string{"b"}, accepted: []string{"a"}})
	if len(first.versions) != 1 || !first.versions["a"].suspected {
		t.Errorf("an earlier value changed: %+v", first)
	}
}
