// Package faults holds no code but tests: storages and pools that fail, hang and
// lie about it, instances that race for one refresh token, crowds that arrive at
// once, and whoever uses such a moment for an attack.
package faults
