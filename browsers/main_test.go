package browsers

import (
	"testing"

	"github.com/bar-tech/cognito/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
