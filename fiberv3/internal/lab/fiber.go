package lab

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v3"
)

// What the two versions of Fiber do not have in common. The suite runs against both.

// Storage is what a test brings as one.
type Storage interface {
	Get(key string) ([]byte, error)
	Set(key string, value []byte, life time.Duration) error
	Delete(key string) error
	Reset() error
	Close() error
}

// forFiber makes a storage one of this Fiber, which wants methods with a context.
func forFiber(storage Storage) fiber.Storage {
	switch storage := storage.(type) {
	case nil:
		return nil
	case fiber.Storage:
		return storage
	}
	return deaf{storage}
}

// deaf is a driver that does not heed contexts, as many do not.
type deaf struct{ Storage }

func (d deaf) GetWithContext(_ context.Context, key string) ([]byte, error) { return d.Get(key) }

func (d deaf) SetWithContext(_ context.Context, key string, value []byte, life time.Duration) error {
	return d.Set(key, value, life)
}

func (d deaf) DeleteWithContext(_ context.Context, key string) error { return d.Delete(key) }

func (d deaf) ResetWithContext(context.Context) error { return d.Reset() }
