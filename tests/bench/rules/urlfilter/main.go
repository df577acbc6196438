// How AdGuard's urlfilter holds a list, as AdGuard Home uses it: the rules stay
// in the file, and the engine finds them again by their place in it. It keeps
// each rule that it ever found, and with it the piece of the file that was read
// for it: so it has much more in memory after many lookups than after the load.
//
//	urlfilter RULES HIT DEEP MISS
//
// RULES has one ||name^ a line. Prints what tests/bench/rules/libraries.py reads.
package main

import (
	"github.com/AdguardTeam/urlfilter"
	"github.com/AdguardTeam/urlfilter/filterlist"

	"optout.example/bench/measure"
)

func main() {
	measure.Run(func(path string) (measure.Blocks, error) {
		list, err := filterlist.NewFileRuleList(1, path, true)
		if err != nil {
			return nil, err
		}
		storage, err := filterlist.NewRuleStorage([]filterlist.RuleList{list})
		if err != nil {
			return nil, err
		}
		engine := urlfilter.NewDNSEngine(storage)
		return func(name string) bool {
			found, _ := engine.MatchRequest(&urlfilter.DNSRequest{Hostname: name})
			return found.NetworkRule != nil && !found.NetworkRule.Whitelist
		}, nil
	})
}
