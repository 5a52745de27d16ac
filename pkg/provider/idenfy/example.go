package idenfy

import (
	_ "embed" // The example is one of the samples.

	"github.com/verdict-stream/verdict/pkg/provider"
)

//go:embed samples/id_verification_auto_finish.approved.json
var exampleBody []byte

var example = provider.Example{Event: "ID VERIFICATION AUTO FINISH", Body: exampleBody}
