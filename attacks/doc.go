// Package attacks holds no code but tests: what strangers, other sites and a
// lying pool do to the library from outside, leg by leg of the journey, and what
// the standards ask of it. Each test is named after its attack and ends with the
// honest case.
package attacks
