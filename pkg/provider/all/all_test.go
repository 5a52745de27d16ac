package all_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/provider/providertest"
)

// TestProviders runs the suite over every folder; -update writes their golden files.
func TestProviders(t *testing.T) {
	for _, p := range all.Providers() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, p, filepath.Join("..", p.Name))
		})
	}
}

// notProviders are the folders beside those of the providers.
var notProviders = []string{"all", "providertest"}

func TestProvidersAreTheFolders(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(notProviders, entry.Name()) {
			folders = append(folders, entry.Name())
		}
	}
	var names []string
	for _, p := range all.Providers() {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff(folders, names); diff != "" {
		t.Errorf("folders and providers differ; run make generate (-folders +providers):\n%s", diff)
	}
}
