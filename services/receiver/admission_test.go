package receiver

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPlaces keeps the number of requests at its bound: some wait, the others are sent away.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := newAdmission()
		var leave func()
		for range maxInFlight {
			var err error
			if leave, err = a.enter(ctx); err != nil {
				t.Fatal(err)
			}
		}
		entered := make(chan error, maxWaiting)
		for range maxWaiting {
			go func() {
				_, err := a.enter(ctx)
				entered <- err
			}()
		}
		synctest.Wait()
		if _, err := a.enter(ctx); !errors.Is(err, errBusy) {
			t.Errorf("one too many waits: %v", err)
		}
		leave()
		if err := <-entered; err != nil {
			t.Errorf("a place is free, and nobody enters: %v", err)
		}
		for range maxWaiting - 1 {
			if err := <-entered; !errors.Is(err, errBusy) {
				t.Errorf("entered without a place: %v", err)
			}
		}
		if ctx.Err() == nil {
			t.Error("those who wait do not wait for the whole budget")
		}
	})
}

// TestLargeBodies keeps the number of large bodies at its bound, and small ones free of it.
func TestLargeBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := newAdmission()
		large := func() (func(), error) {
			_, leave, err := a.read(ctx, strings.NewReader(strings.Repeat("x", smallBody+1)), bodyLimit, bodyLimit)
			return leave, err
		}
		var leave func()
		for range maxLarge {
			var err error
			if leave, err = large(); err != nil {
				t.Fatal(err)
			}
		}
		if body, _, err := a.read(ctx, strings.NewReader("small"), bodyLimit, bodyLimit); err != nil || string(body) != "small" {
			t.Errorf("a small body: %q, %v", body, err)
		}
		leave()
		if _, err := large(); err != nil {
			t.Errorf("a place is free: %v", err)
		}
		if _, err := large(); !errors.Is(err, errBusy) {
			t.Errorf("one large body too many: %v", err)
		}
	})
}

// TestReadErrors tells a body that is too large from one that breaks off.
func TestReadErrors(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("half"), brokenReader{})
	for _, c := range []struct {
		src   io.Reader
		limit int64
		size  int
		want  error
	}{
		{strings.NewReader("0123456789"), 10, 10, nil},
		{strings.NewReader("0123456789x"), 10, 11, errTooLarge},
		{broken, 10, 4, io.ErrUnexpectedEOF},
	} {
		body, leave, err := newAdmission().read(t.Context(), c.src, -1, c.limit)
		leave()
		if !errors.Is(err, c.want) || len(body) != c.size {
			t.Errorf("%d bytes and %v, want %d and %v", len(body), err, c.size, c.want)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
