package cognito

import (
	"context"
	"slices"
)

// VerifyAccessToken verifies an access token of this pool and client, for code
// that receives tokens outside of HTTP requests. The error matches
// [ErrInvalidToken] if the token is to be refused, and [ErrUnavailable] if the
// pool's signing keys are out of reach, so that nothing is known.
func (a *Auth) VerifyAccessToken(ctx context.Context, raw string) (*Payload, error) {
	verified, err := a.verifier.accessToken(ctx, secret(raw))
	if err != nil {
		return nil, err
	}
	return &Payload{claimSet{raw: slices.Clone(verified.payload)}}, nil
}
