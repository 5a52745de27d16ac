package bus

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/capacity"
)

func TestLevels(t *testing.T) {
	b := newTestBus(t)
	publish(t, b, "kyc.webhook.idenfy.other", "1", "sealed")
	levels := map[string]capacity.Level{}
	for _, l := range b.Levels(t.Context()) {
		levels[l.Name] = l
	}
	for _, config := range definitions(testSettings) {
		l, ok := levels[config.Name]
		if !ok || l.Kind != "stream" || l.Limit != uint64(max(config.MaxBytes, 0)) {
			t.Errorf("level of %s: %+v", config.Name, l)
		}
		if filled := l.Used > 0; filled != (config.Name == Webhooks) {
			t.Errorf("%s holds %d bytes", config.Name, l.Used)
		}
	}
	b.Close()
	if levels := b.Levels(t.Context()); levels != nil {
		t.Errorf("levels without a broker: %v", levels)
	}
}
