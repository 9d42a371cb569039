package auditpolicy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/apis/audit"
	auditpolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"

func TestAPolicySaysWhatItCanRecordOfSecrets(t *testing.T) {
	for name, tc := range map[string]struct{ rules, want string }{
		"everything":             {"- level: RequestResponse\n", "RequestResponse 1, RequestResponse 1, RequestResponse 1"},
		"the first rule decides": {"- {level: Metadata, resources: [{group: '', resources: [secrets]}]}\n- level: RequestResponse\n", "Metadata 1, Metadata 1, Metadata 1"},
		"a rule for some leaves the others": {
			"- {level: None, users: ['system:kube-proxy']}\n- level: Request\n", "Request 2, Request 2, Request 2",
		},
		"a rule for some can record more": {
			"- {level: RequestResponse, userGroups: [admins], verbs: [create]}\n- level: Metadata\n", "Metadata 2, RequestResponse 1, Metadata 2",
		},
		"secrets/* names Secrets as well":   {"- {level: Request, resources: [{resources: ['secrets/*']}]}\n", "Request 1, Request 1, Request 1"},
		"*/status does not":                 {"- {level: Request, resources: [{resources: ['*/status']}]}\n", "None 0, None 0, None 0"},
		"another group does not":            {"- {level: Request, resources: [{group: apps, resources: ['*']}]}\n", "None 0, None 0, None 0"},
		"some names do not hide the others": {"- {level: None, resources: [{resources: [secrets], resourceNames: [a]}]}\n- level: Request\n", "Request 2, Request 2, Request 2"},
		"no request is left for the second rule": {
			"- {level: None, userGroups: ['system:authenticated', 'system:unauthenticated']}\n- level: Request\n", "None 1, None 1, None 1",
		},
		"URLs are no resources": {"- {level: Request, nonResourceURLs: ['*']}\n", "None 0, None 0, None 0"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Secrets([]byte(head + tc.rules))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprint(f.Level, " ", f.Rule))
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestAPolicyThatAnAPIServerRefusesIsRefused(t *testing.T) {
	for _, text := range []string{"", "{", head, head + "- level: Some\n", "kind: Policy\nrules: [{level: None}]\n", head + "- 7\n"} {
		if found, err := Secrets([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, found)
		}
	}
}

func TestAPolicyThatWouldTakeTooLongEnds(t *testing.T) {
	list := strings.TrimSuffix(strings.Repeat("a,", 3000), ",")
	rule := fmt.Sprintf("- {level: Request, users: [%s], userGroups: [%s]}\n", list, list)
	if found, err := Secrets([]byte(head + "- {level: None}\n" + rule)); err == nil {
		t.Errorf("%+v", found)
	}
}

// The API server's own evaluator is asked about every request that differs for a rule.
func TestTheHighestLevelIsThatOfSomeRequest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	maybe := func(key string, from ...string) string {
		if random.IntN(3) > 0 {
			return ""
		}
		return fmt.Sprintf(", %s: ['%s']", key, pick(from...))
	}
	for range 3000 {
		text := head
		for range 1 + random.IntN(4) {
			text += "- {level: " + pick("None", "Metadata", "Request", "RequestResponse")
			text += maybe("users", "u", "v") + maybe("userGroups", "g", "h") + maybe("namespaces", "n", "m") + maybe("verbs", "get", "list", "create", "update", "delete")
			if random.IntN(2) == 0 {
				text += ", resources: [{group: '" + pick("", "*", "apps") + "'" + maybe("resources", "secrets", "*", "secrets/*", "pods", "*/status")
				text += maybe("resourceNames", "x", "y") + "}]"
			} else {
				text += maybe("nonResourceURLs", "*")
			}
			text += "}\n"
		}
		found, err := Secrets([]byte(text))
		if err != nil {
			t.Fatalf("%s%v", text, err)
		}
		loaded, err := auditpolicy.LoadPolicyFromBytes([]byte(text))
		if err != nil {
			continue // it does not take both resources and URLs
		}
		for _, f := range found {
			if want := highest(loaded, f.Verbs); string(f.Level) != want {
				t.Fatalf("%s%v: %s, the API server records %s", text, f.Verbs, f.Level, want)
			}
		}
	}
}

func highest(p *audit.Policy, verbs []string) string {
	evaluator := auditpolicy.NewPolicyRuleEvaluator(p)
	level := audit.LevelNone
	for _, verb := range verbs {
		for _, name := range []string{"x", "y", "z", ""} {
			if verb == "create" || verb == "deletecollection" {
				name = "" // of these requests the object's name is not known
			} else if name == "" && verb != "list" && verb != "watch" {
				continue
			}
			for _, namespace := range []string{"n", "m", "o", ""} {
				if namespace == "" && verb != "list" && verb != "watch" {
					continue
				}
				for _, who := range []string{"u", "v", "w"} {
					for _, group := range []string{"g", "h", "i"} {
						got := evaluator.EvaluatePolicyRule(authorizer.AttributesRecord{
							User: &user.DefaultInfo{Name: who, Groups: []string{group, "system:authenticated"}}, Verb: verb, Namespace: namespace,
							Resource: "secrets", Name: name, ResourceRequest: true,
						}).Level
						if level.Less(got) {
							level = got
						}
					}
				}
			}
		}
	}
	return string(level)
}
