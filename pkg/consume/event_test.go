package consume

import (
	"net/textproto"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// An event that is told again says so, and a server that writes names of headers otherwise takes nothing away.
func TestReplayedEvent(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one two")
	b.tell(one, "pending")
	stream, err := b.js.Stream(t.Context(), Verifications)
	must(t, err)
	first, err := stream.GetMsg(t.Context(), 1)
	must(t, err)
	header := nats.Header{}
	for name, values := range first.Header {
		if name != event.MessageID {
			header[textproto.CanonicalMIMEHeaderKey(name)] = values
		}
	}
	header.Set(event.ReplayHeader, "march")
	_, err = b.js.PublishMsg(t.Context(), &nats.Msg{Subject: event.VerificationSubject(false, one.Provider, one.Kind, "pending"), Header: header, Data: first.Data})
	must(t, err)
	l := newLog(t)
	begin(t, b.quick("team-a"), l.handle)
	eventually(t, "both", func() bool { return l.count() == 2 })
	for i, want := range []string{"", "march"} {
		if e := l.events[i]; e.Replay != want || e.ID != one.String() || e.Version != 1 || e.Scope != verification.Case {
			t.Errorf("event %d is %+v", i, e)
		}
	}
}
