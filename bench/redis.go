package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/freeport"
	"github.com/gofiber/storage/redis/v3"
)

// Sessions in Redis. The server is a real one, started here on a free port of
// loopback and ended with the run.

// errNoRedis skips rows on machines without a Redis.
var errNoRedis = errors.New("there is no redis-server on this machine")

type redisServer struct{ storage *redis.Storage }

// startRedis starts the server that all rows share.
func (l *lab) startRedis() (*redisServer, error) {
	if l.redis != nil {
		return l.redis, nil
	}
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errNoRedis
	}
	port := freeport.Next()
	home, err := os.MkdirTemp("", "cognito-bench-redis-")
	if err != nil {
		return nil, err
	}
	l.atEnd(func() { _ = os.RemoveAll(home) })
	server := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "no")
	if err := server.Start(); err != nil {
		return nil, err
	}
	l.atEnd(func() { _ = server.Process.Kill(); _ = server.Wait() })
	err = eventually("redis-server to listen", func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	if err != nil {
		return nil, err
	}
	l.redis = &redisServer{redis.New(redis.Config{URL: "redis://127.0.0.1:" + port + "/0"})}
	l.atEnd(func() { _ = l.redis.storage.Close() })
	return l.redis, nil
}

// connsToRedis is how many requests are served at a time, so that the app is
// never idle while Redis answers.
const connsToRedis = 8

// redisGet is the driver alone: one read of a value as long as our record.
func redisGet(l *lab) (*row, error) {
	server, err := l.startRedis()
	if err != nil {
		return nil, err
	}
	return overRedis(server, func() (*row, error) { return reading(server.storage, 1, recordLength) })
}

// recordLength is about that of the record that every request reads.
const recordLength = 350

// overRedis measures an app with sessions in Redis against the driver alone,
// without which neither we nor others can do.
func overRedis(server *redisServer, build func() (*row, error)) (*row, error) {
	r, err := build()
	if err != nil {
		return nil, err
	}
	alone, err := reading(server.storage, 1, recordLength)
	if err != nil {
		return nil, err
	}
	r.work = servingSome(r.app, r.sent, connsToRedis)
	r.unit = servingSome(alone.app, alone.sent, connsToRedis)
	return r, nil
}

func redisSignedIn(l *lab) (*row, error) {
	server, err := l.startRedis()
	if err != nil {
		return nil, err
	}
	return overRedis(server, func() (*row, error) {
		return l.signedIn(1, "/", func(c *cognito.Config) { c.Storage, c.Keys = server.storage, benchKeys })
	})
}

func redisFiberClaims(l *lab) (*row, error) {
	server, err := l.startRedis()
	if err != nil {
		return nil, err
	}
	return overRedis(server, func() (*row, error) { return newFiberSession(server.storage).row(l, 1, onlyClaims) })
}

func redisFiberTokens(l *lab) (*row, error) {
	server, err := l.startRedis()
	if err != nil {
		return nil, err
	}
	return overRedis(server, func() (*row, error) { return newFiberSession(server.storage).row(l, 1, claimsAndTokens) })
}
