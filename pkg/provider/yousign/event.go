package yousign

import (
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const identityDocumentDone = "verification.identity_document.done"

// events are the documented ones about identities (Yousign, API reference, webhook events).
var events = []provider.Event{
	{Name: identityDocumentDone},
	{Name: "verification.identity_video.done", Unhandled: true},
	{Name: "verification.bank_account.done", Unhandled: true},
	{Name: "verification.bank_account_connection.done", Unhandled: true},
	{Name: "verification.bank_account_lookup.done", Unhandled: true},
	{Name: "verification.company.done", Unhandled: true},
	{Name: "verification.watchlist.done", Unhandled: true},
	{Name: "verification.proof_of_address.done", Unhandled: true},
	{Name: "document_analysis.done", Unhandled: true},
	{Name: "workflow_session.started", Unhandled: true},
	{Name: "workflow_session.blocked", Unhandled: true},
	{Name: "workflow_session.done", Unhandled: true},
	{Name: "workflow_action_group.started", Unhandled: true},
	{Name: "workflow_action_group.blocked", Unhandled: true},
	{Name: "workflow_action_group.done", Unhandled: true},
	{Name: "applicant.notified", Unhandled: true},
	{Name: "applicant.processed", Unhandled: true},
	{Name: "applicant.session_blocked", Unhandled: true},
	{Name: "signer.identification_failed", Unhandled: true},
	{Name: "signer.identification_succeeded", Unhandled: true},
	{Name: "signer.identification_blocked", Unhandled: true},
	{Name: "signer.identification_expired", Unhandled: true},
}

// signing are the families of events about signatures. A signer's identification is not one
// of them, though its name begins alike.
var signing = []string{"signature_request.", "approver.", "electronic_seal.", "contact.", "user.", "signer."}

const identification = "signer.identification_"

func family(event string) provider.Family {
	foreign := slices.ContainsFunc(signing, func(prefix string) bool { return strings.HasPrefix(event, prefix) })
	if foreign && !strings.HasPrefix(event, identification) {
		return provider.FamilyForeign
	}
	return provider.FamilyVerification
}

// token is the name of the event for subjects.
func token(event string) string {
	known := provider.Provider{Events: events}
	return known.Token(event)
}

// envelope returns the fields around the data: those of `metadata`, and those of the body
// itself that `metadata` lacks.
func envelope(body provider.Object) provider.Object {
	metadata := body.Object("metadata")
	fields := provider.Object{}
	for _, field := range []string{"event_id", "event_name", "event_time", "sandbox"} {
		if fields[field] = metadata[field]; fields[field] == nil {
			fields[field] = body[field]
		}
	}
	return fields
}
