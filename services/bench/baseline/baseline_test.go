package baseline

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func post(url, secret, body string) (int, error) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// The roofline does what it is said to: it checks, and what it has taken is in its stream.
func TestRooflineKeepsWhatItTakes(t *testing.T) {
	config := RooflineConfig{Dir: t.TempDir(), Addr: freeAddr(t), Header: "Signature", Prefix: "v1=", Secret: "right"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Roofline(ctx, config) }()
	url := "http://" + config.Addr + "/webhooks/x"
	for deadline := time.Now().Add(time.Minute); ; {
		status, err := post(url, "wrong", "{}")
		if err == nil {
			if status != http.StatusUnauthorized {
				t.Errorf("a wrong signature is answered with %d", status)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	const count = 3
	for i := range count {
		if status, err := post(url, "right", fmt.Sprintf(`{"n":%d}`, i)); status != http.StatusOK || err != nil {
			t.Errorf("answer %d, %v", status, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	addr := freeAddr(t)
	server, err := StartServer(config.Dir, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	password, err := Password(config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Connect(URL(addr, password))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if got, err := reader.Count(t.Context(), stream); got != count || err != nil {
		t.Errorf("%d messages are kept, %v; want %d", got, err, count)
	}
	if took, err := reader.CountOnly(t.Context(), stream, count); err != nil || took <= 0 {
		t.Errorf("counting: %v, %v", took, err)
	}
	for range 2 { // It leaves nothing behind that would change the second time.
		if took, err := reader.AckOnly(t.Context(), stream, count); err != nil || took <= 0 {
			t.Errorf("acks: %v, %v", took, err)
		}
	}
}
