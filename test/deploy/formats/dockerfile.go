package main

import (
	"bytes"
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stage is one FROM and what follows it.
type stage struct {
	Base     string    `json:"base"`
	Platform string    `json:"platform"`
	Commands []command `json:"commands"`
}

// command is one instruction: its name in lower case, its words, and the stage
// that COPY takes from.
type command struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
	From string   `json:"from"`
}

func readDockerfile(name string, text []byte) ([]stage, error) {
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	found, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var stages []stage
	for _, s := range found {
		out := stage{Base: s.BaseName, Platform: s.Platform}
		for _, c := range s.Commands {
			out.Commands = append(out.Commands, describe(c))
		}
		stages = append(stages, out)
	}
	return stages, nil
}

func describe(c instructions.Command) command {
	out := command{Name: c.Name()}
	switch c := c.(type) {
	case *instructions.RunCommand:
		out.Args = c.CmdLine
	case *instructions.CopyCommand:
		out.Args = append(append(out.Args, c.SourcePaths...), c.DestPath)
		out.From = c.From
	case *instructions.UserCommand:
		out.Args = []string{c.User}
	case *instructions.WorkdirCommand:
		out.Args = []string{c.Path}
	case *instructions.EntrypointCommand:
		out.Args = c.CmdLine
	case *instructions.CmdCommand:
		out.Args = c.CmdLine
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			out.Args = append(out.Args, a.Key+"="+a.ValueString())
		}
	}
	return out
}
