"""The operator's page: the present state, the funnel, people, dead letters, pages and keys.

Pages are rendered on the server, without script. `door` says who may open them and where each address leads;
each page has a module. To add a page: a module with `show`, and its address in `door`. To add an action: a
function that asks, one that acts and writes it down, and both addresses in `door`.
"""
