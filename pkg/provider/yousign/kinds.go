package yousign

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// decideWithin is how long a document may wait for its decision, or the end user for data.
const decideWithin = 24 * time.Hour

// What a webhook can say of a document, in Yousign's words.
const (
	saysPending      = "pending"
	saysAwaitingData = "awaiting_data"
	saysVerified     = "verified"
	saysFailed       = "failed"
	saysInconclusive = "inconclusive"
)

// identityDocument is the verification of one image of a document, under its id.
var identityDocument = &verification.Kind{
	Provider: name,
	Name:     "identity_document",
	Scope:    verification.Case,
	Order:    []verification.OrderField{verification.BySecond, verification.ByPhase},
	Table: []verification.Row{
		{Says: saysPending, Status: verification.Pending, Phase: verification.PhasePending},
		{Says: saysAwaitingData, Status: verification.Pending, Phase: verification.PhasePending},
		{Says: saysVerified, Status: verification.Approved, Phase: verification.PhaseDecision},
		{Says: saysFailed, Status: verification.Rejected, Phase: verification.PhaseDecision},
		{Says: saysInconclusive, Status: verification.Inconclusive, Phase: verification.PhaseDecision},
	},
	Deadline: decideWithin,
}

// statuses are the values of a document's status. The last two are the spellings of older
// documents.
var statuses = map[string]string{
	"pending":       saysPending,
	"awaiting_data": saysAwaitingData,
	"verified":      saysVerified,
	"failed":        saysFailed,
	"inconclusive":  saysInconclusive,
	"approved":      saysVerified,
	"declined":      saysFailed,
}
