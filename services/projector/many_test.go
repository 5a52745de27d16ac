//go:build !race

package projector

// manyVerifications is how many the tests of many messages have; of each come four messages and more.
const manyVerifications = 5000
