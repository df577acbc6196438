module optout.example/bench/measure

go 1.21
