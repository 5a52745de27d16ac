package api

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// Every claim that is kept is answered, under the same name.
func TestClaimsAreComplete(t *testing.T) {
	kept := &provider.Claims{Nationalities: []string{"GB"}, Address: &provider.Address{}, Document: &provider.Document{}}
	for _, claims := range []any{kept, kept.Address, kept.Document} {
		value := reflect.ValueOf(claims).Elem()
		for i := range value.NumField() {
			if text, ok := value.Field(i).Addr().Interface().(**string); ok {
				*text = new(value.Type().Field(i).Name)
			}
		}
		for field, value := range value.Fields() {
			if value.IsZero() {
				t.Fatalf("this test knows no value for %s", field.Name)
			}
		}
	}
	want, got := members(t, kept), members(t, newClaims(kept, true))
	if got["data_anonymized"] != true {
		t.Errorf("data_anonymized is %v", got["data_anonymized"])
	}
	delete(got, "data_anonymized")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-kept +answered):\n%s", diff)
	}
}

func members(t *testing.T, value any) map[string]any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return object
}
