// Package measure times a set of names that a Go library holds, and says what
// it takes of memory. Prints one line of JSON.
package measure

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Blocks says whether the set stops this name.
type Blocks func(name string) bool

// Passes over each set of questions; the fastest counts. A slow library gets fewer.
const (
	passes   = 3
	patience = 15 * time.Second
)

// Run loads the first argument with load, and asks for the names in the others.
func Run(load func(path string) (Blocks, error)) {
	sets := map[string][]string{}
	for n, set := range []string{"hit", "deep", "miss"} {
		sets[set] = read(os.Args[n+2])
	}
	base := resident("VmRSS")
	begun := time.Now()
	blocks, err := load(os.Args[1])
	stop(err)
	said := map[string]any{"load_s": time.Since(begun).Seconds(), "base_kib": base}
	said["loaded_kib"] = resident("VmRSS")
	for set, names := range sets {
		said[set+"_ns"], said[set+"_blocked"] = ask(blocks, names)
		said[set+"_asked"] = len(names)
	}
	said["peak_kib"] = resident("VmHWM")
	said["rss_kib"] = resident("VmRSS")
	stop(json.NewEncoder(os.Stdout).Encode(said))
	if blocks("keeps.the.set.alive") {
		fmt.Fprintln(os.Stderr, "blocks what nobody listed")
	}
}

func ask(blocks Blocks, names []string) (best float64, blocked int) {
	end := time.Now().Add(patience)
	for pass := 0; pass < passes && (pass == 0 || time.Now().Before(end)); pass++ {
		blocked = 0
		begun := time.Now()
		for _, name := range names {
			if blocks(name) {
				blocked++
			}
		}
		took := float64(time.Since(begun).Nanoseconds()) / float64(len(names))
		if pass == 0 || took < best {
			best = took
		}
	}
	return best, blocked
}

// In KiB, when all that is free was given back: the least that Go can do with.
func resident(key string) int {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	stop(err)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, key+":"); found {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			stop(err)
			return kib
		}
	}
	panic("no " + key)
}

func read(path string) (lines []string) {
	file, err := os.Open(path)
	stop(err)
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}

func stop(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
