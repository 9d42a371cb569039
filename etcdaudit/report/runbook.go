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
	store := steps[0].Store
	number := 0
	for _, s := range steps {
		if s.Store != store {
			store, number = s.Store, 0
			p.line("  of %s:", store)
		}
		number++
		p.wrap("     ", "  %d. %s: %s (%s)", number, s.Title, s.Why, s.Cost)
		for _, command := range s.Commands {
			p.line("       %s", command)
		}
	}
}
