"""The authorization code grant (RFC 6749 section 4.1.3, with PKCE)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from bezant.authorization_request import AuthorizationRequest
from bezant.authorizations import Authorizations
from bezant.codes import Codes
from bezant.documents import from_json
from bezant.errors import InvalidGrant
from bezant.events import CodeReplayed, Events
from bezant.grants import Decision, TokenContext
from bezant.login import Accounts
from bezant.pkce import is_proven
from bezant.refresh_tokens import new_authorization_id
from bezant.resources import narrow_resources
from bezant.revocation import Revocations
from bezant.sign_in import SignIn
from bezant.stores import ConsentStore, Taking

__all__ = ["AuthorizationCodeGrant", "GivenCode"]


@dataclass(frozen=True, slots=True)
class GivenCode:
    """What a code stands for. Its authorization has a name already, so that whoever comes second
    with the code can end what the first one got.
    """

    authorization_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    subject: str
    session_id: str
    auth_time: float
    issued_at: float
    nonce: str | None = field(default=None, repr=False)
    acr: str | None = None
    amr: tuple[str, ...] = ()
    claims: str = ""
    replayed: bool = False

    @classmethod
    def of(cls, asked: AuthorizationRequest, sign_in: SignIn, now: float) -> Self:
        """What a resource owner gives a client by signing in."""
        return cls(
            authorization_id=new_authorization_id(),
            client_id=asked.client_id,
            redirect_uri=asked.redirect_uri,
            code_challenge=asked.code_challenge,
            scopes=asked.scopes,
            resources=asked.resources,
            subject=sign_in.subject,
            session_id=sign_in.session_id,
            auth_time=sign_in.auth_time,
            issued_at=now,
            nonce=asked.nonce,
            acr=sign_in.acr,
            amr=sign_in.amr,
            claims=asked.claims,
        )

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what `document` made."""
        return cls(**from_json(document))


class AuthorizationCodeGrant:
    """A code becomes an authorization, once.

    Args:
        codes: Where codes are.
        authorizations: Records what was given.
        accounts: Say the resource owner's present state.
        consents: Say what the resource owner still lets the client have.
        revocations: What has been revoked since the code was given.
        events: Told of codes that come twice.
    """

    grant_type = "authorization_code"

    def __init__(
        self,
        codes: Codes,
        authorizations: Authorizations,
        accounts: Accounts,
        consents: ConsentStore,
        revocations: Revocations,
        events: Events,
    ) -> None:
        self._codes = codes
        self._authorizations = authorizations
        self._accounts = accounts
        self._consents = consents
        self._revocations = revocations
        self._events = events

    async def decide(self, context: TokenContext, /) -> Decision:
        """Redeem a code.

        Raises:
            InvalidRequest: ``code``, ``redirect_uri`` or ``code_verifier`` is missing.
            InvalidTarget: Tokens for a resource are asked for that the code is not for.
            InvalidGrant: The code is not good, not this client's, or used before; or what it was
                given for has ended since.
        """
        client, form, now, runtime = context.client, context.form, context.now, context.runtime
        code, redirect_uri = form.require("code"), form.require("redirect_uri")
        verifier = form.require("code_verifier")
        given = await self._taken(code, context)
        if redirect_uri != given.redirect_uri:
            raise InvalidGrant("redirect_uri is not the one that the code was sent to")
        if not is_proven(given.code_challenge, verifier):
            raise InvalidGrant("code_verifier does not fit the code_challenge")
        resources = narrow_resources(form.all("resource"), given.resources)
        user = await runtime.call(self._accounts.get, given.subject)
        if user is None or not user.active:
            raise InvalidGrant(_INVALID, detail="the user is gone or disabled")
        if user.subject == client.client_id:
            # A token whose subject is the client means that the client acts for itself (RFC 9700
            # section 4.15).
            raise InvalidGrant(_INVALID, detail="the subject equals the client id")
        if not set(given.scopes) <= set(client.scopes):
            raise InvalidGrant(_INVALID, detail="the client has lost a scope")
        authorization = await self._authorizations.open(
            client,
            user,
            given.scopes,
            given.resources,
            now=now,
            address=context.address,
            runtime=runtime,
            authorization_id=given.authorization_id,
            auth_time=given.auth_time,
            session_id=given.session_id,
            claims=given.claims,
        )
        # Looked at only now: whoever ends something first leaves a mark, and then ends what is
        # open; so what is opened and then finds no mark will be found.
        if (end := await self._end(code, given, context)) is not None:
            await self._authorizations.revoke(authorization.id, now=now, runtime=runtime)
            raise InvalidGrant(_INVALID, detail=end)
        return Decision(
            client,
            user.subject,
            given.scopes,
            resources,
            user=user,
            authorization=authorization,
            nonce=given.nonce,
            acr=given.acr,
            amr=given.amr,
        )

    async def _taken(self, code: str, context: TokenContext) -> GivenCode:
        """Take the code, of this client alone: nobody else can use it up."""
        now, runtime = context.now, context.runtime
        document = await self._codes.peek("code", code, now, runtime)
        if document is None:
            raise InvalidGrant(_INVALID, detail="unknown or expired")
        if document["client_id"] != context.client.client_id:
            raise InvalidGrant(_INVALID, detail="another client's")
        taking, _ = await self._codes.take("code", code, now, runtime)
        given = GivenCode.read(document)
        if taking is Taking.TAKEN:
            return given
        marked = replace(given, replayed=True).document()
        await self._codes.replace("code", code, marked, now, runtime)
        await self._authorizations.revoke(given.authorization_id, now=now, runtime=runtime)
        self._events.emit(
            CodeReplayed(
                at=now,
                client_id=given.client_id,
                subject=given.subject,
                authorization_id=given.authorization_id,
                address=context.address,
            )
        )
        raise InvalidGrant(
            "the code was used before; all that it gave is revoked, sign in again",
            detail="used before",
        )

    async def _end(self, code: str, given: GivenCode, context: TokenContext) -> str | None:
        """Why what the code was given for has ended since; None when it has not."""
        client, now, runtime = context.client, context.now, context.runtime
        present = await self._codes.peek("code", code, now, runtime)
        if present is None or present["replayed"]:
            return "used twice at once"
        if await self._codes.peek("ended", given.session_id, now, runtime) is not None:
            return "the sign-in has ended"
        await self._revocations.refresh(runtime)
        last_end = self._revocations.view.last_end(given.subject, given.client_id)
        if last_end >= given.issued_at:
            return "everything of the user or the client was revoked"
        if client.first_party:
            return None
        consent = await runtime.call(self._consents.get, given.subject, client.client_id)
        if consent is None or not set(given.scopes) <= set(consent.scopes):
            return "the consent was taken back"
        return None


_INVALID = "the code is not valid"
