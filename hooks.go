package cognito

import (
	"context"
	"errors"
	"fmt"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// What the engine asks of this Fiber and of the app.

func (a *Auth) hooks() engine.Hooks {
	return engine.Hooks{
		Context:     func(app any) context.Context { return app.(*fiber.Ctx).UserContext() },
		SetLocals:   setLocals,
		OnLogin:     a.callOnLogin,
		OnLogout:    a.callOnLogout,
		HandleError: a.callErrorHandler,
		OnRefresh:   a.callOnRefresh,
		OnEvent:     a.emit,
		IP:          func(app any) string { return app.(*fiber.Ctx).IP() },
		Challenge:   challengeS256,
	}
}

// setLocals sets the locals "user" and "payload", for the app's convenience. They are
// cleared if nobody is signed in, because another handler may have set them.
func setLocals(ctx *fasthttp.RequestCtx, id *session.Identity) {
	if id.User == nil {
		ctx.SetUserValue("user", nil)
	} else {
		ctx.SetUserValue("user", (*User)(id.User))
	}
	if id.Payload == nil {
		ctx.SetUserValue("payload", nil)
	} else {
		ctx.SetUserValue("payload", (*Payload)(id.Payload))
	}
}

// callOnLogin lets the app save the user, or refuse the login.
func (a *Auth) callOnLogin(app any, user *claims.Set) error {
	if a.config.OnLogin == nil {
		return nil
	}
	err := a.config.OnLogin(app.(*fiber.Ctx), (*User)(user))
	if err == nil {
		return nil
	}
	refused := fault.Because(fault.ErrNotAdmitted, "OnLogin: %w", err)
	var spoken *fiber.Error
	said := errors.As(err, &spoken)
	// The app's database may be down, which says nothing about the user.
	if errors.Is(err, ErrUnavailable) || (said && spoken.Code >= fiber.StatusInternalServerError) {
		refused = fault.Unavailable(fmt.Errorf("OnLogin: %w", err))
	}
	if said {
		fault.Of(refused).Status, fault.Of(refused).Message = spoken.Code, spoken.Message
	}
	fault.Of(refused).Subject = user.Sub()
	return refused
}

func (a *Auth) callOnLogout(app any, user *claims.Set) {
	if a.config.OnLogout != nil {
		a.config.OnLogout(app.(*fiber.Ctx), (*User)(user))
	}
}

func (a *Auth) callOnRefresh(user *claims.Set) {
	if a.config.OnRefresh != nil {
		a.config.OnRefresh((*User)(user))
	}
}

func (a *Auth) callErrorHandler(app any, e *Error) (answered bool, err error) {
	if a.config.ErrorHandler == nil {
		return false, nil
	}
	return true, hideCause(a.config.ErrorHandler(app.(*fiber.Ctx), e))
}
