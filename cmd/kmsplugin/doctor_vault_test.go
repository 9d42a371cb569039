package main

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/vaultbackend"
)

// TestNoFactAboutVaultIsLost fills every field: those of doctor have the same names.
func TestNoFactAboutVaultIsLost(t *testing.T) {
	var found vaultbackend.Facts
	fill(reflect.ValueOf(&found).Elem())
	want := testkit.Must(json.Marshal(found))(t)
	got := testkit.Must(json.Marshal(vaultFacts(found)))(t)
	var a, b any
	if json.Unmarshal(want, &a) != nil || json.Unmarshal(got, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("found\n%s\nbut doctor sees\n%s", want, got)
	}
}

// fill sets everything below v to what is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(1)
	}
}
