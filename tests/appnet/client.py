"""What a program that was written with adnpy for app.net does, with only the root changed: every call of channels,
messages, users and the token that there is. Fails where adnpy or an assertion does.

    client.py ROOT OWNER_TOKEN

adnpy is of 2014 and for Python 2. It is loaded as it was released but for the four spellings that Python 3 does not have.
"""

import builtins
import collections.abc
import datetime
import importlib.machinery
import sys

SPELLINGS = [
    (".iteritems()", ".items()"),
    ("in kwargs.items()", "in list(kwargs.items())"),
    ("collections.Mapping", "collections.abc.Mapping"),
    ("import collections\n", "import collections.abc\n"),
    ("'{\\w+}'", "r'{\\w+}'"),
]


class Loader(importlib.machinery.SourceFileLoader):
    """Of a module of Python 2. What pip has compiled is of no use."""

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        for old, new in SPELLINGS:
            source = source.replace(old, new)
        return self.source_to_code(source, path)


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.split(".")[0] != "adnpy":
            return None
        spec = super().find_spec(fullname, path, target)
        if spec and spec.origin:
            spec.loader = Loader(fullname, spec.origin)
        return spec


builtins.basestring = builtins.unicode = str
sys.meta_path.insert(0, Finder)

import adnpy  # noqa: E402
import adnpy.errors  # noqa: E402

POINT = "net.app.contrib.timeseries"


def is_date(value):
    return isinstance(value, datetime.datetime)


def check_user(user, user_id):
    assert (user.id, is_date(user.created_at)) == (user_id, True), user
    assert user.counts.followers == 0 and user.description.text and user.avatar_image.url, user


def check_channel(channel):
    check_user(channel.owner, 1)
    assert isinstance(channel.id, str) and channel.type == POINT, channel
    for acl in (channel.readers, channel.writers, channel.editors):
        assert acl.user_ids == [] and isinstance(acl.you, bool), channel
    assert isinstance(channel.counts.messages, int) and isinstance(channel.counts.subscribers, int), channel


def annotated(value):
    return [{"type": POINT, "value": value}]


def main(root, token):
    api = adnpy.API.build_api(api_root=root, access_token=token)

    channel, meta = api.create_channel(data={"type": POINT, "writers": {"immutable": True, "any_user": False}})
    check_channel(channel)
    key = channel.get_annotation(POINT + ".stream", result_format="one")["read_key"]
    assert meta.code == 200 and key.startswith("rk_"), "the key is told this once"

    # The owner's token and the user behind it.
    owner, _ = api.get_token()
    check_user(owner.user, 1)
    assert "messages" in owner.scopes and owner.app.name == "Heartbeat" and owner.storage.available == 0
    check_user(api.get_user("me")[0], 1)
    check_user(api.get_user(owner.user)[0], 1)
    assert [user.id for user in api.get_users(ids="1,2")[0]] == [1, 2]
    config, _ = api.get_config()
    assert (config.message.text_max_length, config.post.annotation_max_bytes) == (2048, 8192)

    # Messages: written without a token, read with the key.
    writer = adnpy.API.build_api(api_root=root)
    reader = adnpy.API.build_api(api_root=root, access_token=key)
    kv = {"update": 1, "c": "x", "is_new": True}
    silent, _ = writer.create_message(channel, data={"machine_only": True, "annotations": annotated({"n": 1, "kv": kv})})
    assert (silent.id, silent.machine_only, is_date(silent.created_at)) == (1, True, True), silent
    check_user(silent.user, 2)
    spoken, _ = writer.create_message(
        channel, data={"text": "<hi>", "annotations": annotated({"n": 2})}, include_message_annotations=True
    )
    assert (spoken.text, spoken.machine_only, spoken.html) == ("<hi>", False, "&lt;hi&gt;"), spoken
    assert spoken.get_annotation(POINT) == [{"_api": writer, "n": 2}]

    people, _ = reader.get_channel_messages(channel)
    assert [message.id for message in people] == [2] and "annotations" not in people[0]
    everything, meta = reader.get_channel_messages(channel, include_machine=True, include_message_annotations=True)
    assert [message.id for message in everything] == [2, 1]
    assert (meta.more, meta.max_id, meta.min_id) == (False, "2", "1")
    value = everything[1].get_annotation(POINT, result_format="one")
    assert {name: value["kv"][name] for name in kv} == kv, "as it was posted"
    one, _ = reader.get_message(channel, silent, include_annotations=1)
    assert (one.id, one.channel_id, one.thread_id, one.num_replies) == (1, channel.id, "1", 0)
    for n in range(5):
        writer.create_message(channel, data={"machine_only": True, "annotations": annotated({"n": n})})
    walked = adnpy.cursor(reader.get_channel_messages, channel, include_machine=1, count=2)
    assert [message.id for message in walked] == [7, 6, 5, 4, 3, 2, 1]

    # Channels: one, some, and all of the owner's.
    seen, _ = reader.get_channel(channel, include_recent_message=1, include_message_annotations=1)
    check_channel(seen)
    assert (seen.counts.messages, seen.recent_message_id, seen.recent_message.id) == (7, "7", "7")
    assert seen.readers.you and not seen.editors.you and "annotations" in seen.recent_message
    other, _ = api.create_channel(data={"type": POINT})
    found, _ = api.get_channels(ids=",".join([channel.id, other.id]))
    assert [found_one.id for found_one in found] == [channel.id, other.id]
    for call in (api.subscribed_channels, api.users_channels):
        listed, meta = call(count=200)
        for listed_one in listed:
            check_channel(listed_one)
        assert {channel.id, other.id} <= {listed_one.id for listed_one in listed} and meta.max_id == listed[0].id
        assert [one.id for one in adnpy.cursor(call, count=1)] == [one.id for one in listed]

    # What is wrong is told as app.net told it.
    for error, call in [
        (adnpy.errors.AdnAuthAPIException, lambda: writer.get_token()),
        (adnpy.errors.AdnAuthAPIException, lambda: writer.create_channel(data={"type": POINT})),
        (adnpy.errors.AdnAuthAPIException, lambda: writer.get_channel_messages(channel)),
        (adnpy.errors.AdnBadRequestAPIException, lambda: api.create_channel(data={"type": "net.app.core.pm"})),
        (adnpy.errors.AdnBadRequestAPIException, lambda: writer.create_message(channel, data={"text": "no point"})),
        (adnpy.errors.AdnMissing, lambda: api.get_channel("7")),
        (adnpy.errors.AdnMissing, lambda: reader.get_message(channel, 99)),
        (adnpy.errors.AdnMissing, lambda: api.get_streams()),
        (adnpy.errors.AdnMissing, lambda: api.subscribe_channel(channel)),
        (adnpy.errors.AdnAPIException, lambda: api.update_channel(channel, data={"readers": {}})),
        (adnpy.errors.AdnAPIException, lambda: api.delete_message(channel, silent)),
    ]:
        try:
            call()
        except error as told:
            assert told.response.meta.error_message
        else:
            raise AssertionError(error)


main(*sys.argv[1:])
