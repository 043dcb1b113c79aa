package browsers

import (
	"errors"

	"github.com/bar-tech/cognito/browsers/internal/stage"
)

// workerJourneys are the same journeys through an app with a service worker, which in
// some engines makes a visit to a page look like a script's request.
func workerJourneys() []story {
	var all []story
	for _, face := range stage.Faces() {
		all = append(all, story{"the journey behind a service worker with " + face.Name, func(v *visitor) {
			v.visit(face).installWorker()
			v.journey()
		}})
	}
	return all
}

// installWorker gives the app a service worker, and waits until it is in charge.
func (v *visitor) installWorker() {
	v.Helper()
	v.Open(v.scene.App + "/")
	v.Eval(`void navigator.serviceWorker.register("worker.js")`, nil)
	v.Until("a service worker in charge", func() error {
		var inCharge bool
		v.Eval(`return navigator.serviceWorker.controller?.state === "activated"`, &inCharge)
		if !inCharge {
			return errors.New("not yet")
		}
		return nil
	})
}
