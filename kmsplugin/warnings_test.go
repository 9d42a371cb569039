package kmsplugin

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kmsapi "k8s.io/kms/apis/v2"
)

// logged is one line of a log.
type logged struct {
	Msg     string
	Method  string
	UID     string
	Cause   string
	LeftOut int       `json:"left_out"`
	Time    time.Time // when it was written
	At      time.Time // when it came, if that was earlier
}

// warned are the lines of a replica's log about requests that failed.
func (r *replica) warned() (all []logged) {
	r.t.Helper()
	synctest.Wait()
	for line := range strings.Lines(r.log.String()) {
		var l logged
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			r.t.Fatal(err)
		}
		if l.Cause != "" && l.Msg == "request" {
			all = append(all, l)
		}
	}
	return all
}

func TestTheSameWarningIsWrittenAFewTimesAMinuteAndNoneIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		kms := kmsapi.NewKeyManagementServiceClient(r.serve()())
		decrypt := func(uid string, request *kmsapi.DecryptRequest) {
			request.Uid = uid
			if _, err := kms.Decrypt(t.Context(), request); err == nil {
				t.Fatal("it does not fail")
			}
		}
		damaged := func(uid string) { decrypt(uid, &kmsapi.DecryptRequest{Ciphertext: []byte("x"), KeyId: "1"}) }

		damaged("first")
		if all := r.warned(); len(all) != 1 || all[0].UID != "first" || all[0].LeftOut != 0 {
			t.Fatalf("the first is not written at once: %+v", all)
		}
		// A loop of five minutes, ten times a second.
		for range 5 * 60 * 10 {
			time.Sleep(100 * time.Millisecond)
			damaged("loop")
		}
		total, all := 0, r.warned()
		for _, l := range all {
			total += 1 + l.LeftOut
		}
		if n := len(all); n < 10 || n > 30 {
			t.Errorf("%d lines in five minutes", n)
		}
		// Whatever else fails is not held back by it.
		wantSoon := len(all) + 2
		decrypt("elsewhere", &kmsapi.DecryptRequest{Ciphertext: []byte("vault:v1:x"), KeyId: "1", Annotations: map[string][]byte{"cluster.sealproof": []byte("other")}})
		if _, err := kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{Uid: "empty"}); err == nil {
			t.Fatal("it does not fail")
		}
		if all = r.warned(); len(all) != wantSoon || all[len(all)-2].UID != "elsewhere" || all[len(all)-1].UID != "empty" {
			t.Errorf("another code or method: %+v", all[len(all)-1])
		}
		// It stops, and what was left out is counted nevertheless.
		damaged("last")
		time.Sleep(2 * warningGap)
		total = 0
		for _, l := range r.warned() {
			if l.Method == "Decrypt" && l.UID != "elsewhere" {
				total += 1 + l.LeftOut
			}
		}
		if total != 5*60*10+2 {
			t.Errorf("the log accounts for %d requests, %d failed", total, 5*60*10+2)
		}
		n := len(r.warned())
		damaged("a first one again")
		if all := r.warned(); len(all) != n+1 || all[n].UID != "a first one again" || all[n].LeftOut != 0 {
			t.Errorf("after a pause: %+v", all[n:])
		}
	})
}
