package main

import (
	"slices"
	"testing"
)

func TestParseFuzzListNamesEachTargetWithItsPackage(t *testing.T) {
	const text = `FuzzParse
FuzzKey
ok  	example.com/a	0.010s
?   	example.com/b	[no test files]
ok  	example.com/c	0.020s
FuzzFrame
ok  	example.com/d	0.020s
`
	want := []fuzzTarget{{"example.com/a", "FuzzParse"}, {"example.com/a", "FuzzKey"}, {"example.com/d", "FuzzFrame"}}
	if got := parseFuzzList(text); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}
