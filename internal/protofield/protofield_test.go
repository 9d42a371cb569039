package protofield_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sealproof/sealproof/internal/protofield"
)

func TestEachFieldIsVisitedUntilOneIsDamagedOrRefused(t *testing.T) {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 300)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 2, protowire.Fixed64Type), 7)
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), "abc")
	all := []string{`1 300 ""`, `2 0 ""`, `3 0 "abc"`}
	refused := errors.New("refused")
	for name, tc := range map[string]struct {
		bytes []byte
		stop  int
		want  []string
		err   bool
	}{
		"whole":                   {b, -1, all, false},
		"empty":                   {nil, -1, nil, false},
		"cut in the last":         {b[:len(b)-1], -1, all[:2], true},
		"a length that lies":      {append(slices.Clone(b), 0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f), -1, all, true},
		"no field":                {[]byte{0}, -1, nil, true},
		"refused at the second":   {b, 2, all[:2], true},
		"an end without a length": {append(slices.Clone(b), 0x1a), -1, all, true},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			err := protofield.Each(tc.bytes, func(n protowire.Number, number uint64, bytes []byte) error {
				seen = append(seen, fmt.Sprintf("%d %d %q", n, number, bytes))
				if len(seen) == tc.stop {
					return refused
				}
				return nil
			})
			if !slices.Equal(seen, tc.want) || (err != nil) != tc.err || tc.stop > 0 && !errors.Is(err, refused) {
				t.Errorf("%q, %v", seen, err)
			}
		})
	}
}
