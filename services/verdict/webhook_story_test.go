package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

// webhook is one webhook, ready to be posted.
type webhook struct {
	provider string
	path     string // behind the provider, and the URL token
	header   map[string]string
	body     []byte
}

// taken is a webhook that was answered with 200.
type taken struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func storyProvider(name string) (*provider.Provider, error) {
	return findProvider(all.Providers(), name)
}

// samplePath is where a documented payload of a provider lies.
func samplePath(providerName, name string) string {
	return filepath.Join("..", "..", "pkg", "provider", providerName, "samples", name+".json")
}

// eventOf returns the event of a sample, whose name begins with the event's token.
func eventOf(p *provider.Provider, sample string) (string, error) {
	token, _, _ := strings.Cut(sample, ".")
	for _, e := range p.Events {
		if provider.Token(e.Name) == token {
			return e.Name, nil
		}
	}
	return "", fmt.Errorf("no event of %s is called %q", p.Name, token)
}

// newWebhook signs a sample with edits as its provider would.
func newWebhook(providerName, sample string, edits ...string) (webhook, error) {
	p, err := storyProvider(providerName)
	if err != nil {
		return webhook{}, err
	}
	event, err := eventOf(p, sample)
	if err != nil {
		return webhook{}, err
	}
	body, err := os.ReadFile(samplePath(providerName, sample))
	if err != nil {
		return webhook{}, err
	}
	return signWebhook(p, event, newestSecret(providerName), body, edits)
}

// newestSecret is the secret that a provider signs with.
func newestSecret(providerName string) string {
	newest, _, _ := strings.Cut(storySecrets[providerName], ",")
	return newest
}

func signWebhook(p *provider.Provider, event, secret string, body []byte, edits []string) (webhook, error) {
	body, err := edited(body, edits)
	if err != nil {
		return webhook{}, err
	}
	signed, err := p.Sign(event, body, secret)
	if err != nil {
		return webhook{}, err
	}
	return webhook{provider: p.Name, path: signed.Path, header: signed.Header, body: signed.Body}, nil
}

// edited changes values of a payload. An edit is path=value, where the value is JSON or else a
// string, or path- to remove a member; a path is names and positions with dots between them.
func edited(body []byte, edits []string) ([]byte, error) {
	if len(edits) == 0 {
		return body, nil
	}
	document, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	for _, edit := range edits {
		path, text, set := strings.Cut(edit, "=")
		var value any = removed{}
		if set {
			if value, err = decodeJSON([]byte(text)); err != nil {
				value = text
			}
		} else if path, set = strings.CutSuffix(edit, "-"); !set {
			return nil, fmt.Errorf("edit %q is neither path=value nor path-", edit)
		}
		if err := put(document, strings.Split(path, "."), value); err != nil {
			return nil, fmt.Errorf("edit %q: %w", edit, err)
		}
	}
	return encodeJSON(document)
}

// removed stands for the value of a member that is to go.
type removed struct{}

func put(node any, path []string, value any) error {
	child, err := descend(node, path[:len(path)-1])
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	switch node := child.(type) {
	case map[string]any:
		node[last] = value
		if value == (removed{}) {
			delete(node, last)
		}
		return nil
	case []any:
		if i, err := strconv.Atoi(last); err == nil && i < len(node) {
			node[i] = value
			return nil
		}
	}
	return fmt.Errorf("there is no %s", last)
}

// descend follows a path of names and positions; len is the length of a list.
func descend(node any, path []string) (any, error) {
	for _, name := range path {
		switch inner := node.(type) {
		case map[string]any:
			value, ok := inner[name]
			if !ok {
				return nil, fmt.Errorf("there is no %s", name)
			}
			node = value
		case []any:
			if name == "len" {
				node = json.Number(strconv.Itoa(len(inner)))
				continue
			}
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(inner) {
				return nil, fmt.Errorf("there is no position %s", name)
			}
			node = inner[i]
		default:
			return nil, fmt.Errorf("there is no %s", name)
		}
	}
	return node, nil
}

func decodeJSON(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("there is more behind the value")
	}
	return value, nil
}

func encodeJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// post sends a webhook once. A webhook that is answered with 200 is remembered.
func (in *installation) post(w webhook) (status int, answer []byte, err error) {
	target := "http://" + in.settings["VERDICT_HTTP_ADDR"] + "/webhooks/" + w.provider
	if token := in.settings["VERDICT_URL_TOKEN_"+strings.ToUpper(w.provider)]; token != "" {
		target += "/~" + token
	}
	request, err := http.NewRequest(http.MethodPost, target+w.path, bytes.NewReader(w.body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range w.header {
		request.Header.Set(name, value)
	}
	status, answer, err = in.do(request)
	if err == nil && status == http.StatusOK {
		var t taken
		if err := json.Unmarshal(answer, &t); err != nil {
			return 0, nil, fmt.Errorf("answer to a webhook: %w", err)
		}
		in.mu.Lock()
		in.taken = append(in.taken, t)
		in.mu.Unlock()
	}
	return status, answer, err
}

// deliver sends a webhook as its provider does: again and again until it is taken.
func (in *installation) deliver(w webhook) error {
	return in.within("deliver a webhook", func() error {
		status, answer, err := in.post(w)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("answered with %d: %s", status, answer)
		}
		return err
	})
}

// do sends a request and reads the answer whole.
func (in *installation) do(request *http.Request) (int, []byte, error) {
	response, err := in.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// get asks as the holder of the admin token.
func (in *installation) get(url string) (int, []byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if token := in.settings["VERDICT_ADMIN_TOKEN"]; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return in.do(request)
}

// api asks the API; anything but 200 is an error.
func (in *installation) api(path string) ([]byte, error) {
	status, body, err := in.get("http://" + in.settings["VERDICT_API_ADDR"] + path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d: %s", path, status, body)
	}
	return body, err
}

// change asks the API to change something.
func (in *installation) change(path, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequest(http.MethodPost, "http://"+in.settings["VERDICT_API_ADDR"]+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+storyAdminToken)
	request.Header.Set("Content-Type", "application/json")
	return in.do(request)
}
