"""Any node behind HTTP, as a Joule 1.0.1 node answers.

Source: Joule wire protocol, version 1.0.1. Where that version falls into a server fault because of
the request, the answer is a status of the 4xx class.
"""
