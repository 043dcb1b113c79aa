package pool

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// TestClockIsJudgedByDates: only a date that can be read says anything of this machine's
// clock. Without one, what was heard before stays true.
func TestClockIsJudgedByDates(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := NewClock(func() time.Time { return now }, fault.NewOperator(slog.New(slog.DiscardHandler)))
	for _, row := range []struct {
		date string
		want time.Duration
	}{
		{"", 0},
		{"yesterday", 0},
		{now.Format(http.TimeFormat), 0},
		{now.Add(SkewTolerated).Format(http.TimeFormat), 0},
		{now.Add(-SkewTolerated - time.Second).Format(http.TimeFormat), -SkewTolerated - time.Second},
		{"", -SkewTolerated - time.Second},
		{now.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{"yesterday", time.Hour},
		{now.Format(http.TimeFormat), 0},
	} {
		c.heard(http.Header{"Date": {row.date}})
		if c.Skew() != row.want {
			t.Errorf("after the date %q, Cognito's clock counts as %s ahead, want %s", row.date, c.Skew(), row.want)
		}
	}
	(*Clock)(nil).heard(http.Header{"Date": {now.Format(http.TimeFormat)}}) // of a client that judges no clock
}
