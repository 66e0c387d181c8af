"""Connections: the pool that both the writer and `heartbeat query` use."""

from __future__ import annotations

import urllib.request

import urllib3

from ._address import StreamAddress
from ._version import __version__

USER_AGENT = f"heartbeat_stream/{__version__}"


def pool_for(address: StreamAddress) -> urllib3.PoolManager:
    """One kept connection to the stream's host, through the environment's proxy if it names one (`HTTPS_PROXY`)."""
    proxy = _proxy_for(address)
    # The callers repeat by themselves and know no redirects: with retries off, urllib3 raises the first failure.
    if proxy is None:
        return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)
    return urllib3.ProxyManager(proxy, num_pools=1, maxsize=1, retries=False)


def _proxy_for(address: StreamAddress) -> str | None:
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(address.scheme)
    if proxy is None or urllib.request.proxy_bypass(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
