package verification_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// A record that lost everything is made anew from the events alone.
func TestAdoptRebuilds(t *testing.T) {
	var record, rebuilt verification.Record
	set := told("started", "left", "started", "no", "yes")
	changes := apply(t, &record, set...)
	changes = append(changes, sample.Disown(&record, "s4", true, verification.Cause{ID: "d"}))
	for _, change := range changes {
		if err := sample.Adopt(&rebuilt, *change); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(record, rebuilt, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("records differ (-kept +rebuilt):\n%s", diff)
	}
	// Reading the stream twice is harmless.
	for _, change := range changes {
		if err := sample.Adopt(&rebuilt, *change); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(record, rebuilt, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("records differ after a second reading (-kept +rebuilt):\n%s", diff)
	}
	if again := sample.Reannounce(&rebuilt); len(again) != 0 {
		t.Errorf("announced again: %+v", again)
	}
}

// Two records went different ways; the one whose events are in the stream is right, and the
// other announces again what the stream does not have, behind it.
func TestAdoptAndReannounce(t *testing.T) {
	set := told("started", "review", "yes", "noted")
	var published, ours verification.Record
	stream := apply(t, &published, set[0], set[2])
	apply(t, &ours, set[0], set[1], set[3])
	ours.Retract(2) // versions 2 and 3 never got into the stream
	for _, change := range stream {
		if err := sample.Adopt(&ours, *change); err != nil {
			t.Fatal(err)
		}
	}
	if ours.Version != 2 || ours.State.Status != verification.Approved {
		t.Fatalf("the record is at version %d, %s", ours.Version, ours.State.Status)
	}
	again := sample.Reannounce(&ours)
	var signals []string
	for i, change := range again {
		signals = append(signals, change.Signal.ID)
		if change.Version != i+3 || change.Event != "noted" || change.PreviousStatus != verification.Approved {
			t.Errorf("announced as version %d, %s after %s", change.Version, change.Event, change.PreviousStatus)
		}
	}
	if diff := cmp.Diff([]string{"s1", "s3"}, signals); diff != "" {
		t.Errorf("announced again (-want +got):\n%s", diff)
	}
	if len(sample.Reannounce(&ours)) != 0 {
		t.Error("announced a third time")
	}
}

// Without Retract a version of ours that the stream gives to another signal is lost to it.
func TestAdoptTakesVersions(t *testing.T) {
	set := told("started", "review")
	var published, ours verification.Record
	stream := apply(t, &published, set[0])
	apply(t, &ours, set[1])
	if err := sample.Adopt(&ours, *stream[0]); err != nil {
		t.Fatal(err)
	}
	again := sample.Reannounce(&ours)
	if len(again) != 1 || again[0].Signal.ID != "s1" || again[0].Version != 2 || again[0].Event != "awaiting_review" {
		t.Errorf("announced again: %+v", again)
	}
}

// An event that is older than what the record knows of a signal changes nothing.
func TestAdoptOlderEvent(t *testing.T) {
	var record verification.Record
	set := told("no@0", "yes@0")
	set[0].Seq = 5
	first := apply(t, &record, set...)[0]
	earlier := set[0]
	earlier.Seq = 1
	apply(t, &record, earlier)
	before := record
	before.Signals = slices.Clone(record.Signals)
	if err := sample.Adopt(&record, *first); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, record, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("record differs (-before +after):\n%s", diff)
	}
}

func TestRetract(t *testing.T) {
	var record verification.Record
	apply(t, &record, told("started", "review", "yes")...)
	record.Retract(4)
	if record.Version != 3 {
		t.Errorf("a version that is not there was retracted: %d", record.Version)
	}
	record.Retract(2)
	got := []int{record.Signals[0].Version, record.Signals[1].Version, record.Signals[2].Version, record.Version}
	if diff := cmp.Diff([]int{1, 0, 0, 1}, got); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
}

func TestDeadlinePassesOnce(t *testing.T) {
	var record verification.Record
	made := verification.NewOverdue(noon, noon, false)
	changes := apply(t, &record, append(told("started"), made)...)
	var rebuilt verification.Record
	for _, change := range changes {
		if err := sample.Adopt(&rebuilt, *change); err != nil {
			t.Fatal(err)
		}
	}
	// The deadline passes only once, though the new record looks at the clock again.
	if change := apply(t, &rebuilt, verification.NewOverdue(noon, noon.Add(time.Hour), false))[0]; change != nil {
		t.Errorf("the deadline passed again: %+v", change)
	}
}
