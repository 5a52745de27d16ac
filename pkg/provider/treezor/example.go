package treezor

import (
	_ "embed" // The example is one of the samples.

	"github.com/verdict-stream/verdict/pkg/provider"
)

//go:embed samples/user_kycreview.validated.json
var exampleBody []byte

var example = provider.Example{Event: "user.kycreview", Body: exampleBody}
