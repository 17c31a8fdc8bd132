"""For those who run it: the `flask linking` commands and what `check` looks at."""
