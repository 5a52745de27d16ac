package verification_test

import (
	"fmt"
	"testing"
)

// Most verifications come to a few signals; the last size is far above what a provider sends.
func BenchmarkFold(b *testing.B) {
	course := []string{"started", "checking", "review", "human_yes", "no", "left"}
	for _, size := range []int{1, 5, 100} {
		says := make([]string, size)
		for i := range says {
			says[i] = course[i%len(course)]
		}
		set := told(says...)
		b.Run(fmt.Sprintf("signals=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if state := sample.Fold(set); state.Status == "" {
					b.Fatal("no status")
				}
			}
		})
	}
}
