package idenfy

import (
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reasonField is a field of the status that gives reasons.
type reasonField struct {
	name  string
	list  bool                  // whether its value is an array of codes, else one code
	codes []string              // the codes that iDenfy documents for it
	about verification.Category // empty where it depends on the code
}

// reasonFields are the fields that give reasons, in the order in which they are told.
var reasonFields = []reasonField{
	{name: "denyReasons", list: true, codes: slices.Concat(documentCodes, faceCodes, fraudTags, mismatchTags)},
	{name: "suspicionReasons", list: true, codes: suspicionReasons, about: verification.CategoryFraud},
	{name: "fraudTags", list: true, codes: fraudTags, about: verification.CategoryFraud},
	{name: "mismatchTags", list: true, codes: mismatchTags, about: verification.CategoryData},
	{name: "autoDocument", codes: documentCodes, about: verification.CategoryDocument},
	{name: "autoFace", codes: faceCodes, about: verification.CategoryFace},
	{name: "manualDocument", codes: documentCodes, about: verification.CategoryDocument},
	{name: "manualFace", codes: faceCodes, about: verification.CategoryFace},
}

// noReason are the results of a check that was passed or did not run.
var noReason = []string{"DOC_VALIDATED", "DOC_NOT_ANALYSED", "FACE_MATCH", "FACE_NOT_CHECKED", "FACE_NOT_ANALYSED"}

// reasonsOf lists the reasons of a status, each once, and counts the fields whose codes are
// not documented; such a code is a reason nevertheless.
func (r *reading) reasonsOf(status provider.Object) []verification.Reason {
	var reasons []verification.Reason
	told := map[verification.Reason]bool{}
	for _, field := range reasonFields {
		for _, code := range r.codesOf(status, field) {
			if !slices.Contains(field.codes, code) {
				r.unlisted(field.name)
			}
			reason := verification.Reason{Code: verification.Code(code), Category: field.category(code), Source: field.name}
			if !told[reason] {
				told[reason] = true
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons
}

// codesOf returns the codes of a field. A value of another type than the field's is counted.
func (r *reading) codesOf(status provider.Object, field reasonField) []string {
	value := status[field.name]
	if value == nil {
		return nil
	}
	if field.list {
		codes := status.Texts(field.name)
		if array, ok := value.([]any); !ok || len(codes) < len(array) {
			r.unlisted(field.name)
		}
		return codes
	}
	code, ok := value.(string)
	if !ok {
		r.unlisted(field.name)
	}
	if code == "" || slices.Contains(noReason, code) {
		return nil
	}
	return []string{code}
}

// category tells what a code of the field is about. Hits of a screening are that in whichever
// field they stand.
func (f reasonField) category(code string) verification.Category {
	for _, prefix := range screeningPrefixes {
		if strings.HasPrefix(code, prefix) {
			return verification.CategoryAML
		}
	}
	if f.about != "" {
		return f.about
	}
	return denialCategory(code)
}

// denialCategory tells what a code is about by the list that it is documented in, else by
// its beginning.
func denialCategory(code string) verification.Category {
	switch {
	case slices.Contains(documentCodes, code):
		return verification.CategoryDocument
	case slices.Contains(faceCodes, code):
		return verification.CategoryFace
	case slices.Contains(fraudTags, code):
		return verification.CategoryFraud
	case slices.Contains(mismatchTags, code):
		return verification.CategoryData
	}
	for _, p := range denialPrefixes {
		if strings.HasPrefix(code, p.prefix) {
			return p.about
		}
	}
	return verification.CategoryOther
}

// screeningPrefixes begin the codes of sanctions lists, politically exposed persons, lists of
// lost documents and criminal records.
var screeningPrefixes = []string{"AML_", "LID_", "SANCTIONS_", "CRIMINAL_"}

var denialPrefixes = []struct {
	prefix string
	about  verification.Category
}{
	{"FACE_", verification.CategoryFace},
	{"FAKE_FACE", verification.CategoryFace},
	{"DOC_", verification.CategoryDocument},
	{"MRZ_", verification.CategoryDocument},
	{"DUPLICATE_", verification.CategoryFraud},
}
