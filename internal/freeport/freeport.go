// Package freeport gives tests the ports of programs that cannot choose one
// themselves, and of servers that are down. No program contains it.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Systems give whoever asks for any port one from 32768 (Linux) or 49152 (others)
// upward. A port from there that was free a moment ago may be that of somebody's
// connection by the time the program listens, or is started again.
const (
	lowest = 20000
	count  = 32768 - lowest
)

var (
	begin = rand.Uint32N(count) // keeps processes apart that run at the same time
	given atomic.Uint32
)

// Next is a port on which nobody listens at 127.0.0.1, and which this process was not
// given before.
func Next() string {
	for range count {
		port := strconv.Itoa(lowest + int((begin+given.Add(1))%count))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	panic("freeport: somebody listens on every port")
}
