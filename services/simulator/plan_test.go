package simulator

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider/all"
)

func planned(shuffle bool, seed uint64) (*simulation, []job) {
	s := &simulation{cfg: Config{
		Seed: seed, Start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Stories: chapter + 100,
		Duplicates: 0.4, BadSignatures: 0.2, Shuffle: shuffle,
	}}
	providers := all.Providers()
	for i := range providers {
		for _, scenario := range providers[i].Scenarios {
			s.cast = append(s.cast, newRole(&Player{Provider: &providers[i]}, scenario))
		}
	}
	plan := s.newPlan()
	var jobs []job
	for {
		next, ok := plan.job()
		if !ok {
			return s, jobs
		}
		jobs = append(jobs, next)
	}
}

// TestPlan checks that every delivery is planned once, besides copies of it, and that the
// order is kept where it matters.
func TestPlan(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		s, jobs := planned(shuffle, 1)
		sent := map[string]int{}
		var twins, copies, forged, inOrder int
		last := 0
		for _, j := range jobs {
			if j[0].story >= last {
				inOrder++
			}
			last = j[0].story
			for i, one := range j {
				key := fmt.Sprintf("%d %s", one.story, one.posted.Body)
				switch {
				case one.forged:
					forged++
				case one.extra:
					copies++
					if len(j) > 1 && sent[key] == 0 {
						t.Errorf("story %d has a copy before what it is one of", one.story)
					}
				default:
					sent[key]++
					if sent[key] > 1 {
						t.Errorf("story %d has a delivery twice", one.story)
					}
				}
				if one.twin {
					twins++
				}
				if i > 0 && one.story != j[0].story {
					t.Error("a job is of two stories")
				}
			}
		}
		checkWhole(t, s, jobs, shuffle, len(sent))
		if twins == 0 || copies == 0 || forged == 0 || (inOrder == len(jobs)) == shuffle {
			t.Errorf("shuffle %v: %d twins, %d copies, %d forged, %d of %d in order", shuffle, twins, copies, forged, inOrder, len(jobs))
		}
	}
}

// checkWhole compares the plan with the stories.
func checkWhole(t *testing.T, s *simulation, jobs []job, shuffle bool, sent int) {
	t.Helper()
	want := 0
	ordered := map[int][]string{}
	for n := range s.cfg.Stories {
		_, story := s.story(n)
		want += len(story.Deliveries)
		if int(s.missing[n]) != len(story.Deliveries)+untouched {
			t.Errorf("story %d misses %d", n, s.missing[n])
		}
		if story.Ordered || !shuffle {
			for _, d := range story.Deliveries {
				ordered[n] = append(ordered[n], string(d.Body))
			}
		}
	}
	if sent != want {
		t.Errorf("%d deliveries are planned, %d are in the stories", sent, want)
	}
	for _, j := range jobs {
		var bodies []string
		for _, one := range j {
			if !one.extra {
				bodies = append(bodies, string(one.posted.Body))
			}
		}
		if want := ordered[j[0].story]; want != nil && bodies != nil {
			if diff := cmp.Diff(want, bodies); diff != "" {
				t.Errorf("story %d is not in its order (-want +got):\n%s", j[0].story, diff)
			}
		}
	}
}

func TestPlanIsMadeAgain(t *testing.T) {
	flat := func(jobs []job) []string {
		var list []string
		for _, j := range jobs {
			for _, one := range j {
				list = append(list, fmt.Sprint(one.story, one.extra, one.twin, one.forged, string(one.posted.Body)))
			}
		}
		return list
	}
	_, one := planned(true, 1)
	_, same := planned(true, 1)
	if diff := cmp.Diff(flat(one), flat(same)); diff != "" {
		t.Errorf("two plans of one seed (-one +other):\n%s", diff)
	}
	if _, other := planned(true, 2); cmp.Equal(flat(one), flat(other)) {
		t.Error("two seeds have one plan")
	}
}
