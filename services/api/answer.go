package api

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// answer is an answer that is not a problem.
type answer interface {
	// said is what the answer says of verifications, deliveries or numbers, and asOf its as_of_sequence, nil where there is none.
	said() []any
	asOf() *uint64
}

func (a VerificationAnswer) said() []any { return []any{a.Data} }
func (p VerificationPage) said() []any   { return []any{p.Data, p.Meta.NextCursor} }
func (a TimelineAnswer) said() []any     { return []any{a.Data} }
func (p ApplicantPage) said() []any      { return []any{p.Data, p.Summary, p.Meta.NextCursor} }
func (a ClaimsAnswer) said() []any       { return []any{a.Data} }
func (p DeliveryPage) said() []any       { return []any{p.Data, p.Meta.NextCursor} }
func (a StatsAnswer) said() []any        { return []any{a.Data.timeless()} }

func (a VerificationAnswer) asOf() *uint64 { return &a.Meta.AsOfSequence }
func (p VerificationPage) asOf() *uint64   { return &p.Meta.AsOfSequence }
func (a TimelineAnswer) asOf() *uint64     { return &a.Meta.AsOfSequence }
func (p ApplicantPage) asOf() *uint64      { return &p.Meta.AsOfSequence }
func (a ClaimsAnswer) asOf() *uint64       { return &a.Meta.AsOfSequence }
func (a StatsAnswer) asOf() *uint64        { return &a.Meta.AsOfSequence }

// asOf is nil: deliveries lie in several streams.
func (p DeliveryPage) asOf() *uint64 { return nil }

// asOfHeader repeats the as_of_sequence, where not even the answer need be read.
const asOfHeader = "Verdict-As-Of-Sequence"

// noStore is the Cache-Control of what must not be kept by anybody.
const noStore = "no-store"

// respond writes an answer, or that it is still the one that the caller has. An endpoint whose answer must not be kept sets its
// Cache-Control before.
func respond(w http.ResponseWriter, r *http.Request, a answer) error {
	header := w.Header()
	if at := a.asOf(); at != nil {
		header.Set(asOfHeader, strconv.FormatUint(*at, 10))
	}
	if header.Get("Cache-Control") != noStore {
		tag, err := etag(a.said())
		if err != nil {
			return err
		}
		header.Set("Cache-Control", "no-cache")
		header.Set("Etag", tag)
		if holds(r.Header.Values("If-None-Match"), tag) {
			header.Add("Vary", "Accept-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	header.Set("Content-Type", "application/json")
	send(w, r, append(body, '\n'))
	return nil
}

// etag returns the tag of what an answer says. It is a weak one: as_of_sequence is not in it, nor what the clock alone changes, and both
// move on although nothing that was asked for has changed.
func etag(parts []any) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, part := range parts {
		if err := encoder.Encode(part); err != nil {
			return "", err
		}
	}
	return `W/"` + hex.EncodeToString(hash.Sum(nil)[:16]) + `"`, nil
}

// holds reports whether a header If-None-Match has the tag, by the weak comparison of RFC 9110.
func holds(header []string, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(header, ","), ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// minCompressed is the size in bytes from which compressing is worth its while: what fits a packet anyway is sent as it is.
const minCompressed = 1400

var compressors = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// send writes the body, compressed where the caller can read that.
func send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Add("Vary", "Accept-Encoding")
	if len(body) < minCompressed || !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		// A caller who has gone needs no answer.
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	compressor, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(compressor)
	compressor.Reset(w)
	_, _ = compressor.Write(body)
	_ = compressor.Close()
}

// acceptsGzip reads a header Accept-Encoding: gzip must be named, and not with the weight 0.
func acceptsGzip(header []string) bool {
	for coding := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		weight, given := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !given || err == nil && q > 0
	}
	return false
}

// convert returns the elements in their other form; never nil.
func convert[A, B any](list []A, one func(A) B) []B {
	converted := make([]B, len(list))
	for i, element := range list {
		converted[i] = one(element)
	}
	return converted
}

// orNull returns what is null in an answer where nothing is known.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
