module optout.example/bench/blocky

go 1.23

require (
	github.com/0xERR0R/blocky v0.24.0
	optout.example/bench/measure v0.0.0
)

replace optout.example/bench/measure => ../measure
