"""Joule nodes that are reached over a socket."""
