package seal_test

import (
	"bytes"
	"testing"
)

// A usual webhook has 2 KB.
var benchBody = bytes.Repeat([]byte("x"), 2<<10)

func BenchmarkSeal(b *testing.B) {
	keyring := open(b, b.TempDir())
	b.SetBytes(int64(len(benchBody)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := keyring.Seal("idenfy", received, bodyID, benchBody); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	keyring := open(b, b.TempDir())
	keyID, sealed := mustSeal(b, keyring, received, string(benchBody))
	b.SetBytes(int64(len(benchBody)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := keyring.Open(keyID, bodyID, sealed); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
