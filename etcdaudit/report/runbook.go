package report

import auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"

// runbook shows the steps that clear what outlives live values. Commands are not broken: they
// are there to be copied.
func (p *printer) runbook(steps []*auditv1.Step) {
	if len(steps) == 0 {
		return
	}
	p.line("")
	p.line("Runbook, in this order:")
	of, number := aboutStep(steps[0]), 0
	for _, s := range steps {
		if about := aboutStep(s); about != of {
			of, number = about, 0
			p.line("  of %s:", of)
		}
		number++
		p.wrap("     ", "  %d. %s: %s (%s)", number, s.Title, s.Why, s.Cost)
		for _, command := range s.Commands {
			p.line("       %s", command)
		}
	}
}

// aboutStep is what a step is about: a store, and the node whose files were read.
func aboutStep(s *auditv1.Step) string {
	if s.Node == "" {
		return s.Store
	}
	return s.Store + ", from " + s.Node
}
