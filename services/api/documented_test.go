package api

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// counted stands where the library that counts answers.
var counted = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, "up 1\n")
})

func statusKey(status int) string { return strconv.Itoa(status) }

// targets are a request for each documented path that is answered with 200 where seeded.fill was, and one that is answered with 404 where
// there may be nothing. With a body it is asked with POST.
var targets = map[string]struct{ found, missing, body string }{
	"/v1/verifications": {found: "/v1/verifications"},
	"/v1/verifications/{provider}/{kind}/{reference}": {
		"/v1/verifications/idenfy/id_verification/s1", "/v1/verifications/idenfy/id_verification/nobody", "",
	},
	"/v1/verifications/{provider}/{kind}/{reference}/events": {
		"/v1/verifications/idenfy/id_verification/s1/events", "/v1/verifications/idenfy/id_verification/nobody/events", "",
	},
	"/v1/verifications/{provider}/{kind}/{reference}/claims": {
		"/v1/verifications/idenfy/id_verification/s1/claims", "/v1/verifications/idenfy/id_verification/nobody/claims", "",
	},
	"/v1/applicants/{provider}/{applicant}": {"/v1/applicants/idenfy/client-1", "/v1/applicants/idenfy/nobody", ""},
	"/v1/stream":                            {found: "/v1/stream"},
	"/v1/deliveries":                        {found: "/v1/deliveries"},
	"/v1/stats":                             {found: "/v1/stats"},
	"/v1/dead":                              {found: "/v1/dead"},
	"/v1/dead/{letter}":                     {"/v1/dead/1", "/v1/dead/99", ""},
	"/v1/dead/redrive":                      {found: "/v1/dead/redrive", body: `{"provider":"idenfy"}`},
	"/v1/dead/discard":                      {found: "/v1/dead/discard", body: `{"letter":4,"reason":"a test"}`},
	"/v1/dead/runs":                         {found: "/v1/dead/runs"},
	"/v1/dead/runs/{run}/cancel":            {"/v1/dead/runs/one/cancel", "/v1/dead/runs/other/cancel", "{}"},
	"/v1/held":                              {found: "/v1/held"},
	"/v1/held/{held}":                       {"/v1/held/1", "/v1/held/99", ""},
	"/v1/held/release":                      {"/v1/held/release", "", `{"provider":"treezor"}`},
	"/v1/held/discard":                      {"/v1/held/discard", "", `{"provider":"treezor","reason":"a test"}`},
	"/v1/held/runs":                         {found: "/v1/held/runs"},
	"/v1/held/runs/{run}/cancel":            {"/v1/held/runs/two/cancel", "/v1/held/runs/other/cancel", "{}"},
	"/v1/held/{held}/release":               {"/v1/held/2/release", "/v1/held/99/release", "{}"},
	"/v1/held/{held}/discard":               {"/v1/held/3/discard", "/v1/held/99/discard", `{"reason":"a test"}`},
	"/v1/replays":                           {found: "/v1/replays"},
	alsoPost + "/v1/replays":                {found: "/v1/replays", body: `{"name":"new"}`},
	"/v1/replays/{replay}":                  {"/v1/replays/waiting", "/v1/replays/nobody", ""},
	"/v1/replays/{replay}/pause":            {"/v1/replays/to-pause/pause", "/v1/replays/nobody/pause", "{}"},
	"/v1/replays/{replay}/resume":           {"/v1/replays/to-resume/resume", "/v1/replays/nobody/resume", "{}"},
	"/v1/replays/{replay}/cancel":           {"/v1/replays/to-cancel/cancel", "/v1/replays/nobody/cancel", "{}"},
	"/v1/replays/{replay}/forget":           {"/v1/replays/to-forget/forget", "/v1/replays/nobody/forget", "{}"},
	"/livez":                                {found: "/livez"},
	"/readyz":                               {found: "/readyz"},
	"/metrics":                              {found: "/metrics"},
}

// alsoPost begins the key of a path that is asked with POST, too.
const alsoPost = "POST "

// routeOf returns the path of a key.
func routeOf(key string) string { return strings.TrimPrefix(key, alsoPost) }

// Every path that is served is documented, and every documented one is served.
func TestEveryPathIsDocumented(t *testing.T) {
	a := &api{}
	served := slices.Concat(sortedKeys(a.private()), sortedKeys(a.changing()), sortedKeys(a.open()), []string{"/metrics"})
	served = slices.DeleteFunc(served, func(pattern string) bool {
		return strings.Trim(pattern, "/") == "" || strings.Trim(pattern, "/") == "v1"
	}) // of what is not served
	slices.Sort(served)
	served = slices.Compact(served)
	if diff := cmp.Diff(served, sortedKeys(theContractOf(t).paths())); diff != "" {
		t.Errorf("paths (-served +documented):\n%s", diff)
	}
	tested := slices.DeleteFunc(sortedKeys(targets), func(key string) bool { return routeOf(key) != key })
	if diff := cmp.Diff(served, tested); diff != "" {
		t.Errorf("paths (-served +tested):\n%s", diff)
	}
}

// Every documented answer of every path is given, and no other.
func TestEveryAnswerIsDocumented(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	s.fillBroker()
	s.config.Metrics = counted
	c := theContractOf(t)
	given := map[string]bool{}
	body := ""
	ask := func(method, target string, header ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := s.send(r)
		operation, status := c.conforms(t, r, w)
		given[operation+" "+status] = true
		return w
	}
	for key, target := range targets {
		route := routeOf(key)
		private := strings.HasPrefix(route, "/v1/")
		method, other := http.MethodGet, http.MethodPost
		if body = target.body; body != "" {
			method, other = other, method
		}
		if route == "/v1/stream" {
			method = http.MethodHead // It would not end.
		}
		if tag := ask(method, target.found).Header().Get("Etag"); tag != "" {
			ask(method, target.found, "If-None-Match", tag)
		}
		if target.missing != "" {
			ask(method, target.missing)
		}
		if route == "/v1/stream" {
			ask(method, target.found+"?after=9")
		}
		if private {
			ask(method, target.found+"?misspelt=1")
			ask(method, target.found, "Authorization", "Bearer nothing")
		}
		ask(other, target.found)
		if strings.HasSuffix(route, "/cancel") {
			ask(method, target.found)
		}
		if strings.HasPrefix(route, "/v1/replays") {
			s.askReplays(ask, key, &body)
		}
		if route == "/v1/held/release" || route == "/v1/held/discard" {
			body = `{"provider":"nobody"` + strings.TrimLeftFunc(target.body, func(r rune) bool { return r != ',' && r != '}' })
			ask(method, target.found)
		}
		if route == "/v1/dead/redrive" || route == "/v1/dead/discard" {
			body = `{"letter":99` + strings.TrimPrefix(target.body, `{"letter":4`)
			if route == "/v1/dead/redrive" {
				body = `{"letter":99}`
			}
			ask(method, target.found)
		}
	}
	body = ""
	s.config.Metrics, s.config.Bus = nil, nil
	ask(http.MethodGet, "/metrics")
	if err := s.model.Close(); err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if body = target.body; body != "" {
			ask(http.MethodPost, target.found)
		} else {
			ask(http.MethodGet, target.found)
		}
	}
	documented := map[string]bool{}
	for _, operation := range c.operations() {
		method, route, _ := strings.Cut(operation, " ")
		for status := range member(c.operation(route, method), "responses") {
			documented[operation+" "+status] = true
		}
	}
	if diff := cmp.Diff(documented, given); diff != "" {
		t.Errorf("answers (-documented +given):\n%s", diff)
	}
}

// answered are the statuses of requests whose parameters are understood, whatever they ask for.
var answered = []int{http.StatusOK, http.StatusNotFound, http.StatusConflict}

// The parameters that a path takes are the documented ones, with the values that are documented.
func TestEveryParameterIsDocumented(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	s.fillBroker()
	c := theContractOf(t)
	for route, target := range targets {
		if !strings.HasPrefix(route, "/v1/") || target.body != "" {
			continue
		}
		parameters := c.parameters(route, "query")
		if diff := cmp.Diff(sortedKeys(parameters), s.taken(target.found)); diff != "" {
			t.Errorf("%s: parameters (-documented +taken):\n%s", route, diff)
		}
		for name, parameter := range parameters {
			_, schema := c.resolved(openAPI, parameter["schema"])
			good, bad := samples(t, route+" "+name, schema)
			for _, value := range good {
				if w := s.ask(http.MethodHead, target.found+"?"+name+"="+value); !slices.Contains(answered, w.Code) {
					t.Errorf("%s: %s=%s is documented, and refused", route, name, value)
				}
			}
			for _, value := range bad {
				if w := s.ask(http.MethodHead, target.found+"?"+name+"="+value); w.Code != http.StatusBadRequest {
					t.Errorf("%s: %s=%s is not documented, and taken", route, name, value)
				}
			}
		}
		_, fresh := member(c.operation(route, http.MethodGet), "responses")["304"]
		var headers []string
		if fresh {
			headers = append(headers, "If-None-Match")
		}
		if route == "/v1/stream" {
			headers = append(headers, "Last-Event-ID")
		}
		if diff := cmp.Diff(headers, sortedKeys(c.parameters(route, "header"))); diff != "" {
			t.Errorf("%s: headers (-taken +documented):\n%s", route, diff)
		}
		var inPath []string
		for part := range strings.SplitSeq(route, "/") {
			if strings.HasPrefix(part, "{") {
				inPath = append(inPath, strings.Trim(part, "{}"))
			}
		}
		slices.Sort(inPath)
		if diff := cmp.Diff(inPath, sortedKeys(c.parameters(route, "path"))); diff != "" {
			t.Errorf("%s: parts of the path (-taken +documented):\n%s", route, diff)
		}
	}
}

// taken asks a path which parameters it takes, which it says where one is misspelt.
func (s *seeded) taken(target string) []string {
	s.t.Helper()
	var p problem
	if err := json.Unmarshal(s.ask(http.MethodGet, target+"?misspelt=1").Body.Bytes(), &p); err != nil {
		s.t.Fatal(err)
	}
	_, names, _ := strings.Cut(strings.TrimSuffix(p.Detail, "."), "Allowed are ")
	if names == "none" {
		return nil
	}
	taken := strings.Split(names, ", ")
	slices.Sort(taken)
	return taken
}

// samples returns values that a schema allows, and such that it does not.
func samples(t *testing.T, name string, schema map[string]any) (good, bad []string) {
	t.Helper()
	values, _ := schema["enum"].([]any)
	for _, value := range values {
		good = append(good, fmt.Sprint(value))
	}
	switch {
	case len(good) > 0:
		return good, []string{"nothing", strings.ToUpper(good[0])}
	case schema["type"] == "boolean":
		return []string{"true", "false"}, []string{"1", "True", "yes"}
	case schema["format"] == "date-time":
		return []string{"2026-03-01T12:00:00Z"}, []string{"2026-03-01", "1772366400"}
	case schema["type"] == "integer":
		least, err := schema["minimum"].(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		good, bad = []string{fmt.Sprint(least)}, []string{fmt.Sprint(least - 1), "one"}
		if most, ok := schema["maximum"].(json.Number); ok {
			n, err := most.Int64()
			if err != nil {
				t.Fatal(err)
			}
			good, bad = append(good, fmt.Sprint(n)), append(bad, fmt.Sprint(n+1))
		}
		return good, bad
	case schema["pattern"] != nil:
		return []string{"a_1"}, []string{"A", "a-b", "%C3%A4"}
	case strings.HasSuffix(name, " cursor"):
		return nil, []string{"", "!"}
	case schema["type"] == "string":
		most, err := schema["maxLength"].(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		return []string{"x", strings.Repeat("x", int(most))}, []string{"", strings.Repeat("x", int(most)+1)}
	default:
		t.Errorf("%s: nothing is known of its values", name)
		return nil, nil
	}
}

// The properties of the answers are the documented ones, both ways.
func TestEveryPropertyIsDocumented(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	s.fillBroker()
	c := theContractOf(t)
	documented, found := map[string]bool{}, map[string]bool{}
	note := func(at, schema string, body []byte) {
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			t.Fatal(err)
		}
		c.properties(openAPI, map[string]any{"$ref": schema}, at, documented)
		present(value, at, found)
	}
	for route, target := range targets {
		method := http.MethodGet
		if target.body != "" {
			method = http.MethodPost
		}
		responses := member(c.operation(routeOf(route), method), "responses")
		_, response := c.resolved(openAPI, responses["200"])
		schema, _ := member(member(member(response, "content"), "application/json"), "schema")["$ref"].(string)
		if schema != "" {
			note(route, schema, s.asked(target.found, target.body).Body.Bytes())
		}
	}
	s.progress(6)
	frame, _ := s.follow(s.serve(), "?after=0", "").next()
	for follower := s.follow(s.serve(), "?after=0", ""); frame.Data == ""; {
		frame, _ = follower.next()
	}
	note("stream", "#/components/schemas/StreamEvent", []byte(frame.Data))
	note("problem", "#/components/schemas/Problem", s.ask(http.MethodGet, "/v1/nothing").Body.Bytes())

	for at := range found {
		if _, ok := documented[at]; !ok {
			t.Errorf("%s is not documented", at)
		}
	}
	for at, own := range documented {
		if own && !found[at] {
			t.Errorf("%s is documented, and in no answer", at)
		}
	}
}

// The lists of the description are those of the packages behind: endpoints know them from the description alone.
func TestDocumentedLists(t *testing.T) {
	statuses := make([]string, len(verification.Statuses))
	for i, status := range verification.Statuses {
		statuses[i] = string(status)
	}
	for name, want := range map[string][]string{
		"/v1/verifications scope":  {string(verification.Case), string(verification.Step)},
		"/v1/verifications status": statuses,
		"/v1/stream scope":         {string(verification.Case), string(verification.Step)},
		"/v1/stream status":        statuses,
		"/v1/stream event":         verification.EventStatuses(),
		"/v1/deliveries outcome":   append([]string{store.OutcomePending}, store.Outcomes...),
	} {
		route, parameter, _ := strings.Cut(name, " ")
		got := (&query{table: parameters[route]}).parameter(parameter).enum
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-program +description):\n%s", name, diff)
		}
	}
	_, outcomes := theContractOf(t).resolved(openAPI, map[string]any{"$ref": "#/components/schemas/OutcomeName"})
	if diff := cmp.Diff(store.Outcomes, texts(outcomes["enum"])); diff != "" {
		t.Errorf("outcomes (-program +description):\n%s", diff)
	}
}

// Every cause that is described is that of a problem, and no problem has another.
func TestEveryCauseIsMade(t *testing.T) {
	var want []string
	for _, name := range []string{"Cause", "ChangeCause"} {
		_, described := theContractOf(t).resolved(openAPI, map[string]any{"$ref": "#/components/schemas/" + name})
		want = append(want, texts(described["enum"])...)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if diff := cmp.Diff(want, causes(t)); diff != "" {
		t.Errorf("causes (-described +made):\n%s", diff)
	}
}

func texts(list any) []string {
	var all []string
	for _, value := range list.([]any) {
		all = append(all, fmt.Sprint(value))
	}
	return all
}

// causes returns every cause that the source makes a problem with.
func causes(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	values, made := map[string]string{}, map[string]bool{} // the constants, and those of them that are used
	alias := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 {
					// A cause that only paths which change something have is one of theirs.
					if call, ok := n.Values[0].(*ast.CallExpr); ok && len(call.Args) == 1 {
						if of, ok := call.Args[0].(*ast.Ident); ok {
							alias[n.Names[0].Name] = of.Name
						}
					}
				}
				if kind, ok := n.Type.(*ast.Ident); ok && strings.HasSuffix(kind.Name, "Cause") {
					value, err := strconv.Unquote(n.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values[n.Names[0].Name] = value
				}
			case *ast.CallExpr:
				if function, ok := n.Fun.(*ast.Ident); ok && function.Name == "newProblem" {
					constant, ok := n.Args[1].(*ast.Ident)
					if !ok {
						t.Errorf("%s makes a problem whose cause is no constant", name)
						return true
					}
					made[constant.Name] = true
				}
			}
			return true
		})
	}
	var all []string
	for name := range made {
		all = append(all, values[named(alias, name)])
	}
	slices.Sort(all)
	return all
}

func named(alias map[string]string, name string) string {
	if other, ok := alias[name]; ok {
		return other
	}
	return name
}
