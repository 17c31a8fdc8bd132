"""The operator's page: how it stands, where people drop off, one person, dead letters, pages and keys.

Server-rendered, without script. `door` says who may come in and where each address leads; a module for each
page makes what it shows; everything that changes something is asked for once more.
"""
