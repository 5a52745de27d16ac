package treezor

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// bySecond orders the webhooks of everything but documents: webhook_created_at is documented
// down to a ten-thousandth of a second, and is not that exact.
var bySecond = []verification.OrderField{verification.BySecond, verification.ByPhase}

// reopening are the decisions after which a later request begins a new review.
var reopening = []verification.Status{verification.Approved, verification.Rejected}

// kycReview is Treezor's decision about a user, taken by its staff. The numbers are those of
// kycReview; requests have rows of their own, as only they can begin a review after a
// decision.
var kycReview = verification.Kind{
	Provider: providerName, Name: "kyc_review", Scope: verification.Case,
	Order: bySecond, Deadline: 72 * time.Hour, OneApplicant: true,
	Table: []verification.Row{
		{Says: saysNone, Status: verification.Pending, Phase: verification.PhasePending},
		{Says: saysPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: saysInvestigating, Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: saysReviewOpen, Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: saysReviewPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview},
		{Says: request + saysNone, Status: verification.Pending, Phase: verification.PhasePending, OpensAfter: reopening},
		{Says: request + saysPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: reopening},
		{Says: request + saysInvestigating, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: reopening},
		{Says: request + saysReviewOpen, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: reopening},
		{Says: request + saysReviewPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: reopening},
		{Says: saysClosed, Status: verification.Canceled, Phase: verification.PhaseEnded},
		{Says: saysValidated, Status: verification.Approved, By: verification.ByHuman, Phase: verification.PhaseHumanDecision},
		{Says: saysRefused, Status: verification.Rejected, By: verification.ByHuman, Phase: verification.PhaseHumanDecision},
	},
}

// document is one document of a user. Its times are often those of the document and not of
// the webhook, so the phase comes first; CANCELED means that the document was deleted and
// takes back what was decided.
var document = verification.Kind{
	Provider: providerName, Name: "document", Scope: verification.Step,
	Order:        []verification.OrderField{verification.ByPhase, verification.ByTime},
	OneApplicant: true,
	Table: []verification.Row{
		{Says: saysPending, Status: verification.Processing, Phase: verification.PhaseProcessing},
		{Says: saysValidated, Status: verification.Approved, Phase: verification.PhaseDecision},
		{Says: saysRefused, Status: verification.Rejected, Phase: verification.PhaseDecision},
		{Says: saysCanceled, Status: verification.Canceled, Phase: verification.PhaseRevoked},
	},
}

// liveness is one run of the live verification.
var liveness = verification.Kind{
	Provider: providerName, Name: "liveness", Scope: verification.Step,
	Order: bySecond, Deadline: time.Hour, OneApplicant: true,
	Table: []verification.Row{
		{Says: saysProcessing, Status: verification.Processing, Phase: verification.PhaseProcessing},
		{Says: saysAccepted, Status: verification.Approved, Phase: verification.PhaseDecision},
		{Says: saysRefused, Status: verification.Rejected, Phase: verification.PhaseDecision},
	},
}

// qes is one identification for a qualified electronic signature.
var qes = verification.Kind{
	Provider: providerName, Name: "qes", Scope: verification.Step,
	Order: bySecond, Deadline: 24 * time.Hour, OneApplicant: true,
	Table: identification,
}

// videoConference is one identification in a video conference.
var videoConference = verification.Kind{
	Provider: providerName, Name: "video_conference", Scope: verification.Step,
	Order: bySecond, Deadline: 24 * time.Hour, OneApplicant: true,
	Table: identification,
}

// retrying is the status after which anything later belongs to the next attempt of the user.
var retrying = []verification.Status{verification.Abandoned}

// identification is the table of both kinds of identification.
var identification = []verification.Row{
	{Says: saysStarted, Status: verification.Pending, Phase: verification.PhasePending, OpensAfter: retrying},
	{Says: saysCheckPending, Status: verification.Processing, Phase: verification.PhaseProcessing, OpensAfter: retrying},
	{Says: saysReviewPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: retrying},
	{Says: saysFraudPending, Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: retrying},
	{Says: saysAborted, Status: verification.Abandoned, Phase: verification.PhaseEnded, OpensAfter: retrying},
	{Says: saysCanceled, Status: verification.Canceled, Phase: verification.PhaseEnded, OpensAfter: retrying},
	{Says: saysSuccess, Status: verification.Approved, Phase: verification.PhaseDecision, OpensAfter: retrying},
	{Says: saysSuccessDataChanged, Status: verification.Approved, Phase: verification.PhaseDecision, OpensAfter: retrying, Anomaly: verification.AnomalyDataChanged},
	{Says: saysFraudConfirmed, Status: verification.Rejected, Phase: verification.PhaseDecision, OpensAfter: retrying},
}
