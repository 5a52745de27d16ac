package verification

// What two records of one verification can differ in.
const (
	DiffersMissing  = "missing"   // one of them is not there
	DiffersVersion  = "version"   // they were announced up to different versions
	DiffersState    = "state"     // their last events say different things
	DiffersSignals  = "signals"   // one has signals that the other has not
	DiffersAnnounce = "announced" // a signal was announced under different versions
	DiffersContent  = "content"   // a signal says different things
)

// Join completes a record that was made from the events of the stream with what only the record that was kept knows: the copies of its
// signals that made no event, and, where the stream was trimmed, the signals whose events it does not hold any more. It returns how the
// two differ then; nothing, where the kept record is what the stream says. carried reports whether signals were taken over for the trim.
func (r *Record) Join(kept *Record, trimmed bool) (differs []string, carried bool) {
	if r.Version == 0 && kept.Version > 0 && trimmed {
		*r = *kept
		return nil, true
	}
	if (r.Version == 0) != (kept.Version == 0) {
		return []string{DiffersMissing}, false
	}
	first := r.firstVersion()
	found := map[string]bool{}
	note := func(what string) { differs = union(differs, what) }
	for i := range kept.Signals {
		theirs := &kept.Signals[i]
		j := r.index(theirs.ID)
		switch {
		case j >= 0:
			found[theirs.ID] = true
			if what := r.Signals[j].join(theirs); what != "" {
				note(what)
			}
		case trimmed && theirs.Version < first:
			r.Signals = append(r.Signals, *theirs)
			found[theirs.ID], carried = true, true
		default:
			note(DiffersSignals)
		}
	}
	for i := range r.Signals {
		if !found[r.Signals[i].ID] {
			note(DiffersSignals)
		}
	}
	if r.Version != kept.Version {
		note(DiffersVersion)
	}
	if !r.State.Equal(kept.State) {
		note(DiffersState)
	}
	return differs, carried
}

// join takes over what the other entry of the signal knows of its copies, and returns what differs then.
func (e *Entry) join(o *Entry) string {
	merged, err := merge(e.Signal, o.Signal)
	if err != nil {
		return DiffersContent
	}
	e.Signal = merged
	switch {
	case e.Version != o.Version || e.Cause != o.Cause:
		return DiffersAnnounce
	case !equalJSON(e.Signal, o.Signal):
		return DiffersContent
	default:
		return ""
	}
}

// firstVersion is the least version that announced one of the record's signals.
func (r *Record) firstVersion() int {
	first := r.Version
	for i := range r.Signals {
		first = min(first, r.Signals[i].Version)
	}
	return first
}
