package main

import (
	"log/slog"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// drawError answers for errors, those of the middleware and all others: with a page
// for people, and as the middleware would for programs.
func drawError(c *fiber.Ctx, err error) error {
	// A program takes anything, and a browser prefers pages. So does Inertia's client, which can
	// show none that is not its own.
	if c.Accepts("json", "html") != "html" || c.Get("X-Inertia") != "" {
		return cognito.DefaultErrorHandler(c, err)
	}
	page := cognito.PageOf(err)
	if page.Status >= fiber.StatusInternalServerError && page.Reference == "" {
		// Not the middleware's, so nobody has told the log.
		slog.Error("a handler failed", "path", c.Path(), "error", err)
	}
	lang := languageOf(c)
	if lang == "de" {
		page = inGerman(page)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
	if err := c.Status(page.Status).Render("error", fiber.Map{"Lang": lang, "Page": page}); err != nil {
		return cognito.DefaultErrorHandler(c, err)
	}
	return nil
}

// languageOf is the language that the visitor prefers of those that the app speaks.
func languageOf(c *fiber.Ctx) string {
	c.Vary(fiber.HeaderAcceptLanguage)
	if c.AcceptsLanguages("en", "de") == "de" {
		return "de"
	}
	return "en"
}
