package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// errUnreachable is the answer when nothing was learnt. It is no pass.
var errUnreachable = errors.New("NOTHING WAS CHECKED: the database of vulnerabilities (https://vuln.go.dev, or what GOVULNDB names) cannot be reached")

// vulncheckSteps are those of `make vulncheck`.
func vulncheckSteps() []step {
	return []step{{name: "govulncheck", run: func(ctx context.Context, out io.Writer) error {
		var text strings.Builder
		err := tool("govulncheck", "./cmd/...").stream(ctx, io.MultiWriter(out, &text))
		return vulncheckVerdict(text.String(), err)
	}}}
}

// vulncheckVerdict tells what was found from that nothing could be looked up.
func vulncheckVerdict(text string, err error) error {
	exit, isExit := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil && strings.Contains(text, "No vulnerabilities found"):
		return nil
	case err == nil:
		return fmt.Errorf("%w: no verdict was given", errUnreachable)
	case isExit && exit.ExitCode() == 3: // go doc golang.org/x/vuln/cmd/govulncheck
		return errors.New("the product calls code with known vulnerabilities, listed above")
	case strings.Contains(text, "fetching vulnerabilities"):
		return errUnreachable
	default:
		return err
	}
}
