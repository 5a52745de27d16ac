package simulator

import "testing"

// BenchmarkStory shows what making a story costs; it bounds the rate of a simulation.
func BenchmarkStory(b *testing.B) {
	s, _ := planned(false, 1)
	b.ResetTimer()
	for n := range b.N {
		s.story(n)
	}
}
