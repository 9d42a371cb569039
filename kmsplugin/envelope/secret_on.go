//go:build goexperiment.runtimesecret

package envelope

import "runtime/secret"

// secretly runs f so that what it leaves in registers and on the stack is
// overwritten when it returns, and what it allocates when that is collected
// (runtime/secret, an experiment of Go 1.26; linux on amd64 and arm64).
func secretly(f func()) { secret.Do(f) }
