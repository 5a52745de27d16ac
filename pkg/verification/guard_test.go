package verification

import "testing"

// TestGuards holds the matrix to the rules, whatever else it says.
func TestGuards(t *testing.T) {
	all := []class{nothing, open, ended, decided, revoked}
	if len(guards) != len(all) {
		t.Fatalf("guards have %d rows", len(guards))
	}
	for _, from := range all {
		for _, to := range all[1:] {
			got := guards[from][to]
			replaces := got != keep
			var want bool
			var rule string
			switch {
			case from == nothing || from == open:
				want, rule = true, "a status that is not final gives way to every other"
			case to == open:
				want, rule = false, "a status that is not final replaces no final one"
			case to == ended:
				want, rule = from == ended, "an ending replaces an ending only"
			case to == decided:
				want, rule = from != revoked, "a decision replaces all but a revoked one"
			default:
				want, rule = true, "a decision can be revoked"
			}
			if replaces != want {
				t.Errorf("class %d over class %d is move %d: %s", to, from, got, rule)
			}
		}
		if guards[from][nothing] != keep {
			t.Errorf("a signal without a status moves class %d", from)
		}
	}
	if guards[decided][decided] != change {
		t.Error("a different decision must be recorded")
	}
	if guards[decided][revoked] != repeal {
		t.Error("a revoked decision must not stay in force")
	}
	for _, from := range []class{ended, revoked} {
		for _, to := range all {
			if move := guards[from][to]; move != keep && move != replace {
				t.Errorf("class %d over class %d must say what it supersedes", to, from)
			}
		}
	}
}

func TestEveryStatusHasAClass(t *testing.T) {
	for _, s := range Statuses {
		if c := standing(s); c != open && c != ended && c != decided {
			t.Errorf("status %s has no class", s)
		}
	}
	if len(classes) != len(Statuses)+1 {
		t.Errorf("there are %d classes of %d statuses and none", len(classes), len(Statuses))
	}
}
