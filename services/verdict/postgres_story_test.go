//go:build postgres

package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/verdict-stream/verdict/pkg/store/postgrestest"
)

// With a PostgreSQL every story is also run in a form that keeps its databases there.
func init() {
	var server *postgrestest.Server
	around = func(run func() int) int {
		var err error
		if server, err = postgrestest.New(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := run()
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}
	forms = append(forms, form{
		name: "split-postgres", roles: split.roles,
		database: func(t testing.TB) string { return server.NewDatabase(t) },
	})
}
