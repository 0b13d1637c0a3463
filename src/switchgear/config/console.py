"""The console: where browsers find it, and how people log in by single sign-on."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from switchgear.config.names import Name
from switchgear.config.secret import Secret


class SingleSignOnEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity provider that speaks OpenID Connect. People log in as the user who has their address."""

    issuer: Annotated[str, Meta(description="Its address, exactly as it calls itself: `https://login.example.com`.")]
    client_id: Annotated[str, Meta(min_length=1, description="The name of this installation there.")]
    client_secret: Annotated[Secret, Meta(description="The secret that goes with it; by reference.")]
    scopes: Annotated[
        tuple[str, ...], Meta(description="What is asked for; `openid` and whatever its claims need.")
    ] = ("openid", "profile", "email")
    roles_claim: Annotated[str, Meta(description="The claim that says what somebody is: a text or a list.")] = "groups"
    roles: Annotated[
        Mapping[str, Name], Meta(description="Roles by the values of that claim; others mean nothing here.")
    ] = {}


class Console(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The console, for people in a browser."""

    public_url: Annotated[
        str | None,
        Meta(
            description="Where browsers reach it: `https://gateway.example.com`, without a path. Single sign-on comes "
            "back there."
        ),
    ] = None
    single_sign_on: Annotated[SingleSignOnEntry | None, Meta(description="An identity provider.")] = None
