package treezor

import (
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The fields of a document.
const (
	fieldDocuments      = "documents"
	fieldDocumentID     = "documentId"
	fieldDocumentStatus = "documentStatus"
)

// documentStatuses are the values of documentStatus (Treezor API, document). The name of the
// event tells nothing: a document can be created as validated.
var documentStatuses = map[string]string{
	"PENDING":   saysPending,
	"VALIDATED": saysValidated,
	"REFUSED":   saysRefused,
	"CANCELED":  saysCanceled,
}

// decodeDocuments reads document.create, update and cancel: one signal for each document.
func decodeDocuments(w webhook) ([]provider.Element, error) {
	documents, err := w.list(fieldDocuments, fieldDocumentID)
	if err != nil {
		return nil, err
	}
	elements := make([]provider.Element, len(documents))
	for i, d := range documents {
		id, status := d.Text(fieldDocumentID), d.Text(fieldDocumentStatus)
		switch {
		case id == "":
			return nil, noReference(fieldDocumentID)
		case status == "":
			return nil, missing(fieldDocumentStatus)
		}
		e := w.element(&document, i, id, d.Text(fieldUserID), payloadTime(d, "modifiedDate", "createdDate"))
		says, known := documentStatuses[status]
		if !known {
			says, e.Unknown = verification.SaysUnknown, []string{fieldDocumentStatus}
		}
		e.Signal.Says = says
		e.Claims = documentClaims(d)
		elements[i] = e
	}
	return elements, nil
}
