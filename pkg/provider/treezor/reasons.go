package treezor

import (
	"path"
	"slices"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// categories say what a code is about, by its pattern; the first that matches counts. The
// full lists are not published: these are the series that are known.
var categories = map[string][]struct {
	pattern  string
	category verification.Category
}{
	fieldRefusal: {
		{"13??", verification.CategoryFace}, // how the person was filmed
		{"24??", verification.CategoryData}, // not the identity that was expected
	},
	fieldDetails: {
		{"30??", verification.CategoryUser}, // the user left
		{"STALLED_*", verification.CategoryUser},
		{"32??", verification.CategoryFraud}, // a warning about the person
	},
	fieldResult: {
		{fraudConfirmed, verification.CategoryFraud},
	},
}

// reasons are the codes of a decision, in the order of the payload, each once.
type reasons []verification.Reason

// add adds a code from a field; an empty one is none.
func (r *reasons) add(code, source string) {
	if code == "" {
		return
	}
	code = verification.Code(code)
	reason := verification.Reason{Code: code, Category: categoryOf(code, source), Source: source}
	if !slices.Contains(*r, reason) {
		*r = append(*r, reason)
	}
}

func categoryOf(code, source string) verification.Category {
	for _, c := range categories[source] {
		if ok, err := path.Match(c.pattern, code); ok && err == nil {
			return c.category
		}
	}
	return verification.CategoryOther
}
