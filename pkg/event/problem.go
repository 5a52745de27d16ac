package event

// Problem is the answer to a refused delivery, as RFC 9457 describes it. A program branches on
// the cause, never on the texts.
type Problem struct {
	Type   string `json:"type"` // the cause as a URI
	Title  string `json:"title"`
	Status int    `json:"status"` // that of the answer
	Detail string `json:"detail"` // what to do about it; holds nothing of the request
	Cause  Cause  `json:"cause"`
}
