"""Reads an exposition on standard input, strictly as OpenMetrics or else as text 0.0.4, and writes its samples as JSON.

The argument is "openmetrics" or "text". What is refused ends with a traceback and status 1.
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

parse = {
    "openmetrics": openmetrics.text_string_to_metric_families,
    "text": parser.text_string_to_metric_families,
}[sys.argv[1]]
families = list(parse(sys.stdin.buffer.read().decode("utf-8")))
samples = [
    [family.type, sample.name, sample.labels, repr(float(sample.value))] for family in families for sample in family.samples
]
json.dump(samples, sys.stdout)
