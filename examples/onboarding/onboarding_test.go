package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	// patience is how long anything that must happen may take, and pollPause is between two looks.
	patience  = time.Minute
	pollPause = 50 * time.Millisecond
)

// A team that comes late begins with the states that there are, and goes on with what comes meanwhile, while webhooks flow and both its program
// and Verdict are killed again and again: there is no gap, and nothing is told twice.
func TestLateTeam(t *testing.T) {
	in := newInstallation(t)
	verdict := in.start("verdict", "up")
	in.awaitReady()
	// What was there before.
	if err := in.command("verdict", "simulate", "--count", "60", "--seed", "1").Run(); err != nil {
		t.Fatalf("simulate: %v", err)
	}
	in.await("the states", func() error {
		states, err := in.states()
		if err == nil && len(states) == 0 {
			err = errors.New("there are none")
		}
		return err
	})

	traffic := in.start("verdict", "simulate", "--count", "400", "--seed", "2", "--rate", "60", "--duplicates", "0.1", "--speed", "300", "--json")
	for round := range 4 {
		team := in.start("onboarding", in.team()...)
		before := in.news()
		in.await("more news", func() error {
			if now := in.news(); now < before+20 {
				return fmt.Errorf("%d lines", now)
			}
			return nil
		})
		team.kill()
		if round == 1 {
			verdict.kill()
			verdict = in.start("verdict", "up")
			in.awaitReady()
		}
	}
	<-traffic.ended
	in.start("onboarding", in.team()...)
	in.await("the states of the team to be those of Verdict", func() error {
		want, err := in.states()
		if err != nil {
			return err
		}
		got, err := in.customers()
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			err = errors.New(diff)
		}
		return err
	})
	in.checkNews()
}

// checkNews checks that each version was told once and in order, and none left out but those that a state stands for.
func (in *installation) checkNews() {
	in.t.Helper()
	rows, err := in.db().Query(`SELECT verification, version, state FROM news ORDER BY number`)
	if err != nil {
		in.t.Fatal(err)
	}
	defer rows.Close()
	last := map[string]int{}
	for rows.Next() {
		var id string
		var version int
		var state bool
		if err := rows.Scan(&id, &version, &state); err != nil {
			in.t.Fatal(err)
		}
		if before := last[id]; version <= before || version > before+1 && !state {
			in.t.Errorf("version %d of %s follows %d", version, id, before)
		}
		last[id] = version
	}
	if err := rows.Err(); err != nil || len(last) < 100 {
		in.t.Errorf("news of %d verifications: %v", len(last), err)
	}
	var aside int
	if err := in.db().QueryRow(`SELECT count(*) FROM aside`).Scan(&aside); err != nil || aside > 0 {
		in.t.Errorf("%d events were given up: %v", aside, err)
	}
}

// installation is a Verdict in development mode with a directory and ports of its own, and a team's database beside it.
type installation struct {
	t                     *testing.T
	dir                   string
	webhooks, api, broker string
	handle                *sql.DB
}

func newInstallation(t *testing.T) *installation {
	in := &installation{t: t, dir: t.TempDir(), webhooks: freeAddr(t), api: freeAddr(t), broker: freeAddr(t)}
	for name, path := range map[string]string{"verdict": "../../services/verdict", "onboarding": "."} {
		build := exec.Command("go", "build", "-o", filepath.Join(in.dir, name), path)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return in
}

func freeAddr(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (in *installation) data() string { return filepath.Join(in.dir, "data") }

func (in *installation) team() []string {
	return []string{
		"-nats", "nats://" + in.broker, "-password-file", filepath.Join(in.data(), "nats-admin-password"),
		"-api", "http://" + in.api, "-db", filepath.Join(in.dir, "team.db"),
	}
}

func (in *installation) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(in.dir, name), args...)
	c.Env = append(os.Environ(), "VERDICT_DEV=1", "VERDICT_DATA_DIR="+in.data(),
		"VERDICT_HTTP_ADDR="+in.webhooks, "VERDICT_API_ADDR="+in.api, "VERDICT_NATS_ADDR="+in.broker)
	return c
}

// process is a program that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts a program that ends with the test.
func (in *installation) start(name string, args ...string) *process {
	in.t.Helper()
	p := &process{t: in.t, cmd: in.command(name, args...), ended: make(chan struct{})}
	log, err := os.CreateTemp(in.dir, name+"-*.log")
	if err != nil {
		in.t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // Most are killed.
	}()
	in.t.Cleanup(func() {
		p.kill()
		if text, err := os.ReadFile(log.Name()); err == nil && in.t.Failed() {
			in.t.Logf("%s:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
	return p
}

// kill ends it as a crash does.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.ended
}

func (in *installation) await(what string, do func() error) {
	in.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(pollPause) {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			in.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

func (in *installation) awaitReady() {
	in.t.Helper()
	for _, addr := range []string{in.webhooks, in.api} {
		in.await("readiness", func() error {
			_, err := get("http://" + addr + "/readyz")
			return err
		})
	}
}

// customer is what the team should know of a verification.
type customer struct {
	Version int    `json:"version"`
	Status  string `json:"status"`
}

// states are the cases that Verdict tells of, by id.
func (in *installation) states() (map[string]customer, error) {
	all := map[string]customer{}
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				ID string `json:"id"`
				customer
			} `json:"data"`
			Meta struct {
				NextCursor *string `json:"next_cursor"`
			} `json:"meta"`
		}
		body, err := get("http://" + in.api + "/v1/verifications?scope=case&sandbox=false&limit=500" + cursor)
		if err == nil {
			err = json.Unmarshal(body, &page)
		}
		if err != nil {
			return nil, err
		}
		for _, one := range page.Data {
			all[one.ID] = one.customer
		}
		if page.Meta.NextCursor == nil {
			return all, nil
		}
		cursor = "&cursor=" + url.QueryEscape(*page.Meta.NextCursor)
	}
}

func get(address string) ([]byte, error) {
	response, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}

// db is the team's database, seen from outside.
func (in *installation) db() *sql.DB {
	if in.handle == nil {
		var err error
		in.handle, err = sql.Open("sqlite", "file:"+filepath.Join(in.dir, "team.db")+"?mode=ro&_pragma=busy_timeout(5000)")
		if err != nil {
			in.t.Fatal(err)
		}
		in.t.Cleanup(func() {
			if err := in.handle.Close(); err != nil {
				in.t.Error(err)
			}
		})
	}
	return in.handle
}

// news counts what was told; there may be no table yet.
func (in *installation) news() (count int) {
	if err := in.db().QueryRow(`SELECT count(*) FROM news`).Scan(&count); err != nil {
		return 0
	}
	return count
}

func (in *installation) customers() (map[string]customer, error) {
	rows, err := in.db().Query(`SELECT verification, version, status FROM customer`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]customer{}
	for rows.Next() {
		var id string
		var c customer
		if err := rows.Scan(&id, &c.Version, &c.Status); err != nil {
			return nil, err
		}
		all[id] = c
	}
	return all, rows.Err()
}
