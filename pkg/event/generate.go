package event

//go:generate go run ../internal/gen/events ../../docs/events.md
