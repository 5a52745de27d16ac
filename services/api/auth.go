package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// authority decides who may ask.
type authority struct {
	// token is the hash of the administrator's token, nil where there is none. Hashes are compared, so that not even the token's length
	// can be measured.
	token []byte
	dev   bool
}

func newAuthority(token string, dev bool) authority {
	a := authority{dev: dev}
	if token != "" {
		a.token = hash(token)
	}
	return a
}

// admits reports whether the request may be answered.
func (a authority) admits(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if a.token != nil && strings.EqualFold(scheme, "Bearer") && hmac.Equal(hash(strings.TrimSpace(token)), a.token) {
		return true
	}
	return a.dev && local(r)
}

// local reports whether the request was meant for this machine. The Host is what counts, not the peer's address: a page of a stranger
// whose name resolves to a loopback address makes the browser connect from here, but with the stranger's name in it. A request that
// came through a proxy is not local, however it looks.
func local(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
			return false
		}
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && address.IsLoopback()
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
