package storages

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/lab"
	"github.com/bradfitz/gomemcache/memcache"
	badgerdb "github.com/dgraph-io/badger/v3"
	"github.com/gofiber/storage/badger/v2"
	"github.com/gofiber/storage/bbolt/v2"
	"github.com/gofiber/storage/postgres/v3"
	"github.com/gofiber/storage/redis/v3"
	"github.com/gofiber/storage/sqlite3/v2"
	"github.com/jackc/pgx/v5"
	bboltdb "go.etcd.io/bbolt"
)

// part is a storage as an app has it: what it talks to, if that is a program of its
// own, and the driver.
type part struct {
	open    func() lab.Storage
	server  *server // nil if the storage is a file of the app's
	forgets bool    // all, when its server restarts
}

// parts are the rows of the table of docs/deploy.md.
func parts() map[string]func(*testing.T) part {
	return map[string]func(*testing.T) part{
		"redis": onRedis, "postgres": onPostgres, "memcached": onMemcached,
		"sqlite": onSQLite, "bbolt": onBbolt, "badger": onBadger,
	}
}

// The servers do not wait for the disk, which may be busy for longer than a call to the
// storage may take. What they have written outlives their processes all the same.

func onRedis(t *testing.T) part {
	path, dir := need(t, "redis-server"), t.TempDir()
	s := (&server{T: t, dir: dir, signal: syscall.SIGKILL,
		arguments: func(port string) []string {
			return []string{path, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "no"}
		},
		ready: func(port string) bool { return greets(port, "CONFIG GET dir", dir) },
	}).begin()
	return part{server: s, open: func() lab.Storage {
		return redis.New(redis.Config{URL: "redis://127.0.0.1:" + s.port + "/0"})
	}}
}

func onPostgres(t *testing.T) part {
	path, initdb, dir := need(t, "postgres"), need(t, "initdb"), t.TempDir()
	made := command(t, dir, initdb, "-D", dir, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if said, err := made.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, said)
	}
	s := (&server{T: t, dir: dir, signal: syscall.SIGQUIT,
		arguments: func(port string) []string {
			return []string{path, "-D", dir, "-p", port, "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"}
		},
		ready: func(port string) bool {
			connection, err := pgx.Connect(t.Context(), postgresAt(port))
			if err != nil {
				return false
			}
			var where string
			err = connection.QueryRow(t.Context(), "SHOW data_directory").Scan(&where)
			return errors.Join(err, connection.Close(t.Context())) == nil && where == dir
		},
	}).begin()
	return part{server: s, open: func() lab.Storage {
		return postgres.New(postgres.Config{ConnectionURI: postgresAt(s.port)})
	}}
}

func postgresAt(port string) string {
	return fmt.Sprintf("postgresql://postgres@127.0.0.1:%s/postgres?sslmode=disable", port)
}

func onMemcached(t *testing.T) part {
	path := need(t, "memcached")
	s := (&server{T: t, dir: t.TempDir(), signal: syscall.SIGKILL,
		arguments: func(port string) []string { return []string{path, "-l", "127.0.0.1", "-p", port, "-U", "0"} },
		ready:     func(port string) bool { return greets(port, "version", "VERSION") },
	}).begin()
	return part{server: s, forgets: true, open: func() lab.Storage {
		client := memcache.New("127.0.0.1:" + s.port)
		client.MaxIdleConns = 32
		return memcached{client}
	}}
}

// memcached is a driver as gofiber/storage has one, whose modules have no version
// that can be had. As in that one, deleting what is absent is an error.
type memcached struct{ client *memcache.Client }

func (m memcached) Get(key string) ([]byte, error) {
	item, err := m.client.Get(key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.Value, nil
}

// Set writes lifetimes over 30 days as a date, as the protocol wants them.
func (m memcached) Set(key string, value []byte, life time.Duration) error {
	seconds := int64(life / time.Second)
	if life > 30*24*time.Hour {
		seconds = time.Now().Add(life).Unix()
	}
	return m.client.Set(&memcache.Item{Key: key, Value: value, Expiration: int32(seconds)})
}

func (m memcached) Delete(key string) error { return m.client.Delete(key) }
func (m memcached) Reset() error            { return m.client.DeleteAll() }
func (m memcached) Close() error            { return m.client.Close() }

func onSQLite(t *testing.T) part {
	file := filepath.Join(t.TempDir(), "sessions.db")
	return part{open: func() lab.Storage {
		// One connection: SQLite has one writer, and who waits for it in Go waits
		// in a queue, while SQLite's own waiting is by chance.
		return sqlite3.New(sqlite3.Config{Database: "file:" + file + "?_journal_mode=WAL", MaxOpenConns: 1})
	}}
}

func onBbolt(t *testing.T) part {
	file := filepath.Join(t.TempDir(), "sessions.db")
	return part{open: func() lab.Storage { return copyingBbolt{openBbolt(file)} }}
}

func openBbolt(file string) *bbolt.Storage {
	return bbolt.New(bbolt.Config{Database: file, Bucket: "sessions", Timeout: time.Second})
}

// copyingBbolt is the recipe of docs/deploy.md: the driver's own Get hands out memory
// of the file, which the next writes change or unmap.
type copyingBbolt struct{ *bbolt.Storage }

func (s copyingBbolt) Get(key string) (value []byte, err error) {
	err = s.Conn().View(func(tx *bboltdb.Tx) error {
		value = bytes.Clone(tx.Bucket([]byte("sessions")).Get([]byte(key)))
		return nil
	})
	return value, err
}

func onBadger(t *testing.T) part {
	dir := t.TempDir()
	return part{open: func() lab.Storage {
		options := badgerdb.DefaultOptions(dir).WithLogger(nil)
		return badger.New(badger.Config{Database: dir, BadgerOptions: options})
	}}
}
