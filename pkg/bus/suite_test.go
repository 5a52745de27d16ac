package bus

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/nats-io/nats.go/jetstream"
)

// suiteConcurrency lets one subscriber have several messages out.
const suiteConcurrency = 8

// features is what this Pub/Sub promises. A broker that restarts is TestNothingIsLostWhenTheBrokerRestarts: the suite's own test compares lists
// while they are still being written.
var features = tests.Features{
	ConsumerGroups: true,
	Persistent:     true,
	// A message that comes again comes after others, and several are out at the same time.
	GuaranteedOrder: false,
	// A crash between a handler's end and its ack delivers again.
	ExactlyOnceDelivery: false,
}

// suite makes publishers and subscribers on one broker for Watermill's universal tests. Each topic is a stream, because the tests use one id on several topics.
type suite struct{ server *Server }

func newSuite(t *testing.T) *suite {
	return &suite{server: startTestServer(t, serverConfig(t.TempDir(), "off"))}
}

func (s *suite) create(concurrency int) tests.ConsumerGroupPubSubConstructor {
	return func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		b := connectTestBus(t, Config{Server: s.server})
		inner := newSubscriber(b, func(topic string) (source, error) {
			return source{stream: topic, filter: topic, durable: group, concurrency: concurrency}, nil
		})
		// Some of the tests leave subscribers behind.
		t.Cleanup(func() { _ = inner.Close() })
		return &publisher{bus: b}, suiteSubscriber{subscriber: inner}
	}
}

func (s *suite) inGroup(concurrency int, group func() string) tests.PubSubConstructor {
	return func(t *testing.T) (message.Publisher, message.Subscriber) {
		return s.create(concurrency)(t, group())
	}
}

func oneGroup() string { return "suite" }

func newGroup() string { return "group_" + watermill.NewUUID() }

// suiteSubscriber makes the topic's stream, as an administrator does before anything runs.
type suiteSubscriber struct{ *subscriber }

// SubscribeInitialize is called by the tests before they publish.
func (s suiteSubscriber) SubscribeInitialize(topic string) error {
	_, err := s.bus.js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: topic, Subjects: []string{topic}})
	return err
}

func TestUniversalPubSub(t *testing.T) {
	s := newSuite(t)
	tests.TestPubSub(t, features, s.inGroup(suiteConcurrency, oneGroup), s.create(suiteConcurrency))
}

// With one message at a time and nothing to repeat, the order is the stream's.
func TestOneAtATimeIsInOrder(t *testing.T) {
	s := newSuite(t)
	ordered := features
	ordered.GuaranteedOrder, ordered.GuaranteedOrderWithSingleSubscriber = true, true
	for name, run := range map[string]func(*testing.T, tests.TestContext, tests.PubSubConstructor){
		"in-order": tests.TestPublishSubscribeInOrder,
		"no-ack":   tests.TestNoAck,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, tests.TestContext{TestID: tests.TestID(name), Features: ordered}, s.inGroup(1, oneGroup))
		})
	}
}

// A consumer that is new to the stream gets everything that is still in it.
func TestNewConsumerGetsOldMessages(t *testing.T) {
	s := newSuite(t)
	replaying := features
	replaying.NewSubscriberReceivesOldMessages = true
	tests.TestNewSubscriberReceivesOldMessages(t, tests.TestContext{TestID: "old-messages", Features: replaying}, s.inGroup(suiteConcurrency, newGroup))
}
