package madeup

import (
	"math/rand/v2"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func TestPersonIsMadeAgain(t *testing.T) {
	for seed := range uint64(200) {
		one, same := NewPerson(source(seed), now), NewPerson(source(seed), now)
		if diff := cmp.Diff(one, same); diff != "" {
			t.Fatalf("two persons of one source (-one +other):\n%s", diff)
		}
		age := now.Sub(one.Birth).Hours() / hoursOfYear
		if age < youngest || age > oldest+1 {
			t.Errorf("age %v", age)
		}
		if !one.Document.Issued.Before(now) || !one.Document.Expires.After(now) {
			t.Errorf("document is valid from %v to %v", one.Document.Issued, one.Document.Expires)
		}
	}
}

func TestIDs(t *testing.T) {
	for name, test := range map[string]struct {
		draw func(*rand.Rand) string
		form string
	}{
		"UUID":   {UUID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		"Hex":    {func(r *rand.Rand) string { return Hex(r, 36) }, `^[0-9a-f]{36}$`},
		"Digits": {func(r *rand.Rand) string { return Digits(r, 9) }, `^[1-9][0-9]{8}$`},
		"Code":   {func(r *rand.Rand) string { return Code(r, 7) }, `^[A-Z0-9]{7}$`},
	} {
		form, seen := regexp.MustCompile(test.form), map[string]bool{}
		for seed := range uint64(1000) {
			id := test.draw(source(seed))
			if !form.MatchString(id) || seen[id] {
				t.Errorf("%s drew %q, seen before: %v", name, id, seen[id])
			}
			seen[id] = true
		}
	}
}
