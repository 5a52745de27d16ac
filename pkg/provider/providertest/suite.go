// Package providertest is the suite that every provider's folder passes. It holds a folder to
// the contract of package provider with nothing but the folder's own samples:
//
//   - a sample is ./samples/<event token>.json or ./samples/<event token>.<variant>.json, one
//     webhook body as the provider documents it; every handled event has at least one;
//   - ./testdata/decode/<sample>.golden is what a sample says, ./testdata/grid/<kind>.golden
//     is the table of a kind; `verdict provider check --update` and `go test -update` write
//     them;
//   - every scenario comes to what it says, whatever way its deliveries come.
//
// The package defines the flag -update; a folder with golden files of its own uses [Golden].
package providertest

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification/verificationtest"
)

// check is one part of the suite, for readers of its result too.
type check struct {
	name string
	says string // what holds where it passes
	todo string // what to do where it does not
	run  func(*suite, *testing.T)
	// first checks are what the others build on: where one fails, the others are not run.
	first bool
}

// checks are all parts, in the order in which they are run.
var checks = []check{
	{
		"contract", "the provider is complete, and its names fit URLs, subjects and settings",
		"Fill in Provider; its fields are described in pkg/provider/provider.go.", (*suite).contract, true,
	},
	{
		"samples", "every handled event has a documented body in samples/",
		"Put one body as the provider documents it in samples/<event token>[.<variant>].json, with made-up persons.", (*suite).sampled, true,
	},
	{
		"scheme", "Scheme says what Sign and Verify do",
		"Scheme.Messages must be the bytes that are signed, and the other fields how the signature is written.", (*suite).scheme, false,
	},
	{"valid", "what the provider signs is accepted", "Verify must accept what Sign makes.", (*suite).validSignature, false},
	{"second_secret", "every active secret is tried", "Verify must try all of Secrets and return the position of the one that fits.", (*suite).secondSecret, false},
	{"wrong_secret", "no other secret is accepted", "Verify must return ErrBadSignature where no secret fits.", (*suite).wrongSecret, false},
	{"flipped_byte", "a change of any signed byte is refused", "The signature must be checked over the bytes as they were received.", (*suite).flippedByte, false},
	{"spoilt_header", "a header that is not exactly the signature is refused", "Compare the decoded signature as a whole, and accept one spelling.", (*suite).spoiltHeader, false},
	{"missing_header", "without a signature nothing is accepted", "Verify must return ErrMissingSignature.", (*suite).missingSignature, false},
	{"unknown_event", "an event that nobody listed is taken and decodes to nothing", "Name it EventOther; Decode must return ErrUnhandled for it and for events that are Unhandled.", (*suite).events, false},
	{"decode", "every sample says what its golden file says", "Write the golden files with -update, and read them: they are what Verdict will believe.", (*suite).decodes, false},
	{"schema", "what the samples make fits schemas/v1", "Codes and names from outside must go through verification.Code, references must not be empty.", (*suite).schema, false},
	{
		"personal_data", "personal data is in claims and nowhere else",
		"Free text must not enter a signal or an error: pass codes through verification.Code. Samples show claims, unless the provider says WithoutClaims.",
		(*suite).personalData, false,
	},
	{"bad_input", "every body has an outcome", "Decode must return a DecodeError or ErrUnhandled, and never panic.", (*suite).badInput, false},
	{
		"unknown_value", "an unknown value decides nothing",
		"Say SaysUnknown where a value is not listed; no default may be a decision. Name in Optional what the provider documents as possibly absent.",
		(*suite).unknownValues, false,
	},
	{"fuzz", "no damaged body makes trouble", "Neither Verify nor Decode may panic or accept what nobody signed.", (*suite).fuzz, false},
	{"scenario", "every scenario comes to what it says, in any order", "Expectations must be what the table of the kind comes to; Ordered where only arrival can tell.", (*suite).scenarios, false},
	{"grid", "the table of each kind is what its golden file says", "Write the golden files with -update, and read them: a changed grid is a changed behaviour.", (*suite).grids, false},
	{"law", "any order of processing comes to the same state", "Order must be the provider's own order of signals; see docs/design.md, the law.", (*suite).laws, false},
}

// The attributes under which a run tells what it checks, for programs that read its output:
// every check and what it says, and of a failed one what to do.
const (
	attributeCheck = "check/"
	attributeTodo  = "todo"
)

// Run holds the provider of a folder to the contract, with one subtest for each check.
func Run(t *testing.T, p provider.Provider, folder string) {
	for _, c := range checks {
		t.Attr(attributeCheck+c.name, c.says)
	}
	s := suite{Provider: &p, folder: folder}
	for _, c := range checks {
		passed := t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Attr(attributeTodo, c.todo)
				}
			})
			c.run(&s, t)
		})
		if c.first && !passed {
			return
		}
	}
}

// suite is one run over one provider.
type suite struct {
	*provider.Provider
	folder  string
	samples []sample
}

// grids compares the tables with the golden files.
func (s *suite) grids(t *testing.T) {
	for _, k := range s.Kinds {
		t.Run(k.Name, func(t *testing.T) { s.golden(t, "grid/"+k.Name, []byte(k.Grid())) })
	}
}

// laws tries the tables with random signals.
func (s *suite) laws(t *testing.T) {
	for _, k := range s.Kinds {
		t.Run(k.Name, func(t *testing.T) { verificationtest.Law(t, k) })
	}
}
