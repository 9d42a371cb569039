package runbook

import (
	_ "embed"
	"strings"
)

// What the commands are made of, in POSIX sh. test/runbook carries it out on a real etcd.
var (
	//go:embed reach.sh
	reachScript string
	//go:embed compact.sh
	compactScript string
	//go:embed defragment.sh
	defragmentScript string
	//go:embed nodes.sh
	nodesScript string
	//go:embed replace.sh
	replaceScript string
	//go:embed age.sh
	ageScript string
)

func lines(script string) []string { return strings.Split(strings.TrimSuffix(script, "\n"), "\n") }
