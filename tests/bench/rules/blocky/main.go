// How blocky holds a list of names with their subdomains.
//
//	blocky NAMES HIT DEEP MISS
//
// NAMES has one name a line. Prints what tests/bench/rules/libraries.py reads.
package main

import (
	"bufio"
	"os"

	"github.com/0xERR0R/blocky/cache/stringcache"

	"optout.example/bench/measure"
)

func main() {
	groups := []string{"list"}
	measure.Run(func(path string) (measure.Blocks, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		cache := stringcache.NewInMemoryGroupedWildcardCache()
		adding := cache.Refresh(groups[0])
		scanner := bufio.NewScanner(file)
		for scanner.Scan() {
			adding.AddEntry("*." + scanner.Text())
		}
		adding.Finish()
		return func(name string) bool {
			return len(cache.Contains(name, groups)) > 0
		}, scanner.Err()
	})
}
