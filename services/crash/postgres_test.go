//go:build linux && crash && postgres

package crash

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/store/postgrestest"
)

func init() {
	var server *postgrestest.Server
	database = func(t *testing.T) string {
		t.Helper()
		if server == nil {
			var err error
			if server, err = postgrestest.New(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		return server.NewDatabase(t)
	}
}
