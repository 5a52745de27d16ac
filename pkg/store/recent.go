package store

import "sync"

// recentRows bounds the rows that are held for who publishes them: those of a few transactions.
const recentRows = 2048

// recent are the newest rows of the outbox that were committed here, so that they need not be read back. It may lack any of them: the
// database alone says which rows wait. The content of a row never changes, and its number is not used twice.
type recent struct {
	mu   sync.Mutex
	rows [recentRows]OutboxRow // each at its number modulo the length
}

// add takes over rows that were committed.
func (r *recent) add(rows []OutboxRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range rows {
		r.rows[rows[i].ID%recentRows] = rows[i]
	}
}

// take gives the rows away that have these numbers, in their order; those that are missing have the number 0.
func (r *recent) take(ids []int64) []OutboxRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := make([]OutboxRow, len(ids))
	for i, id := range ids {
		if at := &r.rows[id%recentRows]; at.ID == id {
			rows[i], *at = *at, OutboxRow{}
		}
	}
	return rows
}
