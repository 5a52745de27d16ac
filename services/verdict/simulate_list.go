package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/simulator"
)

// listedScenario is a scenario as the list shows it: what one story of it is.
type listedScenario struct {
	Provider string           `json:"provider"`
	Name     string           `json:"name"`
	Events   []string         `json:"events"`
	Answers  []string         `json:"answers"` // what each event must be answered with
	Ordered  bool             `json:"ordered"` // whether only the order of arrival decides
	Comes    []listedOutcomes `json:"comes_to"`
}

type listedOutcomes struct {
	Kind    string              `json:"kind"`
	Status  verification.Status `json:"status"`
	Attempt int                 `json:"attempt"`
	Sandbox bool                `json:"sandbox"`
}

// answers are the receiver's to the webhooks of stories.
var answers = map[provider.Family]string{
	provider.FamilyVerification: answerAccepted, provider.FamilyForeign: answerIgnored, provider.FamilyUnsigned: answerHeld,
}

// writeScenarios prints the scenarios of the players.
func writeScenarios(out io.Writer, players []simulator.Player, asJSON bool) error {
	var list []listedScenario
	for _, p := range players {
		for _, s := range p.Scenarios {
			story := s.Make(rand.New(rand.NewPCG(0, 0)), time.Now())
			one := listedScenario{Provider: p.Provider.Name, Name: s.Name, Ordered: story.Ordered}
			for _, d := range story.Deliveries {
				one.Events = append(one.Events, d.Event)
				one.Answers = append(one.Answers, answers[d.Family])
			}
			for _, w := range story.Want {
				one.Comes = append(one.Comes, listedOutcomes{w.Kind, w.Status, w.Attempt, w.Sandbox})
			}
			list = append(list, one)
		}
	}
	if asJSON {
		return writeIndented(out, list)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROVIDER\tSCENARIO\tCOMES TO\tWEBHOOKS")
	for _, s := range list {
		var ends []string
		for _, c := range s.Comes {
			ends = append(ends, c.Kind+" "+string(c.Status))
		}
		var events []string
		for i, event := range s.Events {
			if answer := s.Answers[i]; answer != answerAccepted {
				event += " (" + answer + ")"
			}
			events = append(events, event)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Provider, s.Name, strings.Join(ends, ", "), strings.Join(events, ", "))
	}
	return table.Flush()
}
