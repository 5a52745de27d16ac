//go:build race

package projector

// manyVerifications is less under the race detector, with which SQLite is thirty times slower.
const manyVerifications = 500
