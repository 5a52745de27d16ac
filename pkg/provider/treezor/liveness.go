package treezor

import (
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The fields of a live verification.
const (
	fieldLivenessStatus = "kyc-status"
	fieldScore          = "score"
	fieldRefusal        = "refusal-details"
	fieldIdentity       = "identity"
)

// decodeLiveness reads kycliveness.create and update. The payload has no id of the
// verification, so the object's id in the envelope stands for it.
func decodeLiveness(w webhook) ([]provider.Element, error) {
	if err := w.requires(fieldLivenessStatus); err != nil {
		return nil, err
	}
	reference := w.flat.Text(fieldObjectID)
	if reference == "" {
		return nil, noReference(fieldObjectID)
	}
	at := payloadTime(w.payload, "updated-at", "started-at")
	e := w.element(&liveness, 0, reference, w.payload.Text("user_id"), at)
	switch w.payload.Text(fieldLivenessStatus) {
	case "":
		return nil, missing(fieldLivenessStatus)
	case "processing":
		e.Signal.Says = saysProcessing
	case "processed":
		e.Signal.Says = outcome(w.payload)
		if e.Signal.Says == verification.SaysUnknown {
			e.Unknown = []string{fieldScore}
		}
	default:
		e.Signal.Says, e.Unknown = verification.SaysUnknown, []string{fieldLivenessStatus}
	}
	e.Signal.Reasons = refusals(w.payload.Object(fieldRefusal))
	e.Claims = livenessClaims(w.payload.Object(fieldIdentity))
	return []provider.Element{e}, nil
}

// outcome is what a processed verification came to: details of a refusal refuse, whatever the
// score is.
func outcome(payload provider.Object) string {
	score, ok := payload.Int(fieldScore)
	switch {
	case refused(payload[fieldRefusal]) || ok && score == 0:
		return saysRefused
	case ok && score == 1:
		return saysAccepted
	default:
		return verification.SaysUnknown
	}
}

// refused reports whether there are details of a refusal. PHP writes nothing as an empty list
// or text, and a list of reasons may be there and empty.
func refused(details any) bool {
	switch v := details.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		reasons, listed := v["reasons"].([]any)
		return len(reasons) > 0 || !listed && len(v) > 0
	default:
		return true
	}
}

// refusals reads the codes of a refusal; the messages are free text.
func refusals(details provider.Object) []verification.Reason {
	var list reasons
	for _, reason := range details.Objects("reasons") {
		list.add(reason.Text("reason-code"), fieldRefusal)
	}
	return list
}
