// Command holder holds a local KEK and lets it go, on command, so that its memory
// can be looked at from outside. It reads the 32 bytes of the key from its
// standard input, and then one byte for each step; it prints the name of each step
// once it is done. The last step ends it.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/sealproof/sealproof/internal/transit"

	"github.com/sealproof/sealproof/kmsplugin/seal"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := hold(); err != nil {
		return err
	}
	// Swept only by the cycle after the one that finds it dead.
	for range 3 {
		runtime.GC()
	}
	return step("dropped")
}

// hold has a key until it returns.
func hold() error {
	k, err := receive()
	if err != nil {
		return err
	}
	b := seal.Binding{Cluster: "test", KeyID: "v1.00000000000000000000000000000000"}
	for range 100 {
		if err := use(k, b); err != nil {
			return err
		}
	}
	err = step("held")
	runtime.KeepAlive(k)
	return err
}

// receive makes the key on a goroutine of its own, whose stack goes with it, as
// the plugin's probe does.
func receive() (k *seal.LocalKEK, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		key := make([]byte, seal.KEKSize)
		defer clear(key)
		if _, err = os.Stdin.Read(key); err == nil {
			k, err = seal.NewLocalKEK(key)
		}
	}()
	<-done
	return k, err
}

// use seals and opens a seed as the API server has it done.
func use(k *seal.LocalKEK, b seal.Binding) error {
	const wrapped = "vault:v1:AAAA"
	annotations := map[string][]byte{transit.AnnotationCluster: []byte(b.Cluster), transit.AnnotationKEK: []byte(wrapped)}
	sealed, err := seal.Parse(b.KeyID, k.Seal(b, []byte(wrapped), make([]byte, 32)), annotations)
	if err != nil {
		return err
	}
	_, err = k.Open(sealed)
	return err
}

func step(name string) error {
	fmt.Println(name)
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}
