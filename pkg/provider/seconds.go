package provider

import "time"

// lastSecond is the end of the year 9999, behind which RFC 3339 cannot write a time.
var lastSecond = time.Date(10000, time.January, 1, 0, 0, 0, 0, time.UTC).Unix() - 1

// Seconds returns a time given in whole seconds since 1970, as a number or as text; false
// when it is absent, no integer or outside the years 1970 to 9999.
func (o Object) Seconds(name string) (time.Time, bool) {
	n, ok := o.Int(name)
	if !ok || n < 0 || n > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}
