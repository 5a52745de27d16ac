package kycaid

import (
	"cmp"
	"maps"
	"slices"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// typeCategories say what a type of verification is about; a type that is not listed is
// CategoryOther.
var typeCategories = map[string]verification.Category{
	"profile":            verification.CategoryData,
	"document":           verification.CategoryDocument,
	"address":            verification.CategoryDocument,
	"facial":             verification.CategoryFace,
	"liveness":           verification.CategoryFace,
	"aml":                verification.CategoryAML,
	"database_screening": verification.CategoryAML,
}

// codeCategories are the decline reasons (KYCAID, decline reasons) that mean the same under
// every type.
var codeCategories = map[string]verification.Category{
	"COMPROMISED_PERSON": verification.CategoryFraud,
	"COMPULSION":         verification.CategoryFraud,
	"DUPLICATE":          verification.CategoryFraud,
	"EDITED_DOCUMENT":    verification.CategoryFraud,
	"FAKE_DOCUMENT":      verification.CategoryFraud,
	"FRAUDULENT":         verification.CategoryFraud,
	"MULTIPLE_PERSON":    verification.CategoryFraud,
	"DIFFERENT_FACES":    verification.CategoryFace,
	"NO_SELFIE":          verification.CategoryFace,
}

// reasons reads the decline reasons of every type of verification, in the order of the
// types' names: the members of a JSON object have none.
func reasons(verifications provider.Object) []verification.Reason {
	var list []verification.Reason
	for _, kind := range slices.Sorted(maps.Keys(verifications)) {
		for _, code := range verifications.Object(kind).Texts("decline_reasons") {
			reason := verification.Reason{
				Code:     verification.Code(code),
				Category: cmp.Or(codeCategories[code], typeCategories[kind], verification.CategoryOther),
				Source:   verification.Code(kind),
			}
			if !slices.Contains(list, reason) {
				list = append(list, reason)
			}
		}
	}
	return list
}
