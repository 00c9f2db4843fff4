"""Paddock's Python bootstrap: a client of the Lambda Runtime API.

It runs on Python 3.8 and newer, and imports as little as it can: whatever is
imported here delays the first answer of every new environment, and of the
standard library a start needs only json.
"""
