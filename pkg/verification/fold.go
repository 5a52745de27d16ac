package verification

import (
	"cmp"
	"slices"
)

// Fold returns the state that a set of signals comes to. The set may be in any order and must
// not hold two copies of one signal; it is not changed. A disowned signal is as if it were
// not there; a set without any status is processing.
func (k *Kind) Fold(set []Signal) State {
	f := folding{kind: k, state: State{Attempt: 1}}
	signals := k.sorted(set)
	applicant := k.applicant(set)
	for i := range signals {
		s := &signals[i]
		switch {
		case s.made(), s.Disowned:
		case applicant != "" && s.Applicant != "" && s.Applicant != applicant:
			f.anomaly(AnomalyApplicantMismatch)
		default:
			f.signal(s)
		}
	}
	if f.state.Status == "" {
		f.state.Status = Processing
	}
	f.deadline(set)
	f.anonymized(set)
	return f.state
}

// folding is a fold under way.
type folding struct {
	kind  *Kind
	state State
	first *Signal // the first signal that has an effect
	last  *Signal // the signal that set the status
}

// signal applies one signal that has an effect: links, anomalies, then the table.
func (f *folding) signal(s *Signal) {
	if f.first == nil {
		f.first = s
	}
	f.link(s)
	f.state.Anomalies = union(f.state.Anomalies, s.Anomalies...)
	f.state.DataAnonymized = f.state.DataAnonymized || s.Anonymized
	row, known := f.kind.Row(s.Says)
	if !known {
		// A row of a newer version of the table: the decoder of that version decides.
		f.anomaly(AnomalyUnknownValue)
		return
	}
	if row.Anomaly != "" {
		f.anomaly(row.Anomaly)
	}
	if row.Status == "" {
		return
	}
	if f.opens(row, s) {
		f.state.Attempt++
		f.state.Supersedes = nil
		f.become(row, s)
		return
	}
	f.guarded(row, s)
}

// opens reports whether the signal begins a new attempt.
func (f *folding) opens(row Row, s *Signal) bool {
	return slices.Contains(row.OpensAfter, f.state.Status) && f.kind.later(s, f.last)
}

// guarded moves the state as the guards allow.
func (f *folding) guarded(row Row, s *Signal) {
	before, last := f.state.Status, f.last
	action := f.action(row)
	if action == keep {
		return
	}
	f.become(row, s)
	if action == repeal {
		f.state.Decision = nil
	}
	if action == set || before == row.Status {
		return
	}
	f.state.Supersedes = &Superseded{Status: before, Signal: last.ID}
	if action == change {
		f.anomaly(AnomalyDecisionChanged)
	}
	if f.kind.compareProvider(last, s) == 0 {
		f.anomaly(AnomalyOrderUnknown)
	}
}

// action looks the move up in the guards.
func (f *folding) action(row Row) move {
	var phase Phase
	if f.last != nil {
		phase = f.kind.phase(f.last)
	}
	return guards[classOf(f.state.Status, phase)][classOf(row.Status, row.Phase)]
}

// become takes over what the signal says.
func (f *folding) become(row Row, s *Signal) {
	st := &f.state
	st.Status, st.By, st.Preliminary, st.Reasons = row.Status, row.By, s.Preliminary, s.Reasons
	f.last = s
	if standing(row.Status) == decided {
		st.Decision = &Decision{Status: row.Status, Attempt: st.Attempt, By: row.By, At: s.At}
	}
}

// link takes over the references; the later signal's stand.
func (f *folding) link(s *Signal) {
	for _, ref := range []struct{ to, from *string }{
		{&f.state.Applicant, &s.Applicant},
		{&f.state.ExternalReference, &s.ExternalReference},
		{&f.state.PreviousReference, &s.PreviousReference},
	} {
		if *ref.from != "" {
			*ref.to = *ref.from
		}
	}
}

func (f *folding) anomaly(name string) { f.state.Anomalies = union(f.state.Anomalies, name) }

// deadline sets when the verification should be decided, and whether that has passed.
func (f *folding) deadline(set []Signal) {
	waits := !f.state.Status.Final()
	if len(f.kind.DeadlineFor) > 0 {
		waits = slices.Contains(f.kind.DeadlineFor, f.state.Status)
	}
	since := cmp.Or(f.last, f.first)
	if !waits || f.kind.Deadline == 0 || since == nil {
		return
	}
	due := since.At.Add(f.kind.Deadline).UTC()
	f.state.ReviewDueAt = &due
	f.state.Overdue = slices.ContainsFunc(set, func(s Signal) bool {
		return s.made() && s.Due != nil && s.Due.Equal(due)
	})
}

// anonymized sets whether personal data is left. What the provider has erased stays erased;
// what retention has erased ends with the next delivery.
func (f *folding) anonymized(set []Signal) {
	st := &f.state
	var newest uint64
	for i := range set {
		if !set[i].Disowned {
			newest = max(newest, set[i].Seq)
		}
		if set[i].made() {
			st.AnonymizedThrough = max(st.AnonymizedThrough, set[i].Through)
		}
	}
	if st.DataAnonymized {
		st.AnonymizedThrough = AllDeliveries
	}
	st.DataAnonymized = st.DataAnonymized || st.AnonymizedThrough > 0 && st.AnonymizedThrough >= newest
}

func (k *Kind) sorted(set []Signal) []Signal {
	signals := slices.Clone(set)
	slices.SortFunc(signals, func(a, b Signal) int { return k.Compare(&a, &b) })
	return signals
}

// applicant is the one that all signals of a verification must carry: that of the earliest.
func (k *Kind) applicant(set []Signal) string {
	if !k.OneApplicant {
		return ""
	}
	var first *Signal
	for i := range set {
		s := &set[i]
		if s.Applicant == "" || s.Disowned || s.made() {
			continue
		}
		if first == nil || s.Seq < first.Seq || s.Seq == first.Seq && s.ID < first.ID {
			first = s
		}
	}
	if first == nil {
		return ""
	}
	return first.Applicant
}
