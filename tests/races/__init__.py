"""Two processes of eight threads each that want the same thing at the same moment, round after round.

The races: one code redeemed for two people, one pair bound for two users, one second factor used many times.
`python -m tests.races` plays two thousand rounds of each on each store and prints a table.
"""
