package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	redisstorage "github.com/gofiber/storage/redis/v3"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// openRedis connects the storage driver to a Redis server. The driver's own
// New panics when the server does not answer; this way it is an error.
func openRedis(address string) (*redisstorage.Storage, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		// The cause would quote the URL, and that may hold a password.
		return nil, errors.New("REDIS_URL is invalid: use a URL such as redis://localhost:6379/0")
	}
	// What fails comes back as an error, and the middleware logs it.
	logging.Disable()
	// Lets the middleware's deadlines end calls to a server that hangs.
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close() // nothing was written
		return nil, fmt.Errorf("no Redis answers at %s, which REDIS_URL names: %w", options.Addr, err)
	}
	return redisstorage.NewFromConnection(client), nil
}
