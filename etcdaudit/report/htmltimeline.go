package report

import (
	"math"
	"slices"
	"time"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// timelineView is a timeline with its bar.
type timelineView struct {
	*auditv1.Timeline
	Title    string
	Readable []intervalView
	Found    []string
}

// shownIntervals is how many intervals of one object the page has. JSON has more.
const shownIntervals = 10

// intervalView is one interval, or several that are not shown, in words and as a part of the bar, of which the whole is a
// thousand: between At and At+Length the object may have been readable, between Sure and
// Sure+SureLength it was.
type intervalView struct {
	Text                         string
	At, Length, Sure, SureLength int
}

// timelinesOf puts all bars on one scale: from the first time that any of them names to the last.
func timelinesOf(r *auditv1.Report) (all []timelineView, from, to string) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	shown := r.Timelines[:min(len(r.Timelines), shownRows)]
	name := func(t int64) { first, last = min(first, t), max(last, t) }
	for _, t := range shown {
		for _, in := range t.Readable {
			for _, b := range []*auditv1.Bounds{in.From, in.Until} {
				if low := b.GetNotBefore(); low != nil {
					name(low.AsTime().Unix())
				}
				if high := b.GetNotAfter(); high != nil {
					name(high.AsTime().Unix())
				}
			}
		}
	}
	if now := madeAt(r); !now.IsZero() {
		name(now.Unix())
	}
	if first > last {
		return nil, "", ""
	}
	scopes := layersOf(r)
	for _, t := range shown {
		v := timelineView{Timeline: t, Title: timelineName(t), Found: foundIn(t, scopes)}
		for _, in := range t.Readable {
			v.Readable = append(v.Readable, onScale(in, first, last))
		}
		v.Readable = shortened(v.Readable, int(t.Omitted))
		all = append(all, v)
	}
	return all, time.Unix(first, 0).UTC().Format(time.DateOnly), time.Unix(last, 0).UTC().Format(time.DateOnly)
}

func onScale(in *auditv1.Interval, first, last int64) intervalView {
	at := func(t int64) int { return int(1000 * (t - first) / max(last-first, 1)) }
	begin, sure, over, end := first, last, first, last
	if t := in.From.GetNotBefore(); t != nil {
		begin = t.AsTime().Unix()
	}
	if t := in.From.GetNotAfter(); t != nil {
		sure = t.AsTime().Unix()
	}
	if t := in.Until.GetNotBefore(); t != nil {
		over = t.AsTime().Unix()
	}
	if t := in.Until.GetNotAfter(); t != nil {
		end = t.AsTime().Unix()
	}
	if in.Until == nil {
		over = last
	}
	return intervalView{
		Text: "from " + within(in.From) + " " + ended(in),
		At:   at(begin), Length: max(at(end)-at(begin), 4), Sure: at(sure), SureLength: max(at(over)-at(sure), 0),
	}
}

// shortened puts one part of the bar in the place of those between the first ones and the last:
// the object may have been readable from the first of them to the last.
func shortened(all []intervalView, omitted int) []intervalView {
	n := len(all)
	if n+omitted <= shownIntervals || n < 2 {
		return all
	}
	few := min(shownIntervals-2, n-1)
	between := intervalView{Text: timesMore(n - 1 - few + omitted), At: all[n-1].At}
	end := all[n-1].At
	for _, in := range all[few : n-1] {
		between.At, end = min(between.At, in.At), max(end, in.At+in.Length)
	}
	if few == n-1 {
		between.At = min(between.At, all[few-1].At)
	}
	between.Length = end - between.At
	return append(slices.Clone(all[:few]), between, all[n-1])
}

// addTimelines adds the timelines, and what they rest on.
func (p *page) addTimelines(r *auditv1.Report) {
	p.Timelines.Shown, p.TimelinesFrom, p.TimelinesTo = timelinesOf(r)
	p.Timelines.More = int64(len(r.Timelines) - len(p.Timelines.Shown))
	for _, b := range r.TimelineBasis {
		p.TimelineBasis = append(p.TimelineBasis, basis(b, len(r.TimelineBasis) > 1))
		p.TimelinesOmitted += b.Omitted
	}
}
