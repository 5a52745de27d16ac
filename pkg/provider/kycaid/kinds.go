package kycaid

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// What a callback can say of a form's verification.
const (
	saysUnused    = "unused"
	saysPending   = "pending"
	saysUndecided = "undecided"
	saysApproved  = "approved"
	saysDeclined  = "declined"
)

// formVerification is one run of an applicant through a form. The callbacks have no time:
// the phase orders them, then their arrival.
var formVerification = verification.Kind{
	Provider: "kycaid",
	Name:     "form_verification",
	Scope:    verification.Case,
	Order:    []verification.OrderField{verification.ByPhase},
	Deadline: 24 * time.Hour,
	Table: []verification.Row{
		{Says: saysUnused, Status: verification.Pending, Phase: verification.PhasePending},
		{Says: saysPending, Status: verification.Processing, Phase: verification.PhaseProcessing},
		{Says: saysUndecided, Status: verification.Processing, Phase: verification.PhaseProcessing},
		{Says: saysApproved, Status: verification.Approved, Phase: verification.PhaseDecision},
		{Says: saysDeclined, Status: verification.Rejected, Phase: verification.PhaseDecision},
	},
}
