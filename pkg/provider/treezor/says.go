package treezor

// What a webhook can say: the names of the rows in the tables of the kinds.
const (
	saysNone          = "none"
	saysPending       = "pending"
	saysInvestigating = "investigating"
	saysReviewOpen    = "review_open"
	saysReviewPending = "review_pending"
	saysValidated     = "validated"
	saysRefused       = "refused"
	saysClosed        = "closed"
	saysCanceled      = "canceled"

	saysProcessing = "processing"
	saysAccepted   = "accepted"

	saysStarted            = "started"
	saysCheckPending       = "check_pending"
	saysFraudPending       = "fraud_suspicion_pending"
	saysAborted            = "aborted"
	saysSuccess            = "success"
	saysSuccessDataChanged = "success_data_changed"
	saysFraudConfirmed     = "fraud_confirmed"
)

// request begins the name of a row for a request of a review.
const request = "request_"
