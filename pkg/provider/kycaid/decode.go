package kycaid

import (
	"cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// decoderVersion rises with every change of what the decoder reads from a body.
const decoderVersion = 1

// decode reads the one signal of a callback. All of the body is signed, so its own name
// decides what it is. Errors are ErrUnhandled and DecodeError.
func decode(d provider.Delivery) (provider.Decoded, error) {
	if unhandled(d.Event) {
		return provider.Decoded{}, provider.ErrUnhandled
	}
	body, err := provider.ParseObject(d.Body)
	if err != nil {
		return provider.Decoded{}, err
	}
	name := body.Text("type")
	switch name {
	case eventCompleted, eventStatusChanged:
	case "":
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingField, Detail: "type is missing"}
	default:
		return provider.Decoded{}, provider.ErrUnhandled
	}
	element, err := element(name, body, d.Body)
	if err != nil {
		return provider.Decoded{}, err
	}
	return provider.Decoded{Elements: []provider.Element{element}}, nil
}

func element(name string, body provider.Object, signed []byte) (provider.Element, error) {
	said, err := statusOf(name, body)
	if err != nil {
		return provider.Element{}, err
	}
	ref, err := reference(body, said.completed)
	if err != nil {
		return provider.Element{}, err
	}
	e := provider.Element{
		Kind:      formVerification.Name,
		Reference: ref,

		ReferenceIsApplicant: body.Text("verification_id") == "",
		Signal: verification.Signal{
			ID:        provider.SignalID(signed, 0),
			Event:     token(name),
			Says:      said.says,
			Reasons:   reasons(body.Object("verifications")),
			Applicant: body.Text("applicant_id"),
			ExternalReference: cmp.Or(
				body.Text("external_applicant_id"),
				body.Object("applicant").Text("external_applicant_id")),
			Decoder: decoderVersion,
		},
		Claims: claims(body.Object("applicant")),
	}
	if said.unknown != "" {
		e.Unknown = []string{said.unknown}
		e.Signal.Anomalies = []string{verification.AnomalyUnknownValue}
	}
	return e, nil
}

// reference is the verification's id. It is null where a verification was made without a
// form's link; the applicant then stands for it, and only what is completed is tracked: the
// steps before cannot be told apart.
func reference(body provider.Object, completed bool) (string, error) {
	if id := body.Text("verification_id"); id != "" {
		return id, nil
	}
	applicant := body.Text("applicant_id")
	switch {
	case applicant == "":
		return "", &provider.DecodeError{
			Cause:  provider.CauseMissingReference,
			Detail: "verification_id and applicant_id are missing",
		}
	case !completed:
		return "", provider.ErrUnhandled
	default:
		return "applicant:" + applicant, nil
	}
}
