package bus

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-stream/verdict/schemas"
)

// The streams that are described are those that there are, with their subjects, both ways.
func TestAsyncAPIHasTheStreams(t *testing.T) {
	var described struct {
		Channels map[string]struct {
			Address string
			Stream  string `yaml:"x-stream"`
		}
	}
	if err := yaml.Unmarshal(schemas.AsyncAPI, &described); err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\{\w+\}`)
	got, want := map[string][]string{}, map[string][]string{}
	for _, channel := range described.Channels {
		got[channel.Stream] = append(got[channel.Stream], parameter.ReplaceAllString(channel.Address, "*"))
	}
	for _, s := range definitions(StreamSettings{Retention: time.Hour, DeduplicationWindow: time.Minute, Replicas: 1}) {
		want[s.Name] = s.Subjects
	}
	// There is one for each replay.
	replay := replayDefinition("*", time.Hour)
	want[strings.ReplaceAll(replay.Name, "*", "{NAME}")] = replay.Subjects
	for _, name := range slices.Sorted(maps.Keys(got)) {
		slices.Sort(got[name])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("streams (-defined +described):\n%s", diff)
	}
	if dead := described.Channels["dead"].Address; dead != deadSubjects+"{consumer}" {
		t.Errorf("dead letters are described at %s", dead)
	}
}
