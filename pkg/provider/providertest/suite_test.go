package providertest

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// defect names the defect that a child process of this test has.
const defect = "PROVIDERTEST_DEFECT"

// defects are what can be wrong with a provider, by the check that must find it.
var defects = map[string][]func(*provider.Provider){
	"contract": {
		func(p *provider.Provider) { p.Budget = 0 },
		func(p *provider.Provider) { p.Name = "other" },
		func(p *provider.Provider) { p.RefusedStatus = 200 },
		func(p *provider.Provider) { p.Verify = nil },
		func(p *provider.Provider) { p.Events = append(slices.Clone(p.Events), p.Events[0]) },
		func(p *provider.Provider) { p.Kinds = append(slices.Clone(p.Kinds), p.Kinds[0]) },
		withRow(verification.Overdue),
		withRow(verification.Anonymized),
		withRow(verification.SaysNothing),
		withRow(verification.SaysUnknown),
	},
	"samples": {
		func(p *provider.Provider) {
			p.Events = append(slices.Clone(p.Events), provider.Event{Name: "without.sample"})
		},
		func(p *provider.Provider) { p.Example.Body = nil },
	},
	"scheme": {
		func(p *provider.Provider) { p.Scheme.Algorithm = provider.HMACSHA512 },
		func(p *provider.Provider) { p.Scheme.Encoding = provider.Base64 },
		func(p *provider.Provider) { p.Scheme.Field = "signature" },
		func(p *provider.Provider) { p.Scheme.Prefix = "" },
		func(p *provider.Provider) {
			p.Scheme.Messages = func(body []byte) [][]byte { return [][]byte{append(bytes.Clone(body), '\n')} }
		},
	},
	"valid": {
		verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
			receipt, err := verify(r)
			receipt.Secret++
			return receipt, err
		}),
		func(p *provider.Provider) { p.Example.Body = []byte(`{"event_name":"workflow_session.done"}`) },
	},
	"second_secret": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		r.Secrets = r.Secrets[:1]
		return verify(r)
	})},
	"wrong_secret": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		r.Secrets = append(slices.Clone(r.Secrets), secret)
		return verify(r)
	})},
	"flipped_byte": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		receipt, err := verify(r)
		if errors.Is(err, provider.ErrBadSignature) {
			r.Body = bytes.Clone(r.Body)
			r.Body[len(r.Body)-2] ^= 1
			return verify(r)
		}
		return receipt, err
	})},
	"spoilt_header": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		header := r.Header
		r.Header = func(name string) string { return strings.ToLower(header(name)) }
		return verify(r)
	})},
	"missing_header": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		receipt, err := verify(r)
		if errors.Is(err, provider.ErrMissingSignature) {
			err = provider.ErrBadSignature
		}
		return receipt, err
	})},
	"unknown_event": {verifying(func(verify verifier, r provider.Request) (provider.Receipt, error) {
		receipt, err := verify(r)
		if receipt.Event == provider.EventOther {
			receipt.Event = provider.Token(yousign.Provider.Example.Event)
		}
		return receipt, err
	})},
	"decode": {
		saying(func(_ provider.Object, e *provider.Element) { e.Signal.Decoder++ }),
		saying(func(_ provider.Object, e *provider.Element) {
			e.Signal.ID = verification.NewAnonymized(1, storyNow, false).ID
		}),
	},
	"schema": {saying(func(_ provider.Object, e *provider.Element) { e.Signal.Anomalies = []string{"odd"} })},
	"personal_data": {
		saying(func(o provider.Object, e *provider.Element) { e.Signal.Event = o.Text("subscription_description") }),
		saying(func(_ provider.Object, e *provider.Element) { e.Claims = nil }),
		func(p *provider.Provider) { p.WithoutClaims = true },
	},
	"unknown_value": {
		saying(func(_ provider.Object, e *provider.Element) { // an unknown value decides
			if e.Signal.Says == verification.SaysUnknown {
				e.Signal.Says, e.Unknown = approves, nil
			}
		}),
		saying(func(o provider.Object, e *provider.Element) { // so does a missing one
			if document(o)["status"] == nil {
				e.Signal.Says, e.Unknown = approves, nil
			}
		}),
		func(p *provider.Provider) { // nothing is read at all
			saying(func(_ provider.Object, e *provider.Element) { e.Signal.Says, e.Unknown = approves, nil })(p)
			p.Optional = nil
		},
		func(p *provider.Provider) { p.Optional = nil },
		func(p *provider.Provider) {
			p.Optional = append(slices.Clone(p.Optional), "data.identity_document.created_at")
		},
	},
	"bad_input": {func(p *provider.Provider) {
		decode := p.Decode
		p.Decode = func(d provider.Delivery) (provider.Decoded, error) {
			if bytes.HasPrefix(d.Body, []byte("null")) {
				return provider.Decoded{}, nil
			}
			return decode(d)
		}
	}},
	"fuzz": {func(p *provider.Provider) {
		decode := p.Decode
		p.Decode = func(d provider.Delivery) (provider.Decoded, error) {
			if bytes.Contains(d.Body, []byte(`\ud83d`)) {
				panic("half a character")
			}
			return decode(d)
		}
	}},
	"scenario": {
		func(p *provider.Provider) { p.Scenarios = nil },
		func(p *provider.Provider) {
			p.Scenarios = slices.Clone(p.Scenarios)
			p.Scenarios[0].Name = "Not Kebab"
		},
		func(p *provider.Provider) { p.Retries = provider.Retries{} },
		posting(func(d *provider.Posted) { d.Family = provider.FamilyForeign }),
		posting(func(d *provider.Posted) { d.Family = provider.FamilyUnsigned }),
		posting(func(d *provider.Posted) { d.Event = "nobody.listed" }),
	},
	"grid": {func(p *provider.Provider) {
		kind := *p.Kinds[0]
		kind.Table = slices.Clone(kind.Table)
		kind.Table[0].Status = verification.Expired
		p.Kinds = []*verification.Kind{&kind}
	}},
}

// approves is the row of the provider under test that approves.
const approves = "verified"

func document(body provider.Object) provider.Object {
	return body.Object("data").Object("identity_document")
}

// withRow gives the first kind one more row.
func withRow(says string) func(*provider.Provider) {
	return func(p *provider.Provider) {
		kind := *p.Kinds[0]
		kind.Table = append(slices.Clone(kind.Table), verification.Row{Says: says, Status: verification.Approved, Phase: verification.PhaseDecision})
		p.Kinds = []*verification.Kind{&kind}
	}
}

// posting changes the last webhook of the first scenario.
func posting(wrong func(*provider.Posted)) func(*provider.Provider) {
	return func(p *provider.Provider) {
		p.Scenarios = slices.Clone(p.Scenarios)
		makes := p.Scenarios[0].Make
		p.Scenarios[0].Make = func(r *rand.Rand, now time.Time) provider.Story {
			story := makes(r, now)
			wrong(&story.Deliveries[len(story.Deliveries)-1])
			return story
		}
	}
}

type verifier = func(provider.Request) (provider.Receipt, error)

func verifying(wrong func(verifier, provider.Request) (provider.Receipt, error)) func(*provider.Provider) {
	return func(p *provider.Provider) {
		verify := p.Verify
		p.Verify = func(r provider.Request) (provider.Receipt, error) { return wrong(verify, r) }
	}
}

func saying(wrong func(provider.Object, *provider.Element)) func(*provider.Provider) {
	return func(p *provider.Provider) {
		decode := p.Decode
		p.Decode = func(d provider.Delivery) (provider.Decoded, error) {
			decoded, err := decode(d)
			if body, parseErr := provider.ParseObject(d.Body); parseErr == nil {
				for i := range decoded.Elements {
					wrong(body, &decoded.Elements[i])
				}
			}
			return decoded, err
		}
	}
}

// Every check finds what is wrong. A check that must fail cannot be run in this process, so
// each defect has a process of its own, in which TestDefect fails.
func TestChecksFindDefects(t *testing.T) {
	var want []string
	for _, c := range checks {
		// No table breaks the law: it is the engine's, and holds for any table.
		if c.name != "law" {
			want = append(want, c.name)
		}
	}
	if diff := cmp.Diff(sorted(want), slices.Sorted(maps.Keys(defects))); diff != "" {
		t.Fatalf("checks and defects differ (-checks +defects):\n%s", diff)
	}
	for name, list := range defects {
		for i := range list {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^TestDefect$/^(contract|samples|"+name+")$")
				cmd.Env = append(os.Environ(), defect+"="+name+strings.Repeat("+", i))
				out, err := cmd.CombinedOutput()
				if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestDefect/"+name)) {
					t.Errorf("defect %d was not found: %v\n%s", i, err, out)
				}
				if name != "fuzz" && !bytes.Contains(out, []byte("=== ATTR  TestDefect/"+name+" "+attributeTodo+" ")) {
					t.Errorf("defect %d: nothing says what to do\n%s", i, out)
				}
			})
		}
	}
}

// TestDefect runs the suite over a provider with the defect that the process has, or over one
// without.
func TestDefect(t *testing.T) {
	p := yousign.Provider
	folder := "../" + p.Name
	name := os.Getenv(defect)
	if i := strings.Count(name, "+"); name != "" {
		defects[strings.TrimRight(name, "+")][i](&p)
		Run(t, p, folder)
		return
	}
	t.Run("none", func(t *testing.T) {
		s := suite{Provider: &p, folder: folder}
		s.contract(t)
		s.sampled(t)
	})
}

// A provider whose webhooks have no personal data says so, and passes.
func TestWithoutClaims(t *testing.T) {
	p := yousign.Provider
	saying(func(_ provider.Object, e *provider.Element) { e.Claims = nil })(&p)
	p.WithoutClaims = true
	s := suite{Provider: &p, folder: "../" + p.Name}
	s.sampled(t)
	s.personalData(t)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
