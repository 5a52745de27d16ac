package bench

import "testing"

func TestParseAnswer(t *testing.T) {
	for _, test := range []struct {
		name, text       string
		status           int
		close            bool
		complete, broken bool
	}{
		{"nothing yet", "", 0, false, false, false},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", 0, false, false, false},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", 200, false, false, false},
		{"whole", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, false, true, false},
		{"no body", "HTTP/1.1 503 Service Unavailable\r\nContent-Length:0\r\nX: y\r\n\r\n", 503, false, true, false},
		{"names in lower case", "HTTP/1.1 401 X\r\ncontent-length: 1\r\nconnection: close\r\n\r\n!", 401, true, true, false},
		{"more than a body", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", 200, false, false, true},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 200, false, false, true},
		{"no number as length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 200, false, false, true},
		{"a length beyond all", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 200, false, false, true},
		{"no number as status", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", 0, false, false, true},
		{"another protocol", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0, false, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			given, complete, broken := parseAnswer([]byte(test.text))
			if complete != test.complete || broken != test.broken {
				t.Fatalf("complete %t, broken %t", complete, broken)
			}
			if !broken && (given.status != test.status || given.close != test.close) {
				t.Errorf("given %+v", given)
			}
		})
	}
}
