// The bench command measures what a request costs with this package, and with
// what people use today, side by side in one run. From the repository's root:
//
//	go run ./bench
//
// It prints its findings and writes them to RESULTS.md and chart.svg in this
// directory. A run takes some ten minutes; -quick only shows that everything
// works, -only picks rows by a regular expression for their ids ("session",
// "redis.*", "crowd", "load"), -million adds a million live sessions, whose
// logins take ten minutes and more, -sessions 10000 makes do with fewer than
// usual, -flood writes FLOOD.md and nothing else, and -cpuprofile writes a
// profile in which the label "row" tells the rows apart:
//
//	go run ./bench -only session -cpuprofile cpu.out
//	go tool pprof -tagfocus row=^session$ -top cpu.out
//
// measure.go and wire.go are the method, lab.go has the users and their pool,
// ours.go, journey.go, tokens.go, redis.go and crowd.go what is measured here,
// peers.go what others do, loads.go, throughput.go, loader.go and server.go what
// happens over sockets, forged.go and flood.go what strangers can do to others,
// report.go, reportload.go, machine.go and chart.go what is written about it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"time"
)

func main() {
	var err error
	if os.Getenv(roleVariable) != "" {
		err = serve(os.Stdin, os.Stdout)
	} else {
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	rounds   int
	quick    bool
	sessions int            // that are live at a time, at most
	only     *regexp.Regexp // nil: everything
	profile  string
	out      string // where to write, or ""
	flood    bool   // that, and nothing else
}

func readOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 21, "how often every row is measured")
	flags.BoolVar(&o.quick, "quick", false, "measure next to nothing, to see that everything works")
	flags.IntVar(&o.sessions, "sessions", 100_000, "the largest number of live sessions")
	million := flags.Bool("million", false, "the same as -sessions 1000000")
	only := flags.String("only", "", "measure only the rows whose id matches this regular expression")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the rows to this file")
	flags.BoolVar(&o.flood, "flood", false, "show what honest visitors notice of a flood, and write FLOOD.md, instead")
	flags.StringVar(&o.out, "out", "", "the directory to write to (default: the command's own, if everything is measured)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *million {
		o.sessions = 1_000_000
	}
	if *only != "" {
		if o.only, err = regexp.Compile("^(?:" + *only + ")$"); err != nil {
			return o, err
		}
	}
	if o.out == "" && !o.quick && o.only == nil {
		o.out = ownDirectory()
	}
	return o, nil
}

// ownDirectory is this directory, seen from the repository's root or from here.
func ownDirectory() string {
	if _, err := os.Stat(filepath.Join("bench", "go.mod")); err == nil {
		return "bench"
	}
	return "."
}

func (o options) wants(id string) bool { return o.only == nil || o.only.MatchString(id) }

// crowd is how many sessions take turns.
func (o options) crowd() int {
	if o.quick {
		return 2 * people
	}
	return 10_000
}

// budget is how long a row is measured in each round.
func (o options) budget() time.Duration {
	if o.quick {
		return time.Millisecond
	}
	return 60 * time.Millisecond
}

// run measures and reports.
func run(args []string, out io.Writer) error {
	o, err := readOptions(args)
	if err != nil {
		return err
	}
	if o.flood {
		return floodTable(o, out)
	}
	found := findings{machine: describeMachine()}
	if found.rows, found.skipped, err = measureRows(o, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", found.tables())
	if o.wants("crowd") {
		if found.crowd, err = gatherings(o, out); err != nil {
			return fmt.Errorf("crowd: %w", err)
		}
		fmt.Fprintf(out, "%s\n", findings{crowd: found.crowd}.tables())
	}
	if o.wants("load") {
		load, err := loads(o, out)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		found.load = &load
		fmt.Fprintf(out, "%s\n", findings{load: found.load}.tables())
	}
	if o.out == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(o.out, "RESULTS.md"), []byte(found.markdown()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "chart.svg"), []byte(found.chart()), 0o644)
}

// measureRows measures the rows that are wanted. Those with many sessions come
// by themselves: the collector goes round seldom in a big heap, and whether it
// does so in a round of some small row must not be left to chance.
func measureRows(o options, out io.Writer) (rows []*row, skipped []string, err error) {
	stop, err := profile(o.profile)
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	for _, crowded := range []bool{false, true} {
		more, without, err := measureGroup(o, crowded, out)
		if err != nil {
			return nil, nil, err
		}
		rows, skipped = append(rows, more...), append(skipped, without...)
	}
	slices.SortStableFunc(rows, func(a, b *row) int { return a.place - b.place })
	return rows, skipped, nil
}

// measureGroup builds some of the rows and measures them together.
func measureGroup(o options, crowded bool, out io.Writer) (rows []*row, skipped []string, err error) {
	l := &lab{options: o}
	defer l.close()
	for i, p := range plans {
		if p.crowded != crowded || !o.wants(p.id) {
			continue
		}
		fmt.Fprintf(out, "getting ready: %s\n", p.title)
		r, err := p.build(l)
		switch {
		case errors.Is(err, errNoRedis):
			skipped = append(skipped, fmt.Sprintf("%s: %v", p.title, err))
			fmt.Fprintf(out, "skipped: %v\n", err)
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", p.id, err)
		default:
			r.plan, r.place = p, i
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, skipped, nil
	}
	budget := o.budget()
	if crowded {
		budget *= 6 // the collector has to come round
	}
	fmt.Fprintf(out, "measuring %d rows, %d rounds\n", len(rows), o.rounds)
	if err := measure(rows, o.rounds, budget); err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		r.app, r.work, r.unit = nil, nil, nil // they hold what the next rows do without
	}
	return rows, skipped, nil
}

// profile starts a CPU profile, if path is not empty.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); _ = file.Close() }, nil
}
