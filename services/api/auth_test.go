package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAuthority(t *testing.T) {
	s := newSeeded(t)
	for name, test := range map[string]struct {
		dev    bool
		token  string // of the configuration
		host   string
		header map[string]string
		admit  bool
	}{
		"token":                     {token: token, host: "api.example", header: map[string]string{"Authorization": "Bearer " + token}, admit: true},
		"scheme in lower case":      {token: token, host: "api.example", header: map[string]string{"Authorization": "bearer " + token}, admit: true},
		"no token":                  {token: token, host: "api.example"},
		"no token, local":           {token: token, host: "127.0.0.1:8081"},
		"wrong token":               {token: token, host: "api.example", header: map[string]string{"Authorization": "Bearer " + token + "0"}},
		"beginning of the token":    {token: token, host: "api.example", header: map[string]string{"Authorization": "Bearer " + token[:4]}},
		"empty token":               {token: token, host: "api.example", header: map[string]string{"Authorization": "Bearer "}},
		"another scheme":            {token: token, host: "api.example", header: map[string]string{"Authorization": "Basic " + token}},
		"the token alone":           {token: token, host: "api.example", header: map[string]string{"Authorization": token}},
		"dev, token":                {dev: true, token: token, host: "api.example", header: map[string]string{"Authorization": "Bearer " + token}, admit: true},
		"dev, no token is set":      {dev: true, host: "api.example", header: map[string]string{"Authorization": "Bearer "}},
		"dev, localhost":            {dev: true, token: token, host: "localhost:8081", admit: true},
		"dev, Localhost":            {dev: true, token: token, host: "LOCALHOST", admit: true},
		"dev, 127.0.0.1":            {dev: true, token: token, host: "127.0.0.1:8081", admit: true},
		"dev, 127.9.9.9":            {dev: true, token: token, host: "127.9.9.9", admit: true},
		"dev, ::1":                  {dev: true, token: token, host: "[::1]:8081", admit: true},
		"dev, ::1 without port":     {dev: true, token: token, host: "[::1]", admit: true},
		"dev, wrong token, local":   {dev: true, token: token, host: "localhost", header: map[string]string{"Authorization": "Bearer x"}, admit: true},
		"dev, rebound name":         {dev: true, token: token, host: "evil.example:8081"},
		"dev, name of an address":   {dev: true, token: token, host: "127.0.0.1.evil.example"},
		"dev, subdomain":            {dev: true, token: token, host: "localhost.evil.example"},
		"dev, end of localhost":     {dev: true, token: token, host: "evil-localhost"},
		"dev, another address":      {dev: true, token: token, host: "10.0.0.1:8081"},
		"dev, unspecified address":  {dev: true, token: token, host: "0.0.0.0:8081"},
		"dev, no host":              {dev: true, token: token, host: ""},
		"dev, Forwarded":            {dev: true, token: token, host: "localhost", header: map[string]string{"Forwarded": "for=192.0.2.1"}},
		"dev, X-Forwarded-For":      {dev: true, token: token, host: "localhost", header: map[string]string{"x-forwarded-for": "192.0.2.1"}},
		"dev, X-Forwarded-Host":     {dev: true, token: token, host: "localhost", header: map[string]string{"X-Forwarded-Host": "x"}},
		"dev, X-Forwarded-anything": {dev: true, token: token, host: "localhost", header: map[string]string{"X-Forwarded-Client-Cert": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.config.Dev, s.config.AdminToken = test.dev, test.token
			for _, path := range []string{"/v1/stats", "/v1/verifications", "/v1/nothing"} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				r.Host = test.host
				for name, value := range test.header {
					r.Header.Set(name, value)
				}
				w := s.send(r)
				if admitted := w.Code != http.StatusUnauthorized; admitted != test.admit {
					t.Errorf("%s: status %d", path, w.Code)
				}
				if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged == test.admit {
					t.Errorf("%s: WWW-Authenticate %q", path, w.Header().Get("WWW-Authenticate"))
				}
			}
		})
	}
}

// Every path below /v1 asks for the token, and none outside does.
func TestEveryPathIsPrivate(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	s.config.Metrics = counted
	for path, private := range map[string]bool{
		"/v1/verifications":                                  true,
		"/v1/verifications/idenfy/id_verification/s1":        true,
		"/v1/verifications/idenfy/id_verification/s1/events": true,
		"/v1/verifications/idenfy/id_verification/s1/claims": true,
		"/v1/applicants/idenfy/client-1":                     true,
		"/v1/stream":                                         true,
		"/v1/deliveries":                                     true,
		"/v1/stats":                                          true,
		"/v1/":                                               true,
		"/livez":                                             false,
		"/readyz":                                            false,
		"/metrics":                                           false,
		"/":                                                  false,
	} {
		w := s.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if (w.Code == http.StatusUnauthorized) != private {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}
