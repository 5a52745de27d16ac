package doctor

import (
	"fmt"
	"slices"
)

const (
	// rememberedFindings bounds the findings of a check that a second look is compared with. Where there are more, the second look counts alone: so many
	// things are not under way at once.
	rememberedFindings = 10_000
	// shownFindings is how many are shown as examples.
	shownFindings = 5
)

// check collects the findings of one check in one look.
type check struct {
	looked  uint64
	count   uint64
	found   map[string]string // text by what it is about
	order   []string
	mend    []string
	notes   []string
	skipped bool
}

// find notes that something is not as it should be. The key names it, and is the same when it is looked at again.
func (c *check) find(key, format string, args ...any) {
	if _, known := c.found[key]; known {
		return
	}
	c.count++
	if len(c.found) >= rememberedFindings {
		return
	}
	if c.found == nil {
		c.found = map[string]string{}
	}
	c.found[key] = fmt.Sprintf(format, args...)
	c.order = append(c.order, key)
}

// advise says what to do about findings; saying it twice is saying it once.
func (c *check) advise(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.mend, text) {
		c.mend = append(c.mend, text)
	}
}

func (c *check) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// skip says that nothing was looked at, and why.
func (c *check) skip(format string, args ...any) {
	c.skipped = true
	c.note(format, args...)
}

// keep leaves what was also found the first time.
func (c *check) keep(first *check) {
	if first.count > uint64(len(first.found)) {
		return
	}
	c.count = 0
	c.order = slices.DeleteFunc(c.order, func(key string) bool {
		if _, before := first.found[key]; before {
			c.count++
			return false
		}
		return true
	})
}

func (c *check) result(name string) Check {
	r := Check{
		Name: name, Title: titles[name], State: Well, Looked: c.looked, Count: c.count,
		Examples: []string{}, Mend: []string{}, Notes: append([]string{}, c.notes...),
	}
	switch {
	case c.count > 0:
		r.State, r.Mend = Ill, append(r.Mend, c.mend...)
		for _, key := range c.order[:min(len(c.order), shownFindings)] {
			r.Examples = append(r.Examples, c.found[key])
		}
	case c.skipped:
		r.State = Skipped
	}
	return r
}
