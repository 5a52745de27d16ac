package yousign

import (
	_ "embed" // The example is one of the samples.

	"github.com/verdict-stream/verdict/pkg/provider"
)

//go:embed samples/verification_identity_document_done.verified.json
var exampleBody []byte

var example = provider.Example{Event: "verification.identity_document.done", Body: exampleBody}
