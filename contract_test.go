package cognito_test

import (
	"context"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// What other people's programs are compiled against. A change here breaks them.
var (
	_ func(cognito.Config) fiber.Handler          = cognito.New
	_ func(cognito.Config) (*cognito.Auth, error) = cognito.NewAuth
	_ func(cognito.Config) error                  = cognito.Config.Validate
	_ func() (cognito.Config, error)              = cognito.FromEnv

	_ func(*fiber.Ctx) *cognito.User               = cognito.UserFrom
	_ func(*fiber.Ctx) *cognito.Payload            = cognito.PayloadFrom
	_ func(*fiber.Ctx) (string, error)             = cognito.AccessToken
	_ func(*fiber.Ctx) (string, error)             = cognito.IDToken
	_ func(*fiber.Ctx) error                       = cognito.Refresh
	_ func(*fiber.Ctx) string                      = cognito.SessionID
	_ func(*fiber.Ctx) error                       = cognito.Err
	_ func(*fiber.Ctx, error) error                = cognito.DefaultErrorHandler
	_ func(error) cognito.Page                     = cognito.PageOf
	_ func() fiber.Handler                         = cognito.RequireUser
	_ func(...string) fiber.Handler                = cognito.RequireGroup
	_ func(...string) fiber.Handler                = cognito.RequireScope
	_ func(time.Duration) fiber.Handler            = cognito.RequireFreshLogin
	_ func(...string) fiber.Handler                = cognito.RequireLevel
	_ func() fiber.Handler                         = cognito.RequireMFA
	_ func(func(*cognito.User) bool) fiber.Handler = cognito.Require

	_ func(*cognito.Auth) fiber.Handler                                       = (*cognito.Auth).Handler
	_ func(*cognito.Auth) error                                               = (*cognito.Auth).Close
	_ func(*cognito.Auth, context.Context, string) (*cognito.Payload, error)  = (*cognito.Auth).VerifyAccessToken
	_ func(*cognito.Auth, *fiber.Ctx) error                                   = (*cognito.Auth).Logout
	_ func(*cognito.Auth, *fiber.Ctx, cognito.LoginOptions) error             = (*cognito.Auth).Login
	_ func(*cognito.Auth, cognito.LoginOptions) string                        = (*cognito.Auth).LoginURL
	_ func(*cognito.Auth, context.Context, string) ([]cognito.Session, error) = (*cognito.Auth).Sessions
	_ func(*cognito.Auth, context.Context, string, string) error              = (*cognito.Auth).EndSession
	_ func(*cognito.Auth, context.Context, string) (int, error)               = (*cognito.Auth).EndSessions
	_ func(*cognito.Auth, *fiber.Ctx) *cognito.Watch                          = (*cognito.Auth).Watch
	_ func(*cognito.Auth, string) fiber.Handler                               = (*cognito.Auth).Forward
	_ func(*cognito.Auth, context.Context) ([]cognito.Finding, error)         = (*cognito.Auth).Check
)
