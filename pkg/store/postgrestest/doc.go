// Package postgrestest runs a PostgreSQL of its own for tests, from the programs that pg_config names. It listens on a
// socket in a temporary directory and ends with the process that started it. It is built with the tag postgres only.
package postgrestest
