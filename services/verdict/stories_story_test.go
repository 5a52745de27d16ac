package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestStories runs every story in every form, and those of one form in that one. At the end of
// each everything is accounted for and stopped.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			files, err := filepath.Glob("testdata/stories/*.txtar")
			if err != nil {
				t.Fatal(err)
			}
			own, err := filepath.Glob("testdata/stories/" + f.name + "/*.txtar")
			if err != nil {
				t.Fatal(err)
			}
			testscript.Run(t, testscript.Params{
				Files: append(files, own...), Cmds: storyCommands, RequireExplicitExec: true, ContinueOnError: true,
				Setup: func(env *testscript.Env) error { return setUpStory(t, f, env) },
			})
		})
	}
}

type storyKey struct{}

// story is an installation and what a script has asked of it.
type story struct {
	*installation
	heard *nats.Subscription
}

func setUpStory(t *testing.T, f form, env *testscript.Env) error {
	in, err := newInstallation(t, f, filepath.Join(env.WorkDir, ".installation"))
	if err != nil {
		return err
	}
	env.Values[storyKey{}] = &story{installation: in}
	for name, value := range in.settings {
		env.Setenv(name, value)
	}
	samples, err := filepath.Abs(filepath.Join("..", "..", "pkg", "provider"))
	if err != nil {
		return err
	}
	env.Setenv("SAMPLES", samples)
	env.Defer(func() {
		if err := in.kill(); err != nil {
			t.Error(err)
		}
	})
	return nil
}

// storyCommands is what stories are written in:
//
//	setting NAME=VALUE…   change settings for the next start; an empty value removes one
//	start, shutdown, crash
//	webhook [flags] PROVIDER SAMPLE [EDIT…]   sign a sample, changed by edits, and post it
//	request [flags] METHOD PATH [BODY-FILE]   send any request to the receiver
//	await PATH CONDITION…   ask the API until the conditions hold
//	api [-status N] PATH   ask the API once
//	stream NAME   print all messages of a stream
//	listen SUBJECT, heard   subscribe without credentials, print the next message
//	account   check what must always hold
var storyCommands = map[string]func(*testscript.TestScript, bool, []string){
	"setting":  storyCommand((*story).setting),
	"start":    storyCommand(func(s *story, _ *testscript.TestScript, _ []string) error { return s.start() }),
	"shutdown": storyCommand(func(s *story, _ *testscript.TestScript, _ []string) error { return s.stop() }),
	"crash":    storyCommand(func(s *story, _ *testscript.TestScript, _ []string) error { return s.kill() }),
	"account":  storyCommand(func(s *story, _ *testscript.TestScript, _ []string) error { return s.account() }),
	"webhook":  storyCommand((*story).webhook),
	"request":  storyCommand((*story).request),
	"await":    storyCommand((*story).await),
	"api":      storyCommand((*story).ask),
	"stream":   storyCommand((*story).stream),
	"listen":   storyCommand((*story).listen),
	"heard":    storyCommand((*story).hear),
}

func storyCommand(do func(*story, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("unsupported: !")
		}
		ts.Check(do(ts.Value(storyKey{}).(*story), ts, args))
	}
}

func (s *story) setting(ts *testscript.TestScript, args []string) error {
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", arg)
		}
		s.settings[name] = value
		ts.Setenv(name, value)
	}
	return nil
}

// webhook posts a sample, or a file of the story that is named with its directory, as in
// ./body.json.
func (s *story) webhook(ts *testscript.TestScript, args []string) error {
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	status := flags.Int("status", http.StatusOK, "the status that is expected")
	event := flags.String("event", "", "the event, where it is not the one of the sample")
	path := flags.String("path", "", "what follows the provider in the path, where it is not the one of the event")
	secret := flags.String("secret", "", "what to sign with")
	unsigned := flags.Bool("unsigned", false, "post the sample as it is")
	var swaps []string
	flags.Func("swap", "OLD=>NEW, which is replaced in the signed body", func(swap string) error {
		swaps = append(swaps, swap)
		return nil
	})
	if err := flags.Parse(args); err != nil || flags.NArg() < 2 {
		return fmt.Errorf("webhook [flags] PROVIDER SAMPLE [EDIT…]: %w", err)
	}
	name, sample, edits := flags.Arg(0), flags.Arg(1), flags.Args()[2:]
	p, err := storyProvider(name)
	if err != nil {
		return err
	}
	var body []byte
	if strings.HasPrefix(sample, "./") {
		body = []byte(ts.ReadFile(sample))
	} else {
		if body, err = os.ReadFile(samplePath(name, sample)); err != nil {
			return err
		}
		if *event == "" {
			if *event, err = eventOf(p, sample); err != nil {
				return err
			}
		}
	}
	if *secret == "" {
		*secret = newestSecret(name)
	}
	var w webhook
	if *unsigned {
		if body, err = edited(body, edits); err != nil {
			return err
		}
		w = webhook{provider: name, body: body}
	} else if w, err = signWebhook(p, *event, *secret, body, edits); err != nil {
		return err
	}
	if *path != "" {
		w.path = *path
	}
	for _, swap := range swaps {
		from, to, _ := strings.Cut(swap, "=>")
		if bytes.Count(w.body, []byte(from)) != 1 {
			return fmt.Errorf("%q is not in the body once: %s", from, w.body)
		}
		w.body = bytes.Replace(w.body, []byte(from), []byte(to), 1)
	}
	got, answer, err := s.post(w)
	return show(ts, *status, got, answer, err)
}

// request sends what no provider sends.
func (s *story) request(ts *testscript.TestScript, args []string) error {
	flags := flag.NewFlagSet("request", flag.ContinueOnError)
	status := flags.Int("status", http.StatusOK, "the status that is expected")
	size := flags.Int("size", 0, "post as many blanks")
	if err := flags.Parse(args); err != nil || flags.NArg() != 2 {
		return fmt.Errorf("request [flags] METHOD PATH: %w", err)
	}
	var body io.Reader
	if *size > 0 {
		body = bytes.NewReader(bytes.Repeat([]byte(" "), *size))
	}
	request, err := http.NewRequest(flags.Arg(0), "http://"+s.settings["VERDICT_HTTP_ADDR"]+flags.Arg(1), body)
	if err != nil {
		return err
	}
	got, answer, err := s.do(request)
	return show(ts, *status, got, answer, err)
}

// show prints an answer for the commands that look at it.
func show(ts *testscript.TestScript, want, got int, answer []byte, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintln(ts.Stdout(), string(answer))
	if got != want {
		return fmt.Errorf("answered with %d, want %d: %s", got, want, answer)
	}
	return nil
}

func (s *story) await(_ *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("await PATH CONDITION…")
	}
	conditions, err := parseConditions(args[1:])
	if err != nil {
		return err
	}
	return s.within("await "+args[0], func() error {
		answer, err := s.api(args[0])
		if err != nil {
			return err
		}
		return check(answer, conditions)
	})
}

func (s *story) ask(ts *testscript.TestScript, args []string) error {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	status := flags.Int("status", http.StatusOK, "the status that is expected")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		return fmt.Errorf("api [-status N] PATH: %w", err)
	}
	got, answer, err := s.get("http://" + s.settings["VERDICT_API_ADDR"] + flags.Arg(0))
	return show(ts, *status, got, answer, err)
}

// stream prints the messages of a stream: the subject, the headers of the envelope and, where
// it is JSON, the data.
func (s *story) stream(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("stream NAME")
	}
	messages, err := s.messages(args[0])
	if err != nil {
		return err
	}
	for _, m := range messages {
		printMessage(ts.Stdout(), m.Subject, m.Header, m.Data)
	}
	return nil
}

func printMessage(out io.Writer, subject string, header nats.Header, data []byte) {
	fmt.Fprintln(out, "subject", subject)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if strings.HasPrefix(name, "ce-") {
			fmt.Fprintln(out, name+":", header.Values(name)[0])
		}
	}
	if json.Valid(data) {
		fmt.Fprintf(out, "%s\n", data)
	}
}

// listen subscribes as everybody can in development mode.
func (s *story) listen(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("listen SUBJECT")
	}
	conn, err := nats.Connect("nats://" + s.settings["VERDICT_NATS_ADDR"])
	if err != nil {
		return err
	}
	ts.Defer(conn.Close)
	if s.heard, err = conn.SubscribeSync(args[0]); err != nil {
		return err
	}
	return conn.Flush()
}

func (s *story) hear(ts *testscript.TestScript, _ []string) error {
	m, err := s.heard.NextMsg(deadline)
	if err != nil {
		return err
	}
	printMessage(ts.Stdout(), m.Subject, m.Header, m.Data)
	return nil
}
