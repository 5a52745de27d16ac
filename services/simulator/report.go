package simulator

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Report is what a run came to.
type Report struct {
	Seed        uint64    `json:"seed"`
	Start       time.Time `json:"start"`
	Interrupted bool      `json:"interrupted"` // it ended early
	// Stories is how many were begun, Complete of how many every webhook was taken. Only
	// these are verified.
	Stories        int     `json:"stories"`
	Complete       int     `json:"complete"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	PerSecond      float64 `json:"sent_per_second"`
	Counts
	Latency  Latency   `json:"latency_ms"`
	Verified *Verified `json:"verified,omitempty"`
}

// Counts are requests, but for Failed.
type Counts struct {
	Sent      int `json:"sent"`
	Accepted  int `json:"accepted"`
	Duplicate int `json:"duplicate"`
	Ignored   int `json:"ignored"`
	Held      int `json:"held"`
	// Refused are those that were not taken, by cause; Forged.Refused are among them.
	Refused map[string]int `json:"refused"`
	Retried int            `json:"retried"`
	// Unexpected are those that were taken, and answered with something else than they must be.
	Unexpected int `json:"unexpected"`
	// Failed are webhooks that were given up.
	Failed int    `json:"failed"`
	Forged Forged `json:"bad_signatures"`
}

// Forged are the requests with a bad signature. None may be accepted.
type Forged struct {
	Sent int `json:"sent"`
	// Refused are those that were refused for their signature, with the provider's status.
	Refused int `json:"refused"`
	// RefusedOtherwise had another status or cause.
	RefusedOtherwise int `json:"refused_otherwise"`
	// Unanswered had no answer, or none but that the receiver cannot tell now.
	Unanswered int `json:"unanswered"`
	Accepted   int `json:"accepted"`
}

// Latency is how long the answers took, those of forged requests left out.
type Latency struct {
	P50  Milliseconds `json:"p50"`
	P90  Milliseconds `json:"p90"`
	P99  Milliseconds `json:"p99"`
	P999 Milliseconds `json:"p99.9"`
	Max  Milliseconds `json:"max"`
}

// Milliseconds is a duration that is written as a number of them.
type Milliseconds time.Duration

// MarshalJSON writes the number with three decimals.
func (m Milliseconds) MarshalJSON() ([]byte, error) { return []byte(m.decimal()), nil }

func (m Milliseconds) String() string { return m.decimal() + " ms" }

func (m Milliseconds) decimal() string {
	return strconv.FormatFloat(float64(m)/float64(time.Millisecond), 'f', 3, 64)
}

// report makes the report of what has been played.
func (s *simulation) report() *Report {
	counts, latency, elapsed := s.tally.snapshot()
	r := &Report{
		Seed: s.cfg.Seed, Start: s.cfg.Start, Counts: counts, Latency: latency,
		ElapsedSeconds: elapsed.Seconds(), PerSecond: float64(counts.Sent) / elapsed.Seconds(),
	}
	for _, missing := range s.missing {
		if missing < untouched {
			r.Stories++
		}
		if missing == 0 {
			r.Complete++
		}
	}
	return r
}

// Err says what in the run must not be, nil where all is well. A run that ended early can be
// well; one whose webhooks were given up cannot.
func (r *Report) Err() error {
	var errs []error
	if n := r.Forged.Accepted; n > 0 {
		errs = append(errs, fmt.Errorf("%d webhooks with a bad signature were accepted", n))
	}
	if n := r.Forged.RefusedOtherwise; n > 0 {
		errs = append(errs, fmt.Errorf("%d webhooks with a bad signature were refused with another status or cause", n))
	}
	if r.Unexpected > 0 {
		errs = append(errs, fmt.Errorf("%d webhooks were not answered with what they must be", r.Unexpected))
	}
	if r.Failed > 0 {
		errs = append(errs, fmt.Errorf("%d webhooks were given up", r.Failed))
	}
	if v := r.Verified; v != nil && v.Different > 0 {
		errs = append(errs, fmt.Errorf("%d verifications are not what they must be", v.Different))
	}
	return errors.Join(errs...)
}
