package treezor

import (
	"strconv"
	"time"
	_ "time/tzdata" // Paris is known on every machine

	"github.com/verdict-stream/verdict/pkg/provider"
)

// paris is the zone of times without one.
var paris = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err) // the database of zones is a part of the program
	}
	return zone
}()

// units are those of webhook_created_at, by its number of digits: the documents count in
// ten-thousandths of a second, examples in milliseconds and in seconds as well.
var units = map[int]time.Duration{
	10: time.Second,
	13: time.Millisecond,
	14: time.Second / 10_000,
}

// createdAt reads webhook_created_at; zero where it is no time.
func createdAt(text string) time.Time {
	unit, ok := units[len(text)]
	if !ok {
		return time.Time{}
	}
	n, err := strconv.ParseUint(text, 10, 63) // digits alone: no sign, no exponent
	if err != nil {
		return time.Time{}
	}
	count, perSecond := int64(n), int64(time.Second/unit)
	return plausible(time.Unix(count/perSecond, count%perSecond*int64(unit)))
}

// layouts are those of times in payloads, with a zone or without.
var layouts = []string{time.RFC3339, time.DateTime}

// payloadTime returns the first of the fields that is a time; zero where none is.
// `0000-00-00 00:00:00` is none.
func payloadTime(o provider.Object, fields ...string) time.Time {
	for _, field := range fields {
		for _, layout := range layouts {
			t, err := time.ParseInLocation(layout, o.Text(field), paris)
			if err != nil {
				continue
			}
			if t = plausible(t); !t.IsZero() {
				return t
			}
		}
	}
	return time.Time{}
}

// The years in which something can have happened; JSON cannot write later ones.
const firstYear, lastYear = 1970, 9999

// plausible returns the time in UTC, or zero where nothing can have happened then.
func plausible(t time.Time) time.Time {
	t = t.UTC()
	if t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}
	}
	return t
}
