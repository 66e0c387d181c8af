"""graphite-web as an oracle: series in, answers out, in one process and without a port.

Standard input is one JSON object a line. {"series": [{"path", "points": [[t, v], ..]}], "now", "step"} fills a fresh store;
{"path": "/render", "query": [[name, value], ..]} asks, and is answered with {"status", "body"} on a line of standard output.
"""

import inspect
import json
import os
import shutil
import sys
import tempfile

# graphite-web 1.1.10 asks for two functions that Python 3.11 no longer has, for /functions only.
if not hasattr(inspect, "getargspec"):
    inspect.getargspec = inspect.getfullargspec
    inspect.formatargspec = lambda args, *rest, **more: "(" + ", ".join(args) + ")"

ROOT = tempfile.mkdtemp(prefix="heartbeat-graphite-")
for folder in ("storage/log/webapp", "storage/whisper", "conf"):
    os.makedirs(os.path.join(ROOT, folder))
os.environ.update(
    GRAPHITE_ROOT=ROOT,
    GRAPHITE_STORAGE_DIR=os.path.join(ROOT, "storage"),
    GRAPHITE_CONF_DIR=os.path.join(ROOT, "conf"),
    DJANGO_SETTINGS_MODULE="graphite.settings",
)

import django  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test.client import Client  # noqa: E402

settings.ALLOWED_HOSTS = ["*"]
settings.SECRET_KEY = "oracle"
settings.TIME_ZONE = "UTC"
settings.DEFAULT_CACHE_DURATION = 0
settings.TAGDB_CACHE_DURATION = 0
settings.LOG_RENDERING_PERFORMANCE = False
settings.LOG_CACHE_PERFORMANCE = False
settings.LOG_FILE_INFO = "-"
settings.LOG_INFO_PERFORMANCE = False
django.setup()

import logging  # noqa: E402

logging.disable(logging.CRITICAL)

import whisper  # noqa: E402
from graphite.storage import STORE  # noqa: E402
from graphite.tags.utils import TaggedSeries  # noqa: E402


def fill(order):
    """Writes whisper files and tags."""
    archive = [(order["step"], order.get("length", 20000))]
    paths = []
    for series in order["series"]:
        path = series["path"]
        if ";" in path:
            paths.append(path)
            file = TaggedSeries.encode(path, sep="/") + ".wsp"
        else:
            file = path.replace(".", "/") + ".wsp"
        file = os.path.join(ROOT, "storage/whisper", file)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        whisper.create(file, archive)
        points = [(t, v) for t, v in series["points"] if v is not None]
        whisper.update_many(file, points, order["now"])
    for path in paths:
        STORE.tagdb.tag_series(path)


def main():
    call_command("migrate", run_syncdb=True, verbosity=0)
    client = Client(raise_request_exception=False)
    for line in sys.stdin:
        order = json.loads(line)
        if "series" in order:
            fill(order)
            continue
        query = {}
        for name, value in order["query"]:
            query.setdefault(name, []).append(value)
        answer = client.get(order["path"], query)
        text = answer.content.decode()
        print(json.dumps({"status": answer.status_code, "body": text}), flush=True)


try:
    main()
finally:
    shutil.rmtree(ROOT, ignore_errors=True)
