"""The HTTP contract of a Joule node, written once for the client and the server.

Source: Joule wire protocol, version 1.0.1.
"""
