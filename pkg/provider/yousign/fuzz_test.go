package yousign

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider/providertest"
)

func FuzzVerify(f *testing.F) { providertest.FuzzVerify(f, Provider) }

func FuzzDecode(f *testing.F) { providertest.FuzzDecode(f, Provider) }
