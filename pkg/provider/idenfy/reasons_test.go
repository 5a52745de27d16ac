package idenfy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestReasons(t *testing.T) {
	e := decoded(t, legacy, `{"scanRef":"s","final":true,"status":{"overall":"DENIED",
		"manualFace":"FACE_NOT_CHECKED","manualDocument":"DOC_FAKE","autoFace":"FACE_GLOWS","autoDocument":"DOC_NOT_ANALYSED",
		"mismatchTags":["NAME","NAME","NAME"],"fraudTags":["LID_FAILED","VIRTUAL_CAMERA"],"suspicionReasons":["FAKE_PHOTO"],
		"denyReasons":["DOC_EXPIRED","FACE_MISMATCH","DUPLICATE_FACE","UNDER_AGE","MRZ_SMUDGED","FACE_HIDDEN","SANCTIONS_FAILED","because of Ms Õun"]}}`)
	want := []verification.Reason{
		{Code: "DOC_EXPIRED", Category: verification.CategoryDocument, Source: "denyReasons"},
		{Code: "FACE_MISMATCH", Category: verification.CategoryFace, Source: "denyReasons"},
		{Code: "DUPLICATE_FACE", Category: verification.CategoryFraud, Source: "denyReasons"},
		{Code: "UNDER_AGE", Category: verification.CategoryData, Source: "denyReasons"},
		{Code: "MRZ_SMUDGED", Category: verification.CategoryDocument, Source: "denyReasons"},
		{Code: "FACE_HIDDEN", Category: verification.CategoryFace, Source: "denyReasons"},
		{Code: "SANCTIONS_FAILED", Category: verification.CategoryAML, Source: "denyReasons"},
		{Code: verification.Unlisted, Category: verification.CategoryOther, Source: "denyReasons"},
		{Code: "FAKE_PHOTO", Category: verification.CategoryFraud, Source: "suspicionReasons"},
		{Code: "LID_FAILED", Category: verification.CategoryAML, Source: "fraudTags"},
		{Code: "VIRTUAL_CAMERA", Category: verification.CategoryFraud, Source: "fraudTags"},
		{Code: "NAME", Category: verification.CategoryData, Source: "mismatchTags"},
		{Code: "FACE_GLOWS", Category: verification.CategoryFace, Source: "autoFace"},
		{Code: "DOC_FAKE", Category: verification.CategoryDocument, Source: "manualDocument"},
	}
	if diff := cmp.Diff(want, e.Signal.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"denyReasons", "autoFace"}, e.Unknown); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	wrong := decoded(t, legacy, `{"scanRef":"s","final":true,"status":{"overall":"DENIED","denyReasons":"DOC_EXPIRED","fraudTags":[{}],"autoFace":7}}`)
	if diff := cmp.Diff([]string{"denyReasons", "fraudTags", "autoFace"}, wrong.Unknown); diff != "" {
		t.Errorf("values of a wrong type (-want +got):\n%s", diff)
	}
	if len(wrong.Signal.Reasons) != 0 || wrong.Signal.Says != saysAutoRejected {
		t.Errorf("says %s for %v", wrong.Signal.Says, wrong.Signal.Reasons)
	}
}
