package store

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Staging is what deliveries say when they are read once more, sorted by verification, until a state has taken it over. It is a file of
// SQLite, so that memory does not grow with the number of deliveries. A process that is killed leaves it sound; a power cut may damage
// it, and it is made anew then.
type Staging struct {
	db   *database
	path string
}

// StagedDelivery is a delivery that was read once more.
type StagedDelivery struct {
	Seq    uint64
	ID     string // of the webhook event
	Event  string
	Result string
	// Whole reports that Readings is all that it says.
	Whole     bool
	Readings  []StagedReading
	Sightings []verification.Signal
	// Verifications are those that it tells of.
	Verifications []string

	// Before is the outcome that it had before where it had made no event. Applied is whether it has made an event now, LeftOut whether
	// some of what it says was left out.
	Before           string
	Applied, LeftOut bool
}

// StagedReading is what a delivery says of one verification. Cause is the delivery itself.
type StagedReading struct {
	Key    RecordKey
	Seq    uint64
	Signal verification.Signal
}

const markWork = "work"

// OpenStaging opens the staging of a piece of work, which was begun before or is empty. What is there of another one is removed.
// It returns ErrLeased while anybody has it open.
func OpenStaging(ctx context.Context, dir, name, work string) (*Staging, error) {
	s, err := openStaging(ctx, dir, name)
	if err == nil {
		var known string
		if known, err = s.Mark(ctx, markWork); err == nil && known == work {
			return s, nil
		}
		if closed := s.db.close(); err == nil {
			err = closed
		}
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, wrap("open staging", err)
	}
	if err := removeDatabase(filepath.Join(dir, name+".db")); err != nil {
		return nil, wrap("open staging", err)
	}
	if s, err = openStaging(ctx, dir, name); err != nil {
		return nil, wrap("open staging", err)
	}
	if err := s.SetMark(ctx, markWork, work); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func openStaging(ctx context.Context, dir, name string) (*Staging, error) {
	db, err := openDatabase(ctx, Location{Dir: dir}, schema{name: "staging", file: name + ".db", synchronous: "OFF"})
	if err != nil {
		return nil, err
	}
	return &Staging{db: db, path: filepath.Join(dir, name+".db")}, nil
}

// RemoveStaging removes what is there under a name, whosever it is.
func RemoveStaging(dir, name string) error {
	path := filepath.Join(dir, name+".db")
	return wrap("remove staging", removeFiles(path+"-wal", path+"-shm", path, path+".lock"))
}

// Close closes the file, to be opened again later.
func (s *Staging) Close() error { return wrap("close staging", s.db.close()) }

// Remove closes the file and removes it.
func (s *Staging) Remove() error {
	err := removeDatabase(s.path)
	return wrap("remove staging", errors.Join(err, s.db.close(), removeFiles(s.path+"-wal", s.path+"-shm", s.path+".lock")))
}

// Mark returns what was noted under a name, empty where nothing was.
func (s *Staging) Mark(ctx context.Context, name string) (value string, err error) {
	_, err = s.db.read().one(ctx, []any{&value}, `SELECT value FROM staging_mark WHERE name = $1`, name)
	return value, wrap("read staging", err)
}

// SetMark notes something under a name.
func (s *Staging) SetMark(ctx context.Context, name, value string) error {
	err := s.db.update(ctx, func(on statements) error { return setMark(ctx, on, name, value) })
	return wrap("write staging", err)
}

func setMark(ctx context.Context, on statements, name, value string) error {
	_, err := on.exec(ctx, `INSERT INTO staging_mark (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// Put writes deliveries that were read, and a mark that says how far that is.
func (s *Staging) Put(ctx context.Context, deliveries []StagedDelivery, mark, value string) error {
	err := s.db.update(ctx, func(on statements) error {
		for i := range deliveries {
			if err := putStaged(ctx, on, &deliveries[i]); err != nil {
				return err
			}
		}
		return setMark(ctx, on, mark, value)
	})
	return wrap("write staging", err)
}

func putStaged(ctx context.Context, on statements, d *StagedDelivery) error {
	verifications, err := json.Marshal(d.Verifications)
	if err != nil {
		return errUnreadable
	}
	_, err = on.exec(ctx, `
		INSERT INTO staging_delivery (seq, id, event, result, whole, verifications) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (seq) DO UPDATE SET id = excluded.id, event = excluded.event, result = excluded.result, whole = excluded.whole,
			verifications = excluded.verifications`,
		int64(d.Seq), d.ID, d.Event, d.Result, d.Whole, string(verifications))
	for i := range d.Readings {
		if err != nil {
			return err
		}
		err = putReading(ctx, on, &d.Readings[i])
	}
	for i := range d.Sightings {
		if err != nil {
			return err
		}
		err = putSighting(ctx, on, &d.Sightings[i])
	}
	return err
}

func putReading(ctx context.Context, on statements, r *StagedReading) error {
	data, err := json.Marshal(r.Signal)
	if err != nil {
		return errUnreadable
	}
	_, err = on.exec(ctx, `INSERT INTO staging_reading (id, sandbox, seq, signal, data) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		r.Key.ID, r.Key.Sandbox, int64(r.Seq), r.Signal.ID, string(data))
	if err == nil {
		err = putRecordKey(ctx, on, r.Key)
	}
	return err
}

func putRecordKey(ctx context.Context, on statements, key RecordKey) error {
	_, err := on.exec(ctx, `INSERT INTO staging_record (id, sandbox) VALUES ($1, $2) ON CONFLICT DO NOTHING`, key.ID, key.Sandbox)
	return err
}

func putSighting(ctx context.Context, on statements, s *verification.Signal) error {
	data, err := json.Marshal(s)
	if err != nil {
		return errUnreadable
	}
	_, err = on.exec(ctx, `INSERT INTO staging_sighting (seq, signal, data) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, int64(s.Seq), s.ID, string(data))
	return err
}

// Before is a delivery that has made no event, and the message that says so.
type Before struct {
	Seq     uint64
	Outcome string
	Note    Note
}

// Note is a message about a delivery.
type Note struct {
	Stream string
	Seq    uint64
}

// PutBefore notes how deliveries had ended before. Of several outcomes dead stands.
func (s *Staging) PutBefore(ctx context.Context, list []Before) error {
	err := s.db.update(ctx, func(on statements) error {
		for _, b := range list {
			_, err := on.exec(ctx, `
				INSERT INTO staging_delivery (seq, before, dead) VALUES ($1, $2, $3)
				ON CONFLICT (seq) DO UPDATE SET before = excluded.before, dead = excluded.dead WHERE NOT staging_delivery.dead`,
				int64(b.Seq), b.Outcome, b.Outcome == OutcomeDead)
			if err == nil {
				_, err = on.exec(ctx, `INSERT INTO staging_note (stream, position, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
					b.Note.Stream, int64(b.Note.Seq), int64(b.Seq))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("write staging", err)
}

// Look has a verification looked at of which no delivery says anything any more.
func (s *Staging) Look(ctx context.Context, keys []RecordKey) error {
	err := s.db.update(ctx, func(on statements) error {
		for _, key := range keys {
			if err := putRecordKey(ctx, on, key); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("write staging", err)
}

// Records returns the first verifications to be looked at behind a key.
func (s *Staging) Records(ctx context.Context, after RecordKey, limit int) ([]RecordKey, error) {
	keys, err := list(ctx, s.db.read(), func(scan scanner) (key RecordKey, err error) {
		err = scan(&key.ID, &key.Sandbox)
		return key, err
	}, `SELECT id, sandbox FROM staging_record WHERE (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`, after.ID, after.Sandbox, limit)
	return keys, wrap("read staging", err)
}

// CountRecords returns how many verifications are to be looked at.
func (s *Staging) CountRecords(ctx context.Context) (uint64, error) {
	var n int64
	_, err := s.db.read().one(ctx, []any{&n}, `SELECT count(*) FROM staging_record`)
	return uint64(n), wrap("read staging", err)
}

// Readings returns what deliveries say of a verification, in their order.
func (s *Staging) Readings(ctx context.Context, key RecordKey) ([]StagedReading, error) {
	readings, err := list(ctx, s.db.read(), func(scan scanner) (StagedReading, error) {
		r := StagedReading{Key: key}
		var data string
		if err := scan(&r.Seq, &data); err != nil {
			return r, err
		}
		return r, decode(data, &r.Signal)
	}, `SELECT seq, data FROM staging_reading WHERE id = $1 AND sandbox = $2 ORDER BY seq, signal`, key.ID, key.Sandbox)
	return readings, wrap("read staging", err)
}

// First returns the first reading of each of the first signals behind one.
func (s *Staging) First(ctx context.Context, after string, limit int) ([]StagedReading, error) {
	readings, err := list(ctx, s.db.read(), func(scan scanner) (r StagedReading, err error) {
		var data string
		if err := scan(&r.Key.ID, &r.Key.Sandbox, &r.Seq, &data); err != nil {
			return r, err
		}
		return r, decode(data, &r.Signal)
	}, `SELECT id, sandbox, seq, data FROM staging_reading r WHERE signal > $1
			AND seq = (SELECT min(seq) FROM staging_reading WHERE signal = r.signal) ORDER BY signal LIMIT $2`, after, limit)
	return readings, wrap("read staging", err)
}

// Told returns the signals that deliveries tell of a verification.
func (s *Staging) Told(ctx context.Context, key RecordKey) (map[string]bool, error) {
	told := map[string]bool{}
	err := s.db.read().each(ctx, func(scan scanner) error {
		var signal string
		err := scan(&signal)
		told[signal] = true
		return err
	}, `SELECT signal FROM staging_reading WHERE id = $1 AND sandbox = $2`, key.ID, key.Sandbox)
	return told, wrap("read staging", err)
}

// Result returns what came of reading a delivery, empty where it was not read.
func (s *Staging) Result(ctx context.Context, seq uint64) (result string, err error) {
	_, err = s.db.read().one(ctx, []any{&result}, `SELECT result FROM staging_delivery WHERE seq = $1`, int64(seq))
	return result, wrap("read staging", err)
}

// Results counts the deliveries by what came of reading them.
func (s *Staging) Results(ctx context.Context) (map[string]uint64, error) {
	counts := map[string]uint64{}
	err := s.db.read().each(ctx, func(scan scanner) error {
		var result string
		var n int64
		err := scan(&result, &n)
		counts[result] = uint64(n)
		return err
	}, `SELECT result, count(*) FROM staging_delivery WHERE result <> '' GROUP BY result`)
	return counts, wrap("read staging", err)
}

// Sightings returns the first payloads that were seen behind a position and a signal.
func (s *Staging) Sightings(ctx context.Context, seq uint64, signal string, limit int) ([]verification.Signal, error) {
	sightings, err := list(ctx, s.db.read(), func(scan scanner) (seen verification.Signal, err error) {
		var data string
		if err := scan(&data); err != nil {
			return seen, err
		}
		return seen, decode(data, &seen)
	}, `SELECT data FROM staging_sighting WHERE (seq, signal) > ($1, $2) ORDER BY seq, signal LIMIT $3`, int64(seq), signal, limit)
	return sightings, wrap("read staging", err)
}

// Ended is what came of deliveries.
type Ended struct {
	Applied []uint64 // have made an event
	LeftOut []uint64 // say something that was left out
	Known   []uint64 // had ended so before, unless there is a dead letter
}

// End notes what came of deliveries.
func (s *Staging) End(ctx context.Context, e Ended) error {
	if len(e.Applied)+len(e.LeftOut)+len(e.Known) == 0 {
		return nil
	}
	err := s.db.update(ctx, func(on statements) error {
		for _, of := range []struct {
			set  string
			list []uint64
		}{
			{`UPDATE staging_delivery SET applied = TRUE WHERE seq = $1`, e.Applied},
			{`UPDATE staging_delivery SET left_out = TRUE WHERE seq = $1`, e.LeftOut},
			{`UPDATE staging_delivery SET before = '' WHERE seq = $1 AND NOT dead`, e.Known},
		} {
			for _, seq := range of.list {
				if _, err := on.exec(ctx, of.set, int64(seq)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return wrap("write staging", err)
}

// Endings returns the first deliveries behind a position that had made no event before and were read now.
func (s *Staging) Endings(ctx context.Context, after uint64, limit int) ([]StagedDelivery, error) {
	endings, err := list(ctx, s.db.read(), func(scan scanner) (d StagedDelivery, err error) {
		var verifications string
		if err := scan(&d.Seq, &d.ID, &d.Event, &d.Result, &d.Whole, &verifications, &d.Before, &d.Applied, &d.LeftOut); err != nil {
			return d, err
		}
		return d, decode(verifications, &d.Verifications)
	}, `SELECT seq, id, event, result, whole, verifications, before, applied, left_out FROM staging_delivery
		WHERE before <> '' AND result <> '' AND seq > $1 ORDER BY seq LIMIT $2`, int64(after), limit)
	return endings, wrap("read staging", err)
}

// Notes returns the messages that say how a delivery had ended.
func (s *Staging) Notes(ctx context.Context, seq uint64) ([]Note, error) {
	notes, err := list(ctx, s.db.read(), func(scan scanner) (n Note, err error) {
		err = scan(&n.Stream, &n.Seq)
		return n, err
	}, `SELECT stream, position FROM staging_note WHERE seq = $1 ORDER BY stream, position`, int64(seq))
	return notes, wrap("read staging", err)
}
