// Command holder holds a local KEK and lets it go, on command, so that its memory
// can be looked at from outside. It reads the 32 bytes of the key from its
// standard input, and then one byte for each step; it prints the name of each step
// once it is done. The last step ends it.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
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
	b := envelope.Binding{Cluster: "test", KeyID: "v1.00000000000000000000000000000000"}
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
func receive() (k *envelope.LocalKEK, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		key := make([]byte, envelope.KEKSize)
		defer clear(key)
		if _, err = os.Stdin.Read(key); err == nil {
			k, err = envelope.NewLocalKEK(key)
		}
	}()
	<-done
	return k, err
}

// use wraps and unwraps a seed as the API server has it done.
func use(k *envelope.LocalKEK, b envelope.Binding) error {
	const wrapped = "vault:v1:AAAA"
	_, err := k.Unwrap(k.Wrap(b, []byte(wrapped), make([]byte, 32)))
	return err
}

func step(name string) error {
	fmt.Println(name)
	_, err := os.Stdin.Read(make([]byte, 1))
	return err
}
