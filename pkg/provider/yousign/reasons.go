package yousign

import (
	"regexp"
	"slices"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const statusCodes = "status_codes"

// codeForm is a status code: the letters of the product, which older webhooks leave out, and
// four digits. The meaning of most codes is not published.
var codeForm = regexp.MustCompile(`^(?:([A-Z]{4})_)?([0-9]{4})$`)

// userCodes are what the end user did or left undone (Yousign, identity video): never
// started, started later, no document, no access to the camera, left, ran out of time,
// refused. They are without letters or those of the identity video.
var userCodes = []string{"1101", "1111", "1112", "1113", "1121", "1199", "3001"}

const identityVideo = "IDVV"

// reasons lists the status codes of a document, each once; known tells whether all of them
// have the form of a code.
func reasons(document provider.Object) (list []verification.Reason, known bool) {
	value := document[statusCodes]
	codes := document.Texts(statusCodes)
	array, isArray := value.([]any)
	known = value == nil || isArray && len(array) == len(codes)
	told := map[string]bool{}
	for _, code := range codes {
		known = known && codeForm.MatchString(code)
		reason := verification.Reason{Code: verification.Code(code), Category: category(code), Source: statusCodes}
		if !told[reason.Code] {
			told[reason.Code] = true
			list = append(list, reason)
		}
	}
	return list, known
}

func category(code string) verification.Category {
	parts := codeForm.FindStringSubmatch(code)
	switch {
	case parts == nil:
		return verification.CategoryOther
	case (parts[1] == "" || parts[1] == identityVideo) && slices.Contains(userCodes, parts[2]):
		return verification.CategoryUser
	default:
		return verification.CategoryDocument
	}
}
