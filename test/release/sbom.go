package release

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// WriteSBOM writes what a binary contains as a CycloneDX list: the modules that
// the linker recorded in it, and Go's standard library. It has no time and no
// random number, so the same binary gives the same list.
func WriteSBOM(binary, file string) (err error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read what %s contains: %w", binary, err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644) //nolint:gosec // to be published
	if err != nil {
		return fmt.Errorf("write the list of contents: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom(info)); err != nil {
		return fmt.Errorf("write the list of contents of %s: %w", binary, err)
	}
	return nil
}

func bom(info *buildinfo.BuildInfo) *cdx.BOM {
	main := moduleComponent(cdx.ComponentTypeApplication, &info.Main)
	main.Name = info.Path
	var settings []cdx.Property
	for _, s := range info.Settings {
		settings = append(settings, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	main.Properties = &settings

	std := moduleComponent(cdx.ComponentTypeLibrary, &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")})
	parts := []cdx.Component{std}
	refs := []string{std.BOMRef}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		part := moduleComponent(cdx.ComponentTypeLibrary, module)
		parts = append(parts, part)
		refs = append(refs, part.BOMRef)
	}
	b := cdx.NewBOM()
	b.Metadata = &cdx.Metadata{Component: &main}
	b.Components = &parts
	b.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return b
}

// moduleComponent describes a module by its package URL
// (github.com/package-url/purl-spec, type golang).
func moduleComponent(kind cdx.ComponentType, m *debug.Module) cdx.Component {
	url := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	c := cdx.Component{Type: kind, BOMRef: url, PackageURL: url, Name: m.Path, Version: m.Version}
	if m.Sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}
