package lab

import (
	"time"

	"github.com/gofiber/fiber/v2"
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

// forFiber makes a storage one of this Fiber.
func forFiber(storage Storage) fiber.Storage { return storage }
