module github.com/bar-tech/cognito

go 1.25.0

require (
	github.com/MicahParks/jwkset v0.11.4 // what keyfunc parses keys with; our key storage implements its interface
	github.com/MicahParks/keyfunc/v3 v3.9.1
	github.com/gofiber/fiber/v2 v2.52.15
	github.com/gofiber/storage/memory/v2 v2.1.1
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/valyala/fasthttp v1.69.0 // no newer one: from 1.70 on app.Test needs a Host; Fiber's own pin, 1.51.0, lets header values split the response
)

require (
	github.com/andybalholm/brotli v1.2.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.20.0 // indirect
	github.com/mattn/go-colorable v0.1.13 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/philhofer/fwd v1.1.3-0.20240916144458-20a13a1f6b7c // indirect
	github.com/rivo/uniseg v0.2.0 // indirect
	github.com/tinylib/msgp v1.2.5 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/time v0.15.0 // indirect
)
