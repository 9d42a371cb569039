package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// mostTimelines is how many timelines are shown. JSON has all.
const mostTimelines = 20

// timelines shows which credentials have to be changed, and since when.
func (p *printer) timelines(r *auditv1.Report) {
	if len(r.TimelineBasis) == 0 {
		return
	}
	p.line("")
	var objects, omitted uint32
	for _, b := range r.TimelineBasis {
		objects, omitted = objects+b.Objects, omitted+b.Omitted
	}
	p.line("Credentials to change: %s readable in what was read", objectsWere(objects))
	for _, b := range r.TimelineBasis {
		p.wrap("    ", "  %s", basis(b, len(r.TimelineBasis) > 1))
	}
	scopes := layersOf(r)
	for _, t := range r.Timelines[:min(len(r.Timelines), mostTimelines)] {
		p.wrap("    ", "  %s: %s; found in %s", timelineName(t), readable(t), strings.Join(foundIn(t, scopes), ", "))
	}
	if more := len(r.Timelines) - mostTimelines; more > 0 {
		p.line("  and %d more in --output json", more)
	}
	if omitted > 0 {
		p.line("  and %d more that are not listed", omitted)
	}
}

func objectsWere(n uint32) string {
	if n == 1 {
		return "1 object was"
	}
	return fmt.Sprintf("%d objects were", n)
}

// basis says what the bounds of one store's timelines rest on.
func basis(b *auditv1.TimelineBasis, several bool) string {
	text := fmt.Sprintf("each bound has %s in it for clocks that are wrong", time.Duration(b.AllowanceSeconds)*time.Second)
	if several {
		text = "of " + b.Store + ": " + text
	}
	if b.DisagreementSeconds > 0 {
		text += fmt.Sprintf("; clocks contradict each other by %s: an API server's clock was wrong, or objects were copied into etcd with older times", time.Duration(b.DisagreementSeconds)*time.Second)
	}
	return text
}

func timelineName(t *auditv1.Timeline) string {
	name := t.Name
	if t.Namespace != "" {
		name = t.Namespace + "/" + name
	}
	if t.Resource != "secrets" {
		name = t.Resource + " " + name
	}
	return name
}

// readable says from when to when.
func readable(t *auditv1.Timeline) string {
	var all []string
	for _, in := range t.Readable {
		all = append(all, "readable from "+within(in.From)+" "+ended(in))
	}
	if n := len(all); n > 3 || t.Omitted > 0 && n > 0 {
		all = append(all[:1], timesMore(n-2+int(t.Omitted)), all[n-1])
	}
	return strings.Join(all, ", ")
}

func timesMore(n int) string { return fmt.Sprintf("%d times more", n) }

func ended(in *auditv1.Interval) string {
	if in.Until == nil {
		return "until now"
	}
	return "until " + within(in.Until)
}

// within is a time with what is not known of it, and what it rests on.
func within(b *auditv1.Bounds) string {
	low, high := b.GetNotBefore(), b.GetNotAfter()
	switch {
	case low == nil && high == nil:
		return "a time that is not known"
	case low == nil:
		return fmt.Sprintf("%s or before (%s)", minute(high.AsTime().Add(time.Minute-1)), b.NotAfterSource)
	case high == nil:
		return fmt.Sprintf("%s or after (%s)", minute(low.AsTime()), b.NotBeforeSource)
	}
	sources := b.NotBeforeSource
	if b.NotAfterSource != sources {
		sources += ", " + b.NotAfterSource
	}
	from := low.AsTime().Truncate(time.Minute)
	return fmt.Sprintf("%s + %s (%s)", minute(from), precision(high.AsTime().Sub(from)), sources)
}

// minute shows a time without its seconds. What is shown may be wider than what is known, and
// never narrower.
func minute(t time.Time) string { return t.Format("2006-01-02 15:04") }

// precision is how long a span is, in its largest unit, rounded up.
func precision(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= 3*unit.size || unit.size == time.Minute {
			return fmt.Sprintf("%d %s", (d+unit.size-1)/unit.size, unit.name)
		}
	}
	return ""
}

// layersOf names each scope by its layer, and what it is a copy of.
func layersOf(r *auditv1.Report) map[string]string {
	names := map[string]string{}
	for _, s := range r.Scopes {
		names[s.Id] = s.Layer
		if s.Copy != "" {
			names[s.Id] += " of a " + s.Copy
		}
	}
	return names
}

func foundIn(t *auditv1.Timeline, scopes map[string]string) (all []string) {
	for _, id := range t.RecoverableIn {
		if name := scopes[id]; name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
