package idenfy

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// reviewWithin is how long a manual review takes at most, from the finish of the automated
// one. iDenfy promises minutes.
const reviewWithin = 20 * time.Minute

// What a callback can say.
const (
	saysActive          = "active"
	saysReviewing       = "reviewing"
	saysPreliminary     = "preliminary"
	saysCanceled        = "canceled"
	saysExpired         = "expired"
	saysAutoApproved    = "auto_approved"
	saysAutoRejected    = "auto_rejected"
	saysAutoSuspected   = "auto_suspected"
	saysManualApproved  = "manual_approved"
	saysManualRejected  = "manual_rejected"
	saysManualSuspected = "manual_suspected"
)

// afterDenial are the statuses after which the end user may try again under the same scanRef
// (iDenfy, re-attempts and retries). Only the automation begins an attempt.
var afterDenial = []verification.Status{verification.Rejected}

// idVerification is one verification of a person, under its scanRef.
var idVerification = &verification.Kind{
	Provider: name,
	Name:     "id_verification",
	Scope:    verification.Case,
	Order:    []verification.OrderField{verification.ByAttempt, verification.ByPhase},
	Table: []verification.Row{
		{Says: saysActive, Status: verification.Pending, Phase: verification.PhasePending},
		{Says: saysReviewing, Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: saysPreliminary, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: afterDenial},
		{Says: saysCanceled, Status: verification.Canceled, Phase: verification.PhaseEnded},
		{Says: saysExpired, Status: verification.Expired, Phase: verification.PhaseEnded},
		{Says: saysAutoApproved, Status: verification.Approved, By: verification.ByAutomation, Phase: verification.PhaseDecision, OpensAfter: afterDenial},
		{Says: saysAutoRejected, Status: verification.Rejected, By: verification.ByAutomation, Phase: verification.PhaseDecision, OpensAfter: afterDenial},
		{Says: saysAutoSuspected, Status: verification.Suspected, By: verification.ByAutomation, Phase: verification.PhaseDecision, OpensAfter: afterDenial},
		{Says: saysManualApproved, Status: verification.Approved, By: verification.ByHuman, Phase: verification.PhaseHumanDecision},
		{Says: saysManualRejected, Status: verification.Rejected, By: verification.ByHuman, Phase: verification.PhaseHumanDecision},
		{Says: saysManualSuspected, Status: verification.Suspected, By: verification.ByHuman, Phase: verification.PhaseHumanDecision},
	},
	Deadline:    reviewWithin,
	DeadlineFor: []verification.Status{verification.AwaitingReview},
}

// overall is one value of status.overall: what it says without a human, what with one, and
// the opinion that it is while a review is pending.
type overall struct {
	auto, manual string
	opinion      verification.Status
}

// overalls are the values of status.overall. A value that is no decision says the same
// whoever was at work.
var overalls = map[string]overall{
	"APPROVED":        {saysAutoApproved, saysManualApproved, verification.Approved},
	"DENIED":          {saysAutoRejected, saysManualRejected, verification.Rejected},
	"SUSPECTED":       {saysAutoSuspected, saysManualSuspected, verification.Suspected},
	"REVIEWING":       {saysReviewing, saysReviewing, verification.AwaitingReview},
	"ACTIVE":          {saysActive, saysActive, verification.Pending},
	"EXPIRED":         {saysExpired, saysExpired, verification.Expired},
	"EXPIRED-DELETED": {saysExpired, saysExpired, verification.Expired},
	"DELETED":         {verification.SaysNothing, verification.SaysNothing, ""},
	"ARCHIVED":        {verification.SaysNothing, verification.SaysNothing, ""},
}
