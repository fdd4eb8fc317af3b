"""Parts that hang or fail hold up no turn: few threads, time limits, circuit breakers."""
