// Command formats reads files with the parser of the program that they are for,
// and prints what that program would see, as JSON:
//
//	formats rules FILE        alerting rules (Prometheus)
//	formats promql EXPR...    the series that each expression asks for (Prometheus)
//	formats dockerfile FILE   stages and instructions (BuildKit)
//	formats terraform FILE    resources, with the defaults of variables put in (HCL)
//	formats policy FILE       paths and capabilities of a Vault policy (HCL)
//
// It is a module of its own, so that none of these parsers gets near the product's
// dependencies. It must never judge what it reads: package deploy beside it does.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "formats:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	commands := map[string]func([]string) (any, error){
		"rules":      onFile(readRules),
		"promql":     readExpressions,
		"dockerfile": onFile(readDockerfile),
		"terraform":  onFile(readTerraform),
		"policy":     onFile(readPolicy),
	}
	if len(args) < 2 || commands[args[0]] == nil {
		return errors.New("usage: formats rules|dockerfile|terraform|policy FILE, formats promql EXPR [EXPR ...]")
	}
	result, err := commands[args[0]](args[1:])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// onFile makes a command of a function that reads one file.
func onFile[T any](read func(name string, text []byte) (T, error)) func([]string) (any, error) {
	return func(args []string) (any, error) {
		if len(args) != 1 {
			return nil, fmt.Errorf("want one file, got %d", len(args))
		}
		text, err := os.ReadFile(args[0]) //nolint:gosec // the file that it was called for
		if err != nil {
			return nil, err
		}
		return read(args[0], text)
	}
}
