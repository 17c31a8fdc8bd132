"""Junk bodies: good ones altered, values of every kind in their places, forms, and bytes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

FIELDS = [
    "request",
    "recipient",
    "account_linking",
    "timestamp",
    "method",
    "id",
    "status",
    "username",
    "email",
    "phone_number",
    "meta",
    "unionID",
    "platform",
    "platformName",
    "avatar",
    "data",
    "enable",
    "twoFactorCode",
    "pageID",
    "userID",
    "object",
    "entry",
    "messaging",
    "sender",
    "authorization_code",
    "request.method",
    "message",
    "text",
    "referral",
    "ref",
    "postback",
    "payload",
    "quick_reply",
    "signed_request",
    "ticket",
    "password",
    "code",
    "user_id",
    "psid",
    "page_id",
    "issued_at",
    "algorithm",
    "thread_type",
]
VALUES = [
    "account_link",
    "linked",
    "unlinked",
    "1001",
    "71",
    "page",
    "wechat",
    "messenger",
    "\ud800",
    "\0",
    "{",
    "123 456",
    "LINK 7K4Q-9P2M",
    "bl.yes.AAAAAAAAAAAAAAAAAAAAAA",
    "bl.",
    "HMAC-SHA256",
    "USER_TO_PAGE",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(VALUES)
    | st.text(max_size=30)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FIELDS, "\udfff"]), inner, max_size=6)
    ),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)
calls = st.fixed_dictionaries(
    {
        "request": st.fixed_dictionaries({"method": st.just("account_link"), "id": scalars, "meta": values}),
        "recipient": st.fixed_dictionaries({"id": scalars}),
        "account_linking": st.fixed_dictionaries(
            {"status": st.sampled_from(VALUES)},
            optional={"username": scalars, "email": scalars, "phone_number": scalars},
        ),
    }
)
binds = st.fixed_dictionaries(
    {"unionID": scalars, "platform": scalars},
    optional={"avatar": scalars, "data": scalars, "enable": scalars, "twoFactorCode": scalars},
)
events = st.fixed_dictionaries(
    {"sender": objects, "recipient": st.just({"id": "1001"}), "account_linking": objects}
)
chats = st.fixed_dictionaries(
    {"sender": st.just({"id": "71"}), "recipient": st.just({"id": "1001"})},
    optional={
        "timestamp": scalars,
        "message": st.fixed_dictionaries({"text": scalars}, optional={"quick_reply": values}),
        "referral": values,
        "postback": objects,
    },
)
contexts = st.fixed_dictionaries(
    {"algorithm": st.just("HMAC-SHA256"), "thread_type": st.just("USER_TO_PAGE")},
    optional={"issued_at": scalars, "page_id": scalars, "psid": scalars, "user_id": scalars},
)
batches = st.fixed_dictionaries(
    {
        "object": st.just("page"),
        "entry": st.lists(
            st.fixed_dictionaries(
                {"id": st.just("1001"), "messaging": st.lists(events | chats | values, max_size=3)}
            ),
            max_size=2,
        ),
    }
)
forms = st.lists(
    st.tuples(st.sampled_from([*FIELDS, "recipient.id", "_charset_"]), st.text(max_size=20)), max_size=8
)

bodies: st.SearchStrategy[bytes] = (
    (objects | calls | binds | batches | contexts | values).map(lambda value: json.dumps(value).encode())
    | forms.map(lambda pairs: urlencode(pairs, errors="replace").encode())
    | st.binary(max_size=200)
    | st.integers(90, 2000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth)
)
kinds = st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "application/json; charset=gbk",
        "application/x-www-form-urlencoded; charset=latin-1",
        "multipart/form-data",
    ]
)
