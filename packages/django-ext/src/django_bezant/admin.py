"""Clients, sessions, consents and signing keys in Django's admin.

Nothing secret is shown but a client's new secret, once, as the answer to the request that made it:
it goes through no message, no session and no redirect, and no browser keeps a page of the admin.
What ends a client or a session ends the access tokens, too. All of it is done to the server that
``BEZANT`` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import get_current_timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from bezant import BezantError, ConfigurationError
from bezant.administration import Administration
from bezant.clients import SECRET_METHODS, ClientSecret, new_secret
from bezant.descriptions import moment
from bezant.keyring import KeyInfo
from bezant.runtime import SYNC, run_sync
from django_bezant import conf
from django_bezant.accounts import subject_named, usernames
from django_bezant.models import Authorization, Client, Consent, SigningKey
from django_bezant.stores import DjangoStores
from django_bezant.stores.authorizations import live_at

__all__ = ["AuthorizationAdmin", "ClientAdmin", "ConsentAdmin", "SigningKeyAdmin"]

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    ModelForm: TypeAlias = forms.ModelForm[Client]
else:
    ModelAdmin, ModelForm = admin.ModelAdmin, forms.ModelForm

OVERLAP = 86400
"""Seconds that an old secret stays good, unless somebody says otherwise."""


def _administration() -> Administration:
    return Administration(conf.server())


def _stores() -> DjangoStores | None:
    """The stores of the project's server; None when it has no server, or keeps all elsewhere."""
    try:
        stores = conf.server().stores
    except ConfigurationError:
        return None
    return stores if isinstance(stores, DjangoStores) else None


def _telling(action: Callable[..., Any]) -> Callable[..., Any]:
    """Show what went wrong as a message, in place of an error page."""

    @wraps(action)
    def told(self: ModelAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return action(self, request, *args, **kwargs)
        except BezantError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse(_place(self, "changelist")))

    return told


def _using() -> str | None:
    stores = _stores()
    return None if stores is None else stores.using


class Kept(ModelAdmin):
    """What the server keeps: there to be seen where Django's database is what it keeps it in."""

    def get_queryset(self, request: HttpRequest) -> Any:
        rows, stores = super().get_queryset(request), _stores()
        return rows.none() if stores is None else rows.using(stores.using)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Whether the address of a list may ask for rows like this: not by what is never shown, or
        it could be guessed piece by piece.
        """
        fields = self.model._meta.concrete_fields  # noqa: SLF001 (Django's own name for it)
        hidden = {field.name for field in fields if not field.editable}
        return lookup.partition("__")[0] not in hidden and super().lookup_allowed(
            lookup, value, request
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _stores() is not None and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _stores() is not None and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _stores() is not None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _stores() is not None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _stores() is not None and super().has_delete_permission(request, obj)


def _place(of: ModelAdmin, name: str) -> str:
    meta = of.model._meta  # noqa: SLF001 (Django's own name for it)
    return f"{of.admin_site.name}:{meta.app_label}_{meta.model_name}_{name}"


def _page(of: ModelAdmin, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
    return TemplateResponse(
        request,
        f"admin/django_bezant/{template}.html",
        {**of.admin_site.each_context(request), "opts": of.model._meta, **context},  # noqa: SLF001
    )


def _may(request: HttpRequest, of: ModelAdmin, codename: str) -> bool:
    label = of.model._meta.app_label  # noqa: SLF001 (Django's own name for it)
    user: Any = request.user
    return bool(user.has_perm(f"{label}.{codename}"))


def _moment(seconds: float | None) -> str:
    """Seconds since the epoch as a time, in the zone and the format of the project."""
    if seconds is None:
        return "-"
    return date_format(datetime.fromtimestamp(seconds, get_current_timezone()), "DATETIME_FORMAT")


def _time(name: str, description: Any) -> Callable[[Any, Any], str]:
    """A column of a list that shows seconds since the epoch as a time."""

    @admin.display(description=description, ordering=name)
    def shown(self: Any, row: Any) -> str:
        return _moment(getattr(row, name))

    return shown


def _words(name: str, description: Any) -> Callable[[Any, Any], str]:
    """A list of names, as text."""

    @admin.display(description=description)
    def shown(self: Any, row: Any) -> str:
        return " ".join(getattr(row, name)) or "-"

    return shown


class Written(Kept):
    """What the server writes, and people only look at and act on."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# ---- clients ----


class Words(forms.CharField):
    """A list of names, edited as text: separated by white space."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False, widget=forms.Textarea(attrs={"rows": 3, "cols": 60}), **options
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return list(dict.fromkeys(str(value or "").split()))


class ClientForm(ModelForm):
    """A client, checked as core checks it."""

    grants: Any = forms.MultipleChoiceField(
        label=_("Grants"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "The password grant shows the client users' passwords: for first-party software only."
        ),
    )
    scopes: Any = Words(label=_("Scopes"), help_text=_("What it may get; one in a line."))
    audience: Any = Words(
        label=_("Audience"),
        help_text=_("APIs that its tokens are for; empty means the server's default."),
    )
    redirect_uris: Any = Words(
        label=_("Redirect URIs"), help_text=_("Where users come back to; one in a line.")
    )
    post_logout_redirect_uris: Any = Words(
        label=_("Post-logout redirect URIs"),
        help_text=_("Where users may go after a logout; one in a line."),
    )

    class Meta:
        model: Any = Client
        fields: Any = (
            "client_id",
            "name",
            "active",
            "auth_method",
            "grants",
            "scopes",
            "audience",
            "introspect",
            "access_token_ttl",
            "refresh_retry_window",
            "redirect_uris",
            "post_logout_redirect_uris",
            "backchannel_logout_uri",
            "first_party",
            "jwks",
            "jwks_uri",
            "id_token_signed_response_alg",
            "userinfo_signed_response_alg",
        )
        widgets: ClassVar[dict[str, forms.Widget]] = {
            name: forms.TextInput(attrs={"size": 60})
            for name in ("name", "backchannel_logout_uri", "jwks_uri")
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys([*_grant_types(), *(self.instance.grants or ())])
        grants = cast(forms.MultipleChoiceField, self.fields["grants"])
        grants.choices = [(name, name) for name in names]
        self.made: str | None = None

    def clean(self) -> dict[str, Any]:
        """Ask core whether this is a client.

        One that has to have a secret gets one when it has none; another one loses what it has.
        """
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        at, adding = _administration(), not self.instance.client_id
        if adding and at.server.stores.clients.get(cleaned["client_id"]) is not None:
            self.add_error("client_id", gettext("There is a client with this id."))
            return cleaned
        secrets = self.instance.secrets
        if cleaned["auth_method"] not in SECRET_METHODS:
            secrets = []
        elif not secrets:
            self.made = new_secret()
            secrets = [[ClientSecret.of(self.made).hashed, None]]
        values = {**cleaned, "secrets": secrets}
        values.setdefault("client_id", self.instance.client_id)
        try:
            at.check_client(Client(**values).registration)
        except ConfigurationError as error:
            self.made = None
            raise forms.ValidationError(capfirst(error.problem)) from None
        self.instance.secrets = secrets
        return cleaned


def _grant_types() -> Sequence[str]:
    return [grant.grant_type for grant in conf.server().grants]


@admin.register(Client)
class ClientAdmin(Kept):
    """Applications that get tokens."""

    form: Any = ClientForm
    fields: ClassVar[Any] = ClientForm.Meta.fields
    list_display: Any = ("client_id", "name", "active", "auth_method")
    list_filter: ClassVar[Any] = ("active", "auth_method")
    search_fields: ClassVar[Any] = ("client_id", "name")
    actions: Any = ("rotate_secrets", "disable", "enable")
    change_form_template: ClassVar[Any] = "admin/django_bezant/client/change_form.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """An id is not changed: tokens and sessions name it."""
        return () if obj is None else ("client_id",)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.rotate_one)
        name = _place(self, "rotate").partition(":")[2]
        return [path("<path:object_id>/rotate-secret/", view, name=name), *super().get_urls()]

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may give clients new secrets."""
        return _may(request, self, "rotate_client_secret")

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        original = context.get("original")
        has_secret = original is not None and original.auth_method in SECRET_METHODS
        context["may_rotate"] = has_secret and self.has_rotate_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Client, form: ClientForm, change: bool) -> None:
        """Store the client, and end all that it got when it is active no more."""
        obj.save(using=_using(), force_insert=not change)
        if change and not obj.active and "active" in form.changed_data:
            _administration().end_all_of_client(obj.client_id)

    def delete_model(self, request: HttpRequest, obj: Client) -> None:
        """End all that the client got, and forget it."""
        _end_all_of(obj.client_id)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """End all that the clients got, and forget them."""
        for client in queryset:
            _end_all_of(client.client_id)
        super().delete_queryset(request, queryset)

    def response_add(
        self, request: HttpRequest, obj: Client, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._shown_once(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: Client) -> HttpResponse:
        return self._shown_once(request, obj) or super().response_change(request, obj)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        saved = super().save_form(request, form, change)
        saved.made = form.made
        return saved

    @sensitive_variables()  # in mails about failures
    def _shown_once(self, request: HttpRequest, client: Client) -> HttpResponse | None:
        """The secret that saving made, if it did."""
        made: str | None = getattr(client, "made", None)
        return None if made is None else self._secrets(request, {client.client_id: made})

    @sensitive_variables()  # and of the template's, which is therefore rendered here
    def _secrets(self, request: HttpRequest, made: dict[str, str]) -> HttpResponse:
        return _page(self, request, "client/secrets", title=_("New secrets"), made=made).render()

    @_telling
    def rotate_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then give one client a new secret."""
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        return self._rotate(request, [unquote(object_id)])

    @admin.action(description=_("Give new secrets"), permissions=["rotate"])
    @_telling
    def rotate_secrets(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        """Ask, then give the clients new secrets."""
        return self._rotate(request, [client.client_id for client in queryset])

    @sensitive_variables()  # as above
    def _rotate(self, request: HttpRequest, client_ids: Sequence[str]) -> HttpResponse:
        at = _administration()
        clients = [at.client(client_id) for client_id in client_ids]
        for client in clients:
            if not client.secrets:
                client.with_new_secret(new_secret(), now=0.0, overlap=0.0)  # which says why not
        form = OverlapForm(request.POST if "rotate" in request.POST else None)
        if not form.is_valid():
            return _page(
                self,
                request,
                "client/rotate",
                title=_("Give new secrets"),
                clients=clients,
                form=form,
                action_name="rotate_secrets",
                selected=ACTION_CHECKBOX_NAME,
            )
        made = {client.client_id: new_secret() for client in clients}
        with transaction.atomic(using=_using()):  # none has a new one that nobody came to see
            for client_id, secret in made.items():
                at.rotate_secret(client_id, secret, overlap=form.cleaned_data["overlap"])
            for client in self.get_queryset(request).filter(pk__in=made):
                self.log_change(request, client, gettext("New secret."))
            return self._secrets(request, made)

    @admin.action(description=_("Disable, and end all that they got"), permissions=["change"])
    @_telling
    def disable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        at = _administration()
        ended = sum(at.disable_client(client.client_id) for client in queryset)
        for client in queryset:
            self.log_change(request, client, gettext("Disabled."))
        self.message_user(request, _ended(ended))

    @admin.action(description=_("Enable"), permissions=["change"])
    @_telling
    def enable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        at = _administration()
        for client in queryset:
            at.enable_client(client.client_id)
            self.log_change(request, client, gettext("Enabled."))


def _end_all_of(client_id: str) -> None:
    """End all that a client got; nor does another one that is given its id find consents."""
    Consent.objects.using(_using()).filter(client_id=client_id).delete()
    _administration().end_all_of_client(client_id)


class OverlapForm(forms.Form):
    overlap: Any = forms.IntegerField(
        label=_("Seconds that the old secret stays good"),
        help_text=_("0 after a leak."),
        min_value=0,
        initial=OVERLAP,
    )


def _ended(count: int) -> str:
    return ngettext("%d session ended.", "%d sessions ended.", count) % count


# ---- sessions and consents ----


class OfUsers(Written):
    """Rows that belong to users, whose names are shown beside their keys."""

    @admin.display(description=_("user"), ordering="subject")
    def user_shown(self, row: Any) -> str:
        if hasattr(row, "username"):
            name = row.username
        else:
            name = usernames([row.subject]).get(row.subject)
        return row.subject if name is None else f"{name} ({row.subject})"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the users' names read at once."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        names = usernames(row.subject for row in rows)
        for row in rows:
            row.username = names.get(row.subject)
        changes.result_list = rows
        return changes

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Find by names of users, too."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        subject = subject_named(search_term.strip()) if search_term else None
        if subject is not None:
            found |= queryset.filter(subject=subject)
        return found, duplicates


class LiveFilter(admin.SimpleListFilter):
    """Sessions that are live, or all that are not forgotten yet."""

    title: Any = _("state")
    parameter_name: Any = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("live", _("live")), ("ended", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        live = live_at(conf.server().clock())
        if self.value() == "live":
            return queryset.filter(live)
        return queryset.exclude(live) if self.value() == "ended" else queryset


@admin.register(Authorization)
class AuthorizationAdmin(OfUsers):
    """What users have given clients, one for each sign-in."""

    list_display: Any = ("user_shown", "client_id", "signed_in", "last_used", "state", "address")
    list_filter: ClassVar[Any] = (LiveFilter,)
    search_fields: ClassVar[Any] = ("=id", "=subject", "=client_id", "=session_id")
    search_help_text: ClassVar[Any] = _(
        "A session's id, a user's name or key, a client's id, or a sign-in's, in full."
    )
    ordering: ClassVar[Any] = ("-created_at",)
    list_per_page: ClassVar[int] = 50
    show_full_result_count: ClassVar[bool] = False
    actions: Any = ("revoke",)
    fields: ClassVar[Any] = (
        "id",
        "user_shown",
        "client_id",
        "scopes_shown",
        "audience_shown",
        "signed_in",
        "last_used",
        "generation",
        "ends",
        "state",
        "revoked",
        "address",
        "session_id",
    )
    readonly_fields: ClassVar[Any] = fields

    signed_in: Any = _time("auth_time", _("signed in"))
    last_used: Any = _time("rotated_at", _("last used"))
    revoked: Any = _time("revoked_at", _("revoked"))
    scopes_shown: Any = _words("scopes", _("scopes"))
    audience_shown: Any = _words("audience", _("audience"))

    @admin.display(description=_("ends"))
    def ends(self, row: Authorization) -> str:
        return _moment(min(row.expires_at, row.idle_expires_at))

    @admin.display(description=_("state"))
    def state(self, row: Authorization) -> str:
        if row.revoked_at is not None:
            return gettext("revoked")
        end = min(row.expires_at, row.idle_expires_at)
        return gettext("live") if conf.server().clock() < end else gettext("expired")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may end sessions."""
        return _may(request, self, "revoke_authorization")

    @admin.action(description=_("End, with their access tokens"), permissions=["revoke"])
    @_telling
    def revoke(self, request: HttpRequest, queryset: QuerySet[Authorization]) -> None:
        rows = list(queryset)
        ended = _administration().end_sessions(row.id for row in rows)
        for row in rows:
            self.log_change(request, row, gettext("Ended."))
        self.message_user(request, _ended(ended))


@admin.register(Consent)
class ConsentAdmin(OfUsers):
    """What users let clients have, until somebody takes it back."""

    list_display: Any = ("user_shown", "client_id", "scopes_shown", "given")
    search_fields: ClassVar[Any] = ("=subject", "=client_id")
    search_help_text: ClassVar[Any] = _("A user's name or key, or a client's id, in full.")
    ordering: ClassVar[Any] = ("-given_at",)
    list_per_page: ClassVar[int] = 50
    show_full_result_count: ClassVar[bool] = False
    fields: ClassVar[Any] = ("user_shown", "client_id", "scopes_shown", "given")
    readonly_fields: ClassVar[Any] = fields

    given: Any = _time("given_at", _("given"))
    scopes_shown: Any = _words("scopes", _("scopes"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether somebody may take consents back."""
        return _stores() is not None and _may(request, self, "delete_consent")

    def delete_model(self, request: HttpRequest, obj: Consent) -> None:
        """Take the consent back, and end what the client got by it."""
        _administration().withdraw_consent(obj.subject, obj.client_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Consent]) -> None:
        """Take the consents back, and end what the clients got by them."""
        for consent in queryset:
            self.delete_model(request, consent)


# ---- keys ----


@admin.register(SigningKey)
class SigningKeyAdmin(Written):
    """What signs tokens."""

    list_display: Any = ("kid", "algorithm", "state", "signs_from", "gone")
    ordering: ClassVar[Any] = ("-sequence",)
    actions: Any = ("retire",)
    fields: ClassVar[Any] = (
        "kid",
        "algorithm",
        "sequence",
        "state",
        "created",
        "signs_from",
        "gone",
    )
    readonly_fields: ClassVar[Any] = fields
    change_list_template: ClassVar[Any] = "admin/django_bezant/signingkey/change_list.html"

    created: Any = _time("created_at", _("created"))
    signs_from: Any = _time("activates_at", _("signs from"))

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without what nobody looks at."""
        return super().get_queryset(request).defer("sealed")

    @admin.display(description=_("state"))
    def state(self, key: SigningKey) -> str:
        info = self._info(key)
        return "-" if info is None else info.state

    @admin.display(description=_("verifies until"))
    def gone(self, key: SigningKey) -> str:
        info = self._info(key)
        return _moment(None if info is None else info.gone_at)

    def _info(self, key: SigningKey) -> KeyInfo | None:
        """Where a key stands, as this process sees it."""
        keys = conf.server().keys
        if keys.due:
            run_sync(keys.refresh(SYNC))
        return next((info for info in keys.describe() if info.kid == key.kid), None)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if self.has_view_permission(request):
            run_sync(conf.server().keys.refresh(SYNC))
        context = {"may_rotate": self.has_rotate_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.rotate)
        name = _place(self, "rotate").partition(":")[2]
        return [path("rotate/", view, name=name), *super().get_urls()]

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may make keys."""
        return _may(request, self, "rotate_signingkey")

    def has_retire_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may withdraw keys."""
        return _may(request, self, "retire_signingkey")

    @_telling
    def rotate(self, request: HttpRequest) -> HttpResponse:
        """Ask, then make a key."""
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return _page(self, request, "signingkey/rotate", title=_("Make a new key"))
        info = _administration().rotate_keys(immediately="now" in request.POST)
        self.log_addition(request, self.get_queryset(request).get(pk=info.kid), gettext("Made."))
        text = gettext("The new key %(kid)s signs from %(moment)s.")
        self.message_user(request, text % {"kid": info.kid, "moment": moment(info.activates_at)})
        return HttpResponseRedirect(reverse(_place(self, "changelist")))

    @admin.action(description=_("Withdraw: their tokens are refused"), permissions=["retire"])
    @_telling
    def retire(self, request: HttpRequest, queryset: QuerySet[SigningKey]) -> None:
        at = _administration()
        for key in queryset:
            at.retire_key(key.kid)
            self.log_change(request, key, gettext("Withdrawn."))
        self.message_user(request, gettext("Withdrawn: %d") % len(queryset))
