package engine

import "github.com/bar-tech/cognito/internal/pool"

// tasksKey is where a request keeps how many tasks had begun when it came in. Each engine has
// its own, as with identityKey.
type tasksKey struct{ of *Engine }

// noteTasks comes before finishTasks. The first one counts where the middleware is registered
// twice.
func (a *Engine) noteTasks(r Request) {
	a.inProgress.Add(1)
	if r.UserValue(tasksKey{a}) == nil {
		r.SetUserValue(tasksKey{a}, a.tasks.Begun())
	}
}

// finishTasks waits for the tasks that the request has started, if the process may be
// frozen as soon as the request is answered. Otherwise a renewal in progress would get
// its response long after Cognito has invalidated the old token. For what others have
// started, while they are in progress themselves, they wait: a stranger's request must not
// be held up by every renewal.
func (a *Engine) finishTasks(r Request) {
	defer a.inProgress.Add(-1) // afterwards, since whoever waits keeps the process awake
	// First what earlier requests have left, so that this one waits for it too.
	a.endRested()
	before, _ := r.UserValue(tasksKey{a}).(uint64)
	if a.tasks.Begun() > before || a.inProgress.Load() == 1 {
		a.tasks.Wait(pool.LongestWait)
	}
}
