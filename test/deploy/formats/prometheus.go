package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// alert is one alerting rule.
type alert struct {
	Name        string            `json:"name"`
	Expr        string            `json:"expr"`
	For         time.Duration     `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Series      []selector        `json:"series"`
}

// selector is what an expression asks for: a metric's name, and for each label
// that it matches the values, or patterns, that it names.
type selector struct {
	Metric string              `json:"metric"`
	Labels map[string][]string `json:"labels"`
	// By are the labels by which some aggregation of the expression groups.
	By []string `json:"by"`
}

func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// readRules refuses what Prometheus would: unknown fields, expressions and
// templates that do not parse, names used twice.
func readRules(name string, text []byte) ([]alert, error) {
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, newParser(), slog.New(slog.DiscardHandler))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var alerts []alert
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				return nil, fmt.Errorf("%s: the rule %q is no alert", name, rule.Record)
			}
			series, err := selectors(rule.Expr)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, rule.Alert, err)
			}
			alerts = append(alerts, alert{
				Name: rule.Alert, Expr: rule.Expr, For: time.Duration(rule.For),
				Labels: rule.Labels, Annotations: rule.Annotations, Series: series,
			})
		}
	}
	return alerts, nil
}

// readExpressions returns the selectors of each expression.
func readExpressions(exprs []string) (any, error) {
	all := make([][]selector, len(exprs))
	for i, expr := range exprs {
		var err error
		if all[i], err = selectors(expr); err != nil {
			return nil, fmt.Errorf("%q: %w", expr, err)
		}
	}
	return all, nil
}

func selectors(text string) ([]selector, error) {
	expr, err := newParser().ParseExpr(text)
	if err != nil {
		return nil, err
	}
	var found []selector
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		vector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		s := selector{Labels: map[string][]string{}}
		for _, m := range vector.LabelMatchers {
			switch {
			case m.Name == model.MetricNameLabel:
				s.Metric = m.Value
			case m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp:
				s.Labels[m.Name] = append(s.Labels[m.Name], m.SetMatches()...)
			default:
				s.Labels[m.Name] = append(s.Labels[m.Name], m.Value)
			}
		}
		for _, above := range path {
			if aggregation, ok := above.(*parser.AggregateExpr); ok && !aggregation.Without {
				s.By = append(s.By, aggregation.Grouping...)
			}
		}
		found = append(found, s)
		return nil
	})
	return found, nil
}
