"""The relay of `heartbeat statsd`: what statsd clients send is put together for an interval, then written to a stream.

What becomes of each line is in docs/statsd.md, and the same as at the stream's own statsd endpoint; only that here
equal series of an interval are one point.
"""
