package madeup

import (
	"fmt"
	"math/rand/v2"
)

const (
	hexDigits = "0123456789abcdef"
	decimals  = "0123456789"
	capitals  = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
)

// UUID draws a random UUID (RFC 9562, version 4).
func UUID(r *rand.Rand) string {
	high, low := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		high>>32, high>>16&0xffff, high&0xfff, low>>48&0x3fff|0x8000, low&0xffffffffffff)
}

// Hex draws lower-case hexadecimal digits.
func Hex(r *rand.Rand, n int) string { return draw(r, hexDigits, n) }

// Digits draws decimal digits, of which the first is not zero.
func Digits(r *rand.Rand, n int) string {
	return draw(r, decimals[1:], 1) + draw(r, decimals, n-1)
}

// Code draws capital letters and digits.
func Code(r *rand.Rand, n int) string { return draw(r, capitals, n) }

func draw(r *rand.Rand, from string, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = from[r.IntN(len(from))]
	}
	return string(text)
}
