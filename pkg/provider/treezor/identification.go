package treezor

import (
	"cmp"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The fields of an identification.
const (
	fieldTransaction = "transactionNumber"
	fieldResult      = "result"
	fieldReason      = "reason"
	fieldDetails     = "reasonDetails"
)

// fraudConfirmed is the result that is its own reason.
const fraudConfirmed = "FRAUD_SUSPICION_CONFIRMED"

// results are the values of result, with the last part of the event's name that each comes
// under (Treezor, qualified eSignature events and video conference events). The table of the
// documents and their examples spell two of them differently.
var results = map[string]struct{ says, event string }{
	"START":                   {saysStarted, "created"},
	"STARTED":                 {saysStarted, "created"},
	"CHECK_PENDING":           {saysCheckPending, "processing"},
	"REVIEW_PENDING":          {saysReviewPending, "processing"},
	"FRAUD_SUSPICION_PENDING": {saysFraudPending, "processing"},
	"ABORTED":                 {saysAborted, "aborted"},
	"SUCCESS":                 {saysSuccess, "finalized"},
	"SUCCESS_DATA_CHANGE":     {saysSuccessDataChanged, "finalized"},
	"SUCCESS_DATA_CHANGED":    {saysSuccessDataChanged, "finalized"},
	fraudConfirmed:            {saysFraudConfirmed, "finalized"},
	"CANCELED":                {saysCanceled, "finalized"},
}

// decodeQES reads the events of an identification for a signature.
func decodeQES(w webhook) ([]provider.Element, error) { return decodeIdentification(w, &qes) }

// decodeVideoConference reads the events of an identification in a conference.
func decodeVideoConference(w webhook) ([]provider.Element, error) {
	return decodeIdentification(w, &videoConference)
}

func decodeIdentification(w webhook, k *verification.Kind) ([]provider.Element, error) {
	if err := w.requires(fieldTransaction, fieldResult); err != nil {
		return nil, err
	}
	reference, result := w.payload.Text(fieldTransaction), w.payload.Text(fieldResult)
	switch {
	case reference == "":
		return nil, noReference(fieldTransaction)
	case result == "":
		return nil, missing(fieldResult)
	}
	e := w.element(k, 0, reference, w.payload.Text(fieldUserID), payloadTime(w.payload, "identificationTime"))
	known, ok := results[result]
	switch {
	case !ok:
		e.Signal.Says, e.Unknown = verification.SaysUnknown, []string{fieldResult}
	case !strings.HasSuffix(w.name, "."+known.event):
		// Which results come under which event is not documented in full, and the name is not
		// signed: the result decides.
		e.Signal.Says, e.Signal.Anomalies = known.says, []string{verification.AnomalyEventMismatch}
	default:
		e.Signal.Says = known.says
	}
	e.Signal.Reasons = identificationReasons(result, w.payload.Object(fieldReason).Object(fieldDetails))
	e.Claims = identityClaims(w.payload.Object(fieldIdentity))
	return []provider.Element{e}, nil
}

// identificationReasons reads the reason of a result. The message is a code too, and the only
// one where the code is empty.
func identificationReasons(result string, details provider.Object) []verification.Reason {
	var list reasons
	if result == fraudConfirmed {
		list.add(result, fieldResult)
	}
	list.add(cmp.Or(details.Text("reasonCode"), details.Text("reasonMessage")), fieldDetails)
	return list
}
