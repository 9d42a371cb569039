package main

import (
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const rulesFile = "../../../deploy/alerts.yaml"

func deployedAlerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := readRules(rulesFile, text)
	if err != nil {
		t.Fatal(err)
	}
	return alerts
}

// firing returns, for each alert, after how many minutes it first fires on the
// given series, which promqltest's load notation describes minute by minute.
func firing(t *testing.T, series string, minutes int) map[string]int {
	t.Helper()
	store := promqltest.LoadedStorage(t, "load 1m\n"+strings.Trim(series, "\n"))
	t.Cleanup(func() { store.Close() })
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 5*time.Minute, 10000), store)
	first := map[string]int{}
	for _, a := range deployedAlerts(t) {
		expr, err := newParser().ParseExpr(a.Expr)
		if err != nil {
			t.Fatal(err)
		}
		rule := rules.NewAlertingRule(a.Name, expr, a.For, 0, labels.FromMap(a.Labels), labels.FromMap(a.Annotations),
			labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
		for minute := range minutes + 1 {
			at := time.Unix(0, 0).Add(time.Duration(minute) * time.Minute)
			if _, err := rule.Eval(t.Context(), 0, at, query, &url.URL{}, 0); err != nil {
				t.Fatalf("%s: %v", a.Name, err)
			}
			rule.SetEvaluationTimestamp(at)
			if rule.State() == rules.StateFiring {
				first[a.Name] = minute
				for _, active := range rule.ActiveAlerts() {
					for name, text := range active.Annotations.Map() {
						if text == "" || strings.Contains(text, "<no value>") || strings.Contains(text, "<error") {
							t.Errorf("%s: %s is %q", a.Name, name, text)
						}
					}
				}
				break
			}
		}
	}
	return first
}

// healthy is a plugin on which nothing may fire: one that was asked, was
// rotated, had one failed request, and has a token without end.
const healthy = `
  up{job="kmsplugin",instance="a"} 1x120
  sealproof_serving{job="kmsplugin",instance="a"} 1x120
  sealproof_vault_state{job="kmsplugin",instance="a",source="vault",state="ok"} 1x120
  sealproof_vault_state{job="kmsplugin",instance="a",source="vault",state="outage"} 0x120
  sealproof_vault_state{job="kmsplugin",instance="a",source="vault",state="credentials"} 0x120
  sealproof_vault_state{job="kmsplugin",instance="a",source="vault",state="refusal"} 0x120
  sealproof_vault_state{job="kmsplugin",instance="a",source="vault",state="unsuitable"} 0x120
  sealproof_lease_duration_seconds{job="kmsplugin",instance="a"} 86400x120
  sealproof_lease_remaining_seconds{job="kmsplugin",instance="a"} 86390x120
  sealproof_key_hazard{job="kmsplugin",instance="a",source="vault",hazard="exportable"} 0x120
  sealproof_withheld_versions{job="kmsplugin",instance="a",source="vault",scope="key",served="no"} 0x120
  sealproof_withheld_versions{job="kmsplugin",instance="a",source="vault",scope="key",served="yes"} 0x120
  sealproof_withheld_versions{job="kmsplugin",instance="a",source="vault",scope="version",served="no"} 1x120
  sealproof_withheld_versions{job="kmsplugin",instance="a",source="vault",scope="version",served="yes"} 0x120
  sealproof_withheld_remaining_seconds{job="kmsplugin",instance="a",source="vault"} 86400-60x120
  sealproof_unconfirmed_versions{job="kmsplugin",instance="a",source="vault"} 0x20 1x3 0x97
  sealproof_key_id_info{job="kmsplugin",instance="a",key_id_hash="sha256:1"} 1x60 _x60
  sealproof_key_id_info{job="kmsplugin",instance="a",key_id_hash="sha256:2"} _x61 1x60
  sealproof_key_id_info{job="kmsplugin",instance="b",key_id_hash="sha256:1"} 1x60 _x60
  sealproof_key_id_info{job="kmsplugin",instance="b",key_id_hash="sha256:2"} _x61 1x60
  sealproof_next_write_version{job="kmsplugin",instance="a"} 0x56 2x3 0x60
  sealproof_promotion_timestamp_seconds{job="kmsplugin",instance="a"} 0x56 3600x3 0x60
  sealproof_promotion_announced_timestamp_seconds{job="kmsplugin",instance="a"} 0x56 3600x3 0x60
  sealproof_kms_requests_total{job="kmsplugin",instance="a",method="Status",code="OK"} 0+60x120
  sealproof_kms_requests_total{job="kmsplugin",instance="a",method="Status",code="Unavailable"} 0x30 1x90
  sealproof_kms_request_duration_seconds_bucket{job="kmsplugin",instance="a",method="Status",le="0.001"} 0+60x120
  sealproof_kms_request_duration_seconds_bucket{job="kmsplugin",instance="a",method="Status",le="+Inf"} 0+60x120
  sealproof_vault_token_expiry_timestamp_seconds{job="kmsplugin",instance="a",source="vault"} 0x120
  sealproof_bare_decrypts_total{job="kmsplugin",instance="a"} 7x120
  sealproof_panics_total{job="kmsplugin",instance="a"} 0x120
  sealproof_refused_connections_total{job="kmsplugin",instance="a"} 0x120
  sealproof_socket_state{job="kmsplugin",instance="a",state="own"} 1x10 0x10 1x100
  sealproof_socket_state{job="kmsplugin",instance="a",state="other"} 0x10 1x10 0x100
  sealproof_socket_state{job="kmsplugin",instance="a",state="lost"} 0x120
  sealproof_rehearsal_active{job="kmsplugin",instance="a"} 0x120
`

func TestNothingFiresOnAHealthyPlugin(t *testing.T) {
	if fired := firing(t, healthy, 120); len(fired) > 0 {
		t.Errorf("fires after so many minutes: %v", fired)
	}
}

func TestEachAlertFiresWhenItMust(t *testing.T) {
	cases := map[string]struct {
		series string
		after  int // minutes
	}{
		"SealproofDown":       {`  up{job="kmsplugin",instance="a"} 1x4 0x10`, 6},
		"SealproofNotServing": {`  sealproof_serving{instance="a"} 1x4 0x10`, 6},
		"SealproofKeyRefused": {`  sealproof_vault_state{instance="a",source="vault",state="refusal"} 0x4 1x10`, 5},
		"SealproofKeyWithheld": {`  sealproof_withheld_versions{instance="a",source="vault",scope="key",served="no"} 0x4 2x10
  sealproof_withheld_remaining_seconds{instance="a",source="vault"} 0x4 86400-60x10`, 5},
		"SealproofRefusedKeyServed": {`  sealproof_withheld_versions{instance="a",source="vault",scope="key",served="yes"} 0x4 2x10
  sealproof_withheld_remaining_seconds{instance="a",source="vault"} 0x4 86400-60x10`, 5},
		"SealproofVersionUnconfirmed": {`  sealproof_unconfirmed_versions{instance="a",source="vault"} 0x4 1x10`, 10},
		"SealproofCredentialsRefused": {`  sealproof_vault_state{instance="a",source="vault",state="credentials"} 0x4 1x10`, 7},
		"SealproofVaultOutage":        {`  sealproof_vault_state{instance="a",source="vault",state="outage"} 0x4 1x10`, 10},
		"SealproofLeaseHalfGone": {`  sealproof_lease_remaining_seconds{instance="a"} 3600-60x50
  sealproof_lease_duration_seconds{instance="a"} 3600x50
  sealproof_serving{instance="a"} 1x50`, 32},
		"SealproofLeaseEnds": {`  sealproof_lease_remaining_seconds{instance="a"} 3600-60x60
  sealproof_lease_duration_seconds{instance="a"} 3600x60
  sealproof_serving{instance="a"} 1x60`, 55},
		"SealproofKeyHazard": {`  sealproof_key_hazard{instance="a",source="vault",hazard="exportable"} 0x4 1x10`, 5},
		"SealproofKeyIDsDiffer": {`  sealproof_key_id_info{job="kmsplugin",instance="a",key_id_hash="sha256:1"} 1x20
  sealproof_key_id_info{job="kmsplugin",instance="b",key_id_hash="sha256:1"} 1x4 _x15
  sealproof_key_id_info{job="kmsplugin",instance="b",key_id_hash="sha256:2"} _x5 1x15`, 10},
		"SealproofPromotionOverdue": {`  sealproof_next_write_version{instance="a"} 2x20
  sealproof_promotion_timestamp_seconds{instance="a"} 300x20`, 8},
		"SealproofRequestsFail": {`  sealproof_kms_requests_total{instance="a",method="Encrypt",code="OK"} 0+9x30
  sealproof_kms_requests_total{instance="a",method="Encrypt",code="Unavailable"} 0+1x30`, 6},
		"SealproofRequestsSlow": {`  sealproof_kms_request_duration_seconds_bucket{instance="a",method="Encrypt",le="1"} 0x30
  sealproof_kms_request_duration_seconds_bucket{instance="a",method="Encrypt",le="2.5"} 0+9x30
  sealproof_kms_request_duration_seconds_bucket{instance="a",method="Encrypt",le="+Inf"} 0+9x30`, 6},
		"SealproofTokenExpires":      {`  sealproof_vault_token_expiry_timestamp_seconds{instance="a"} 900x30`, 20},
		"SealproofSocketLost":        {`  sealproof_socket_state{instance="a",state="lost"} 0x4 1x10`, 6},
		"SealproofSocketTakenOver":   {`  sealproof_socket_state{instance="a",state="other"} 0x4 1x30`, 20},
		"SealproofConnectionRefused": {`  sealproof_refused_connections_total{instance="a"} 0x4 1x10`, 5},
		"SealproofDefect":            {`  sealproof_panics_total{instance="a"} 0x4 1x10`, 5},
		"SealproofBareDecrypts":      {`  sealproof_bare_decrypts_total{instance="a"} 7x4 8x10`, 5},
		"SealproofRehearsal":         {`  sealproof_rehearsal_active{instance="a"} 0x4 1x10`, 5},
	}
	for _, a := range deployedAlerts(t) {
		tc, ok := cases[a.Name]
		if !ok {
			t.Errorf("no case makes %s fire", a.Name)
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			if after, fired := firing(t, tc.series, tc.after+10)[a.Name]; !fired || after != tc.after {
				t.Errorf("fires: %v, after %d minutes; want %d", fired, after, tc.after)
			}
		})
	}
	if len(cases) != len(deployedAlerts(t)) {
		t.Errorf("%d cases for %d alerts", len(cases), len(deployedAlerts(t)))
	}
}

func TestAPromotionThatIsPutOffAgainAndAgainIsOverdue(t *testing.T) {
	const series = `  sealproof_next_write_version{instance="a"} 2x60
  sealproof_promotion_timestamp_seconds{instance="a"} 300+60x60
  sealproof_promotion_announced_timestamp_seconds{instance="a"} 300x60`
	fired := firing(t, series, 60)
	if len(fired) != 1 || fired["SealproofPromotionOverdue"] != 37 {
		t.Errorf("fires after so many minutes: %v, want SealproofPromotionOverdue after 37", fired)
	}
}

func TestNamesAreRefusedThatPrometheusWouldNotTake(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown field":  "groups: [{name: a, rules: [{alert: A, expr: up, forr: 1m}]}]",
		"a broken query":    "groups: [{name: a, rules: [{alert: A, expr: 'up ='}]}]",
		"a broken template": "groups: [{name: a, rules: [{alert: A, expr: up, annotations: {summary: '{{ $labels.'}}]}]",
		"a recording rule":  "groups: [{name: a, rules: [{record: a:b, expr: up}]}]",
	} {
		if _, err := readRules("rules.yaml", []byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
