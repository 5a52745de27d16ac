package verification

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rereadKind = &Kind{
	Provider: "acme", Name: "check", Order: []OrderField{BySecond, ByPhase},
	Table: []Row{
		{Says: "started", Status: Pending, Phase: PhasePending},
		{Says: "yes", Status: Approved, Phase: PhaseDecision},
		{Says: "no", Status: Rejected, Phase: PhaseDecision},
	},
}

// said is what the delivery at a position tells under a version of the decoder.
func said(t *testing.T, id string, seq uint64, says string, decoder int) Signal {
	t.Helper()
	s := Signal{ID: id, Says: says, At: noon.Add(time.Duration(seq) * time.Minute), Decoder: decoder}
	s.Received(seq, noon.Add(time.Hour), fmt.Sprint("d", seq))
	if err := rereadKind.Fill(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func readings(signals ...Signal) (list []Reading) {
	for _, s := range signals {
		list = append(list, Reading{Signal: s, Cause: s.cause()})
	}
	return list
}

func recordOf(t *testing.T, signals ...Signal) *Record {
	t.Helper()
	r := &Record{}
	for _, s := range signals {
		if _, err := rereadKind.Apply(r, s); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestReread(t *testing.T) {
	for _, c := range []struct {
		name   string
		said   func(*testing.T) Said
		events []string
		saved  bool
		status Status
	}{
		{"the same", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "a", 1, "started", 1), said(t, "b", 2, "yes", 1))}
		}, nil, false, Approved},
		{"the same by a newer decoder", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "a", 1, "started", 2), said(t, "b", 2, "yes", 2))}
		}, nil, true, Approved},
		{"an older decoder", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "b", 2, "no", 0))}
		}, nil, false, Approved},
		{"another decision", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "a", 1, "started", 2), said(t, "b", 2, "no", 2))}
		}, []string{"rejected"}, true, Rejected},
		{"two that say something else", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "a", 1, "yes", 2), said(t, "b", 2, "no", 2))}
		}, []string{"rejected", Noted}, true, Rejected},
		{"one that is new", func(t *testing.T) Said {
			return Said{Readings: readings(said(t, "c", 3, "no", 2))}
		}, []string{"rejected"}, true, Rejected},
		{"one that is withdrawn", func(*testing.T) Said { return Said{Withdrawn: []string{"b"}} }, []string{"pending"}, true, Pending},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := recordOf(t, said(t, "a", 1, "started", 1), said(t, "b", 2, "yes", 1))
			version := r.Version
			result, err := rereadKind.Reread(r, c.said(t))
			if err != nil {
				t.Fatal(err)
			}
			var events []string
			for i, change := range result.Changes {
				events = append(events, change.Event)
				if change.Version != version+i+1 || change.State.Status != c.status || !change.Reread {
					t.Errorf("a change is %+v", change)
				}
			}
			if diff := cmp.Diff(c.events, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if result.Saved != c.saved || r.State.Status != c.status {
				t.Errorf("saved is %v, the status %s", result.Saved, r.State.Status)
			}
			again, err := rereadKind.Reread(r, c.said(t))
			if err != nil || again.Saved || len(again.Changes) > 0 {
				t.Errorf("the same once more changes something: %+v, %v", again, err)
			}
		})
	}
}

// A signal that is told again has its effect again, and is dated by who tells it.
func TestRereadGivesBack(t *testing.T) {
	r := recordOf(t, said(t, "a", 1, "yes", 1))
	if _, err := rereadKind.Reread(r, Said{Withdrawn: []string{"a"}}); err != nil || r.State.Status != Processing {
		t.Fatalf("withdrawn, it is %s: %v", r.State.Status, err)
	}
	result, err := rereadKind.Reread(r, Said{Readings: readings(said(t, "a", 4, "yes", 2)), Misplaced: []string{"a"}})
	if err != nil || len(result.Changes) != 1 || r.State.Status != Approved {
		t.Fatalf("given back, it is %s, with %d changes: %v", r.State.Status, len(result.Changes), err)
	}
	if s := r.Signals[0]; s.Seq != 4 || !s.At.Equal(noon.Add(4*time.Minute)) || s.Disowned {
		t.Errorf("it stands at %d, %s", s.Seq, s.At)
	}
}

func TestRereadLeavesOutWhatIsTooMuch(t *testing.T) {
	r := &Record{}
	for i := range MaxSignals {
		r.Signals = append(r.Signals, Entry{Signal: said(t, fmt.Sprint("s", i), uint64(i+1), "started", 1), Version: i + 1})
	}
	r.Version, r.State = MaxSignals, rereadKind.Fold(r.set())
	result, err := rereadKind.Reread(r, Said{Readings: readings(said(t, "more", 900, "yes", 2))})
	if err != nil || !cmp.Equal(result.Left, []uint64{900}) || len(result.Changes) > 0 || len(r.Signals) != MaxSignals {
		t.Errorf("left out are %v, with %d changes: %v", result.Left, len(result.Changes), err)
	}
}

// A table that was mended makes one event, where it changes what is known.
func TestRereadUnderAnotherTable(t *testing.T) {
	r := recordOf(t, said(t, "a", 1, "started", 1))
	mended := *rereadKind
	mended.Table = append([]Row{{Says: "started", Status: Processing, Phase: PhaseProcessing}}, rereadKind.Table[1:]...)
	s := said(t, "a", 1, "started", 1)
	s.Status = Processing
	result, err := mended.Reread(r, Said{Readings: readings(s)})
	if err != nil || len(result.Changes) != 1 || result.Changes[0].Event != string(Processing) {
		t.Errorf("%d changes: %v", len(result.Changes), err)
	}
}

func TestJoin(t *testing.T) {
	full := func() *Record {
		return recordOf(t, said(t, "a", 1, "started", 1), said(t, "b", 2, "yes", 1), said(t, "c", 3, "no", 1))
	}
	// What the stream holds from a version on.
	from := func(version int) *Record {
		r := full()
		r.Signals = r.Signals[version-1:]
		return r
	}
	behind := recordOf(t, said(t, "a", 1, "started", 1), said(t, "b", 2, "yes", 1))
	for _, c := range []struct {
		name       string
		made, kept *Record
		trimmed    bool
		differs    []string
		carried    bool
	}{
		{"the same", full(), full(), false, nil, false},
		{"neither is there", &Record{}, &Record{}, false, nil, false},
		{"not in the stream", &Record{}, full(), false, []string{DiffersMissing}, false},
		{"not in the state", full(), &Record{}, true, []string{DiffersMissing}, false},
		{"taken out of the stream", &Record{}, full(), true, nil, true},
		{"partly taken out", from(3), full(), true, nil, true},
		{"partly lost", from(3), full(), false, []string{DiffersSignals}, false},
		{"behind", full(), behind, true, []string{DiffersSignals, DiffersState, DiffersVersion}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			differs, carried := c.made.Join(c.kept, c.trimmed)
			if diff := cmp.Diff(c.differs, differs); diff != "" || carried != c.carried {
				t.Errorf("carried %v, differs (-want +got):\n%s", carried, diff)
			}
			if len(c.differs) == 0 && len(c.made.Signals) != len(c.kept.Signals) {
				t.Errorf("%d signals, want %d", len(c.made.Signals), len(c.kept.Signals))
			}
		})
	}
}

// What only the kept record has learnt, from copies that made no event, is no difference.
func TestJoinTakesOverWhatMadeNoEvent(t *testing.T) {
	made, kept := recordOf(t, said(t, "a", 5, "yes", 1)), recordOf(t, said(t, "a", 5, "yes", 1))
	earlier := said(t, "a", 5, "yes", 2)
	earlier.Seq, earlier.Delivery = 2, "d2"
	if _, err := rereadKind.Apply(kept, earlier); err != nil {
		t.Fatal(err)
	}
	if differs, carried := made.Join(kept, false); len(differs) > 0 || carried {
		t.Errorf("differs: %v", differs)
	}
	if s := made.Signals[0]; s.Seq != 2 || s.Decoder != 2 {
		t.Errorf("it stands at %d by decoder %d", s.Seq, s.Decoder)
	}
	made.Signals[0].Says = "no"
	made.Signals[0].Decoder = 3
	if differs, _ := made.Join(kept, false); !cmp.Equal(differs, []string{DiffersContent}) {
		t.Errorf("differs: %v", differs)
	}
}
