package projector

import "fmt"

// The names of the webhooks in these tests, in the spelling of their providers.
const (
	autoFinish   = "ID VERIFICATION AUTO FINISH"
	manualFinish = "ID VERIFICATION MANUAL FINISH"
	liveness     = "kycliveness.update"
	documentDone = "verification.identity_document.done"
)

// scan is the body of an iDenfy callback about one person. A scan that is not final waits for a human.
func scan(reference string, final bool, finished int, overall, givenName string) string {
	return fmt.Sprintf(`{"final":%t,"scanRef":%q,"clientId":"client-1","startTime":1790000000,"finishTime":%d,`+
		`"status":{"overall":%q},"data":{"docFirstName":%q,"docLastName":"Quill","docDob":"1989-00-00"}}`,
		final, reference, 1790000000+finished, overall, givenName)
}

// scanOfNobody is an iDenfy callback that tells nothing of the person.
func scanOfNobody(reference string, finished int, overall string) string {
	return fmt.Sprintf(`{"final":true,"scanRef":%q,"startTime":1790000000,"finishTime":%d,"status":{"overall":%q},"data":{}}`,
		reference, 1790000000+finished, overall)
}

// live is the body of a Treezor webhook about a live verification, second seconds after the first.
func live(reference string, second int, user, givenName string) string {
	return fmt.Sprintf(`{"webhook":"kycliveness.update","object":"identification","object_id":%q,"object_payload":{`+
		`"updated-at":"2026-04-11T07:21:%02d.000000Z","kyc-status":"processed","score":1,"user_id":%q,`+
		`"identity":{"first-name":%q,"last-name":"Quill"}}}`, reference, second, user, givenName)
}

// document is the body of a Yousign webhook about an identity document.
func document(reference, status string, sandbox, anonymized bool) string {
	return fmt.Sprintf(`{"event_name":"verification.identity_document.done","event_time":"1790604900","sandbox":%t,`+
		`"data":{"identity_document":{"id":%q,"status":%q,"status_codes":[],"data_anonymized":%t}}}`,
		sandbox, reference, status, anonymized)
}
