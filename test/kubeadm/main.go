// Command kubeadm is the real kubeadm at the version in this module's go.mod, built
// here so that the commands of the installation guide can be run, without a cluster.
package main

import (
	"k8s.io/kubernetes/cmd/kubeadm/app"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
)

func main() {
	errors.HandleError(app.Run())
}
