package kycaid

import (
	_ "embed" // The example is one of the samples.

	"github.com/verdict-stream/verdict/pkg/provider"
)

//go:embed samples/verification_completed.approved.json
var exampleBody []byte

var example = provider.Example{Event: "VERIFICATION_COMPLETED", Body: exampleBody}
