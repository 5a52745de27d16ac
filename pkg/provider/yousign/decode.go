package yousign

import (
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// decoderVersion is raised when a body comes to another signal than before.
const decoderVersion = 1

// decode reads the one document that a webhook tells of. It returns provider.ErrUnhandled for
// every other event and a provider.DecodeError for a body that is no JSON object, names
// another event than it was received under, or has no document with an id.
func decode(d provider.Delivery) (provider.Decoded, error) {
	body, err := provider.ParseObject(d.Body)
	if err != nil {
		return provider.Decoded{}, err
	}
	fields := envelope(body)
	if d.Event == provider.EventUndecodable {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingField, Detail: "event_name is missing"}
	}
	if d.Event != token(identityDocumentDone) {
		return provider.Decoded{}, provider.ErrUnhandled
	}
	if fields.Text("event_name") != identityDocumentDone {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseEventMismatch, Detail: "event_name is not the event that was received"}
	}
	document := body.Object("data").Object("identity_document")
	reference := document.Text("id")
	if reference == "" {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingReference, Detail: "data.identity_document has no id"}
	}
	signal, unknown := read(fields, document)
	signal.ID = provider.SignalID(d.Body, 0)
	signal.Event = d.Event
	return provider.Decoded{Elements: []provider.Element{{
		Kind:      identityDocument.Name,
		Reference: reference,
		Signal:    signal,
		Claims:    claims(document),
		Unknown:   unknown,
	}}}, nil
}

// read reads what a webhook says of a document, and the fields with a value that Yousign's
// documents do not list. Where it cannot be told whether the webhook comes from the sandbox,
// it decides nothing.
func read(fields, document provider.Object) (verification.Signal, []string) {
	var unknown []string
	says, known := statuses[document.Text("status")]
	if !known {
		says = verification.SaysUnknown
		unknown = append(unknown, "status")
	}
	sandbox, known := flag(fields, "sandbox")
	if !known {
		says = verification.SaysUnknown
		unknown = append(unknown, "sandbox")
	}
	anonymized, known := flag(document, "data_anonymized")
	if !known {
		unknown = append(unknown, "data_anonymized")
	}
	reasons, known := reasons(document)
	if !known {
		unknown = append(unknown, statusCodes)
	}
	signal := verification.Signal{
		Says:              says,
		Reasons:           reasons,
		Applicant:         document.Text("applicant_id"),
		PreviousReference: document.Text("previous_attempt_id"),
		Sandbox:           sandbox,
		Anonymized:        anonymized,
		Decoder:           decoderVersion,
	}
	if len(unknown) > 0 {
		signal.Anomalies = []string{verification.AnomalyUnknownValue}
	}
	if at, ok := fields.Seconds("event_time"); ok {
		signal.At = at
	}
	return signal, unknown
}

// flag returns a boolean that is false when absent; known tells whether it was readable.
func flag(o provider.Object, field string) (value, known bool) {
	if o[field] == nil {
		return false, true
	}
	b := o.Bool(field)
	return b != nil && *b, b != nil
}
