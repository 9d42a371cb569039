// Command etcdserver is the real etcd at the version in this module's go.mod.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == explainFiles {
		out := os.Stdout
		os.Stdout = os.Stderr // a configuration may send the log there
		explain(os.Stdin, out)
		return
	}
	etcdmain.Main(os.Args)
}
