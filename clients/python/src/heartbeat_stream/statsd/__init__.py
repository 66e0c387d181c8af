"""The relay of `heartbeat statsd`: merges statsd lines for an interval and writes them to a stream.

`_server` receives, `_intake` counts equal datagrams, `_lines` parses, `_interval` merges, and `_relay` runs these steps
and hands the points to the sender. docs/statsd.md describes the points. They are those of the stream's own statsd
endpoint, except that the relay merges equal series of an interval into one point.
"""
