package kycaid

import (
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// status is what a callback says of a verification.
type status struct {
	says      string
	completed bool
	unknown   string // the field whose value is not known
}

// statusOf reads the status and the decision. The status is called `status` in one callback
// and `verification_status` in the other; either is read in both. It returns a DecodeError
// where there is none.
func statusOf(name string, body provider.Object) (status, error) {
	fields := []string{"status", "verification_status"}
	if name == eventStatusChanged {
		fields = []string{"verification_status", "status"}
	}
	for _, field := range fields {
		switch body.Text(field) {
		case "":
			continue
		case "unused":
			return status{says: saysUnused}, nil
		case "pending":
			return status{says: saysPending}, nil
		case "completed":
			return decision(body), nil
		default:
			return status{says: verification.SaysUnknown, unknown: field}, nil
		}
	}
	return status{}, &provider.DecodeError{Cause: provider.CauseMissingField, Detail: fields[0] + " is missing"}
}

// decision reads `verified`: a boolean by the example, a text by the schema, null or absent
// where nothing is decided.
func decision(body provider.Object) status {
	switch verified := body.Bool("verified"); {
	case verified != nil && *verified:
		return status{says: saysApproved, completed: true}
	case verified != nil:
		return status{says: saysDeclined, completed: true}
	case body["verified"] == nil:
		return status{says: saysUndecided, completed: true}
	default:
		return status{says: saysUndecided, completed: true, unknown: "verified"}
	}
}
