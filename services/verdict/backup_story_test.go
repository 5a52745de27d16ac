package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/services/doctor"
)

// keysElsewhere keeps the keys where no backup, and no loss of the data directory, finds them.
func (in *installation) keysElsewhere() {
	in.settings["VERDICT_KEY_DIR"] = filepath.Join(in.dir, "keys")
}

// mustBeWell has the doctor look at everything, once it has come to rest.
func (in *installation) mustBeWell(t *testing.T) {
	t.Helper()
	must(t, in.within("be well", func() error {
		_, err := in.examine()
		return err
	}))
}

// examine has the doctor look at everything.
func (in *installation) examine() (report doctor.Report, err error) {
	s := in.command(nil, "doctor", "--json", "--settle", "200ms")
	if s.status != 0 {
		err = fmt.Errorf("doctor: %d\n%s%s", s.status, s.out, s.errs)
	}
	return report, errors.Join(json.Unmarshal([]byte(s.out), &report), err)
}

// loseData ends everything and removes all that is in the data directory.
func (in *installation) loseData(t *testing.T) {
	t.Helper()
	must(t, in.kill())
	must(t, os.RemoveAll(in.data()))
	must(t, os.MkdirAll(in.data(), 0o700))
}

// startBroker starts the broker where it is a process of its own.
func (in *installation) startBroker(t *testing.T) {
	t.Helper()
	if slices.Contains(in.form.roles, broker) {
		must(t, in.startRole(broker))
		must(t, in.within("reach the broker", func() error {
			conn, err := in.connect()
			if err == nil {
				conn.Close()
			}
			return err
		}))
	}
}

// A backup is made under load, the data directory is lost, and what the backup has is restored: everything that was taken before the backup is there, and when the
// providers have sent the rest again, everything is as if nothing had happened.
func TestBackupAndRestore(t *testing.T) {
	eachInFiles(t, func(t *testing.T, in *installation) {
		in.keysElsewhere()
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		traffic := startTraffic(in, loadSize)
		traffic.awaitProgress(loadSize / 4)
		in.mu.Lock()
		before := slices.Clone(in.taken)
		in.mu.Unlock()
		dir := filepath.Join(in.dir, "backup")
		in.mustSay(t, "backup", "--to", dir)
		must(t, traffic.wait())
		holdsNoSecrets(t, in, dir)
		in.mustRefuse(t, "is not empty", "backup", "--to", dir)
		in.mustRefuse(t, "is not empty", "restore", "--from", dir)

		in.loseData(t)
		in.startBroker(t)
		in.mu.Lock()
		in.taken = before
		in.mu.Unlock()
		// What a crash leaves that comes while a restore begins.
		must(t, os.WriteFile(filepath.Join(in.data(), restoreNoteName+durable.Unfinished), []byte("{"), 0o600))
		in.mustSay(t, "restore", "--from", dir)
		must(t, in.start())
		must(t, in.account())
		in.mustBeWell(t)
		holdsClaims(t, in)
		// Of a spool that is lost nobody is heard again: deadlines must not wait for it.
		if spools, err := in.messages("KYC_SPOOLS"); err != nil || len(spools) > 1 {
			t.Errorf("%d spools are waited for, want that of the only receiver: %v", len(spools), err)
		}

		must(t, startTraffic(in, loadSize).wait())
		must(t, in.account())
		must(t, allApprovedOf(in, loadSize))
		in.mustBeWell(t)
		must(t, in.stop())
	})
}

// allApprovedOf checks that the verifications of a load are approved, and not the others.
func allApprovedOf(in *installation, size int) error {
	return in.within("approve all", func() error {
		rows, err := pages[fact](in, "/v1/verifications?provider=idenfy&status=approved&limit=500")
		approved := map[string]bool{}
		for _, r := range rows {
			if strings.Contains(r.ID, "/load-") {
				approved[r.ID] = true
			}
		}
		if err == nil && len(approved) != size {
			err = fmt.Errorf("%d of %d verifications are approved", len(approved), size)
		}
		return err
	})
}

// holdsClaims checks that the claims, which no backup has, were made again.
func holdsClaims(t *testing.T, in *installation) {
	t.Helper()
	must(t, in.within("have claims", func() error {
		body, err := in.api("/v1/verifications/idenfy/id_verification/load-0/claims")
		if err == nil && !bytes.Contains(body, []byte(`"given_name":"`)) {
			err = fmt.Errorf("there are no claims: %s", body)
		}
		return err
	}))
}

// holdsNoSecrets checks that nothing in a backup opens anything: neither keys nor passwords, tokens and secrets, nor personal data.
func holdsNoSecrets(t *testing.T, in *installation, dir string) {
	t.Helper()
	secrets := [][]byte{[]byte(storyMasterKey), []byte(storyAdminToken), []byte(in.settings["VERDICT_MASTER_KEY"])}
	for _, list := range storySecrets {
		for secret := range strings.SplitSeq(list, ",") {
			secrets = append(secrets, []byte(secret))
		}
	}
	if password, err := os.ReadFile(filepath.Join(in.data(), "nats-admin-password")); err == nil {
		secrets = append(secrets, bytes.TrimSpace(password))
	}
	keys := 0
	must(t, filepath.WalkDir(in.settings["VERDICT_KEY_DIR"], func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		secrets = append(secrets, content)
		keys++
		return err
	}))
	if keys < 2 {
		t.Fatalf("there are %d keys to look for", keys)
	}
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range secrets {
			if bytes.Contains(content, secret) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return nil
	}))
	if files < 10 {
		t.Fatalf("there are %d files in the backup", files)
	}
}

// An archive has what the stream forgets; a state and a read model that are lost are made anew with it, and nothing is told twice.
func TestArchive(t *testing.T) {
	eachInFiles(t, func(t *testing.T, in *installation) {
		in.keysElsewhere()
		want := undisturbed(t)
		must(t, in.start())
		all := everything(t)
		must(t, in.deliverAll(all))
		must(t, in.account())
		in.mustRefuse(t, "there is nothing to archive", "archive", "plan", "--before", "1")
		in.mustRefuse(t, "the stream ends at", "archive", "plan", "--before", "100000")
		in.mustRefuse(t, "nor a position", "archive", "plan", "--before", "soon")
		in.mustRefuse(t, "choose an earlier --before", "archive", "run", "--before", "20")
		team := in.addTeam(t)
		in.mustRefuse(t, "these consumers have not read all of it: team", "archive", "run", "--before", "20", "--young")
		in.mustRefuse(t, `no durable consumer "nobody"`, "archive", "run", "--before", "20", "--young", "--ignore-consumers", "nobody")
		if _, err := os.Stat(filepath.Join(in.data(), "archive")); err == nil {
			t.Error("a refused archive has left something")
		}
		var plan archivePlan
		must(t, json.Unmarshal([]byte(in.mustSay(t, "archive", "plan", "--before", "20", "--young", "--json")), &plan))
		if plan.Events != 19 || len(plan.Behind) != 1 || plan.Behind[0].Name != team {
			t.Errorf("plan %+v", plan)
		}
		in.mustSay(t, "archive", "run", "--before", "20", "--young", "--ignore-consumers", team)
		in.mustRefuse(t, "name the directory of the archive that has it", "archive", "run", "--before", "30", "--young", "--ignore-consumers", team,
			"--to", filepath.Join(in.dir, "elsewhere"))
		in.mustBeWell(t)
		in.mustSay(t, "archive", "run", "--before", "30", "--young", "--ignore-consumers", team)
		in.mustBeWell(t)
		must(t, in.deliverAll(all[:3]))
		in.mustBeWell(t)
		in.mustBeIn(t, want)
		must(t, in.kill())
		must(t, in.remove("lifecycle-*.db*"))
		must(t, in.start())
		must(t, in.deliverAll(all))
		in.mustBeWell(t)
		in.mustBeIn(t, want)
		dir := filepath.Join(in.dir, "backup")
		in.mustSay(t, "backup", "--to", dir)
		in.loseData(t)
		in.startBroker(t)
		in.mustSay(t, "restore", "--from", dir)
		must(t, in.start())
		in.mustBeWell(t)
		in.mustBeIn(t, want)
		must(t, in.stop())
	})
}

// mustEndAs checks that all is accounted for and the verifications are in these states.
func (in *installation) mustEndAs(t *testing.T, want map[string]state) {
	t.Helper()
	must(t, in.account())
	in.mustBeIn(t, want)
	must(t, in.stop())
}

// mustBeIn checks the states of the verifications.
func (in *installation) mustBeIn(t *testing.T, want map[string]state) {
	t.Helper()
	got, err := in.states()
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-undisturbed +now):\n%s", diff)
	}
}

// addTeam makes a durable consumer that has read nothing, and returns its name.
func (in *installation) addTeam(t *testing.T) string {
	t.Helper()
	conn, err := in.connect()
	must(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	must(t, err)
	_, err = js.CreateConsumer(t.Context(), "KYC_VERIFICATIONS", jetstream.ConsumerConfig{Durable: "team", AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	return "team"
}

// Bad input is refused before anything is written.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, allInOne)
	in.keysElsewhere()
	must(t, in.start())
	must(t, in.deliverAll(everything(t)))
	dir := filepath.Join(in.dir, "backup")
	in.mustSay(t, "backup", "--to", dir)
	in.mustRefuse(t, "choose another directory; nothing was written to "+dir, "backup", "--to", dir)
	in.mustSay(t, "archive", "run", "--before", "0s", "--young")
	in.mustRefuse(t, "there is nothing to archive: the stream has no events", "archive", "run", "--before", "0s", "--young")
	in.loseData(t)

	in.mustRefuse(t, "is no backup, or one that was not finished", "restore", "--from", t.TempDir())
	other := in.settings["VERDICT_INSTANCE"]
	in.settings["VERDICT_INSTANCE"] = "other"
	in.mustRefuse(t, "set VERDICT_INSTANCE=default", "restore", "--from", dir)
	in.settings["VERDICT_INSTANCE"] = other
	for name, damage := range map[string]func(path string) error{
		"is not what was written": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"is missing":              os.Remove,
	} {
		damaged := filepath.Join(t.TempDir(), "backup")
		must(t, os.CopyFS(damaged, os.DirFS(dir)))
		must(t, damage(filepath.Join(damaged, "streams", "KYC_DEAD.snapshot")))
		in.mustRefuse(t, name, "restore", "--from", damaged)
	}
	entries, err := os.ReadDir(in.data())
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("refused restores have left %v", entries)
	}
	in.mustRefuse(t, "there is no Verdict in the data directory", "backup", "--to", filepath.Join(in.dir, "another"))
}
