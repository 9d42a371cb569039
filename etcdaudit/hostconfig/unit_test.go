package hostconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandsAreSplitAndExpandedAsSystemdDoes(t *testing.T) {
	env := map[string]string{"ONE": "1", "TWO": `a "b c"`, "EMPTY": ""}
	for line, want := range map[string][]string{
		`/bin/etcd --a=b  --c`:             {"/bin/etcd", "--a=b", "--c"},
		`-/bin/etcd "a b" 'c "d"' e\sf`:    {"/bin/etcd", "a b", `c "d"`, "e f"},
		`@/bin/etcd other --a`:             {"/bin/etcd", "--a"},
		`/bin/etcd --a=${ONE}x ${EMPTY} y`: {"/bin/etcd", "--a=1x", "", "y"},
		`/bin/etcd $TWO $EMPTY $UNSET end`: {"/bin/etcd", "a", "b c", "end"},
		`/bin/etcd --a=$ONE $$ONE`:         {"/bin/etcd", "--a=$ONE", "$ONE"},
		`:/bin/etcd ${ONE} $ONE`:           {"/bin/etcd", "${ONE}", "$ONE"},
		`+-/bin/etcd \x41\101`:             {"/bin/etcd", "AA"},
		`/bin/etcd --name="x y"`:           {"/bin/etcd", "--name=x y"},
	} {
		if got, err := expandCommand(line, env); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`/bin/etcd "open`, `/bin/etcd \q`, `/bin/etcd \`} {
		if got, err := expandCommand(line, env); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestAUnitIsPutTogetherFromItsParts(t *testing.T) {
	text := "[Unit]\nExecStart=no\n[Service]\nEnvironment=A=1\nExecStart=/bin/a \\\n# a comment in between\n  --b\nExecStart=/second\nEnvironmentFile=-/e\n"
	got := newService(append(parseUnit(text), parseUnit("[Service]\nEnvironment=\nEnvironment=B=2\n")...))
	want := service{command: "/bin/a    --b", environment: []string{"B=2"}, environmentFiles: []string{"-/e"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(service{})); diff != "" {
		t.Error(diff)
	}
	if got := newService(parseUnit("[Service]\nExecStart=/a\nExecStart=\nExecStart=/b " + strings.Repeat("x", 5000))).command; len(got) != 5003 {
		t.Errorf("a long line: %d bytes", len(got))
	}
}

func TestEnvironmentFilesAreReadAsSystemdDoes(t *testing.T) {
	got := parseEnvironmentFile("# c\n; c\nA=1\n B = two words \nC=\"a \\\"b\\\" \"\nD='$x'\nE=one\\\ntwo\nnot a line\n1X=no\n")
	if diff := cmp.Diff([]string{"A=1", "B=two words", `C=a "b" `, "D=$x", "E=onetwo"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesOfAContainerAreExpandedAsTheKubeletDoes(t *testing.T) {
	env := map[string]string{"IP": "192.0.2.1"}
	for text, want := range map[string]string{
		"https://$(IP):2379": "https://192.0.2.1:2379", "$(NO)": "$(NO)", "$$(IP)": "$(IP)", "$IP": "$IP", "$(IP": "$(IP", "a$": "a$",
	} {
		if got := expandVariables(text, env); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestOnlyServersAreTakenForEtcdAndTheAPIServer(t *testing.T) {
	for words, want := range map[string]string{
		"/usr/local/bin/etcd --name a": etcdProgram, "etcd-3.6": etcdProgram, "etcd grpc-proxy start": "", "etcdctl get a": "", "sh -c etcd": "",
		"tini -- etcd": "", "/bin/kube-apiserver": apiServerProgram, "hyperkube kube-apiserver": apiServerProgram, "hyperkube kubelet": "", "": "",
	} {
		if got := programOf(strings.Fields(words)); got != want {
			t.Errorf("%s: %q", words, got)
		}
	}
}

func TestWhatAManifestDoesNotSayIsNotEvaluated(t *testing.T) {
	for name, container := range map[string]string{
		"a shell":                   `{command: [/bin/sh, -c, "exec etcd --data-dir=/d"]}`,
		"a variable from elsewhere": `{command: [etcd], env: [{name: ETCD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}`,
		"variables from elsewhere":  `{command: [etcd], envFrom: [{configMapRef: {name: x}}]}`,
	} {
		h := read(t, node(t, map[string]string{manifests + "etcd.yaml": "kind: Pod\nspec:\n  containers:\n  - " + container + "\n"}))
		if len(h.Etcds) != 1 || h.Etcds[0].Config.NotEvaluated == "" {
			t.Errorf("%s: %+v", name, h.Etcds)
		}
	}
}

func FuzzUnit(f *testing.F) {
	f.Add("[Service]\nExecStart=@/bin/etcd x ${A} \\\n \"b\"\n", "A=\"x\\\n")
	f.Fuzz(func(_ *testing.T, unit, file string) {
		env := map[string]string{}
		for _, pair := range parseEnvironmentFile(file) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		command, _ := specifiers(newService(parseUnit(unit)).command, "a@b.service", "host.example")
		if words, err := expandCommand(command, env); err == nil {
			programOf(words)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(etcdPod))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parseManifest("f", text) })
}
