package verification_test

import (
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/pkg/verification/verificationtest"
)

// sample has every feature that a table can use.
var sample = &verification.Kind{
	Provider: "acme", Name: "check", Scope: verification.Case,
	Order:    []verification.OrderField{verification.BySecond, verification.ByPhase},
	Deadline: time.Hour, OneApplicant: true,
	Table: []verification.Row{
		{Says: "started", Status: verification.Pending, Phase: verification.PhasePending, OpensAfter: []verification.Status{verification.Abandoned}},
		{Says: "checking", Status: verification.Processing, Phase: verification.PhaseProcessing},
		{Says: "review", Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: "left", Status: verification.Abandoned, Phase: verification.PhaseEnded},
		{Says: "canceled", Status: verification.Canceled, Phase: verification.PhaseEnded},
		{Says: "yes", Status: verification.Approved, Phase: verification.PhaseDecision, By: verification.ByAutomation},
		{Says: "no", Status: verification.Rejected, Phase: verification.PhaseDecision, By: verification.ByAutomation},
		{Says: "human_yes", Status: verification.Approved, Phase: verification.PhaseHumanDecision, By: verification.ByHuman},
		{Says: "revoked", Status: verification.Canceled, Phase: verification.PhaseRevoked},
	},
}

func TestLaw(t *testing.T) {
	verificationtest.Law(t, sample)
	for _, order := range [][]verification.OrderField{
		{verification.ByAttempt, verification.ByPhase}, {verification.ByPhase}, {verification.ByPhase, verification.ByTime},
	} {
		other := *sample
		other.Order = order
		verificationtest.Law(t, &other)
	}
}

// noon is when things happen in tables.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
