"""An entry of LiteLLM's ``model_list``: what it needs of a provider, and what its deployment says."""

from typing import Final

from msgspec import Struct

from switchgear.cli.importing.providers import Secret, Setting, Wanted, carriable_url, header_setting
from switchgear.cli.importing.section import UNKNOWN, Section, template, variable
from switchgear.cli.importing.vendors import AZURE, BEDROCK, VENDORS, VERTEX, Vendor, vendor_of
from switchgear.cli.importing.without_equal import MODEL_INFO, PARAMETERS

EVERY_MODEL: Final = "*"
_NO_KIND: Final = "no kind of provider is known for it; declare one by hand"
_MOST: Final = 1_000_000_000
_LONGEST_SECONDS: Final = 86_400
_FIELD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_INDISPENSABLE: Final = frozenset(("input", "messages", "model", "prompt", "stream", "stream_options"))
_TOKENS_PER_MILLION: Final = 1_000_000
_AWS_SECRETS: Final = (
    ("aws_access_key_id", "access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "session_token", ""),
)
_VERTEX_URL: Final = (
    "https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google"
)


class Entry(Struct, kw_only=True):
    """One entry, understood."""

    name: str
    path: str
    model: str
    """The model's name at the vendor; ``*`` for all of them."""
    wanted: Wanted
    terms: dict[str, object]
    """What its deployment says beside the model's name."""
    weight: float | None = None
    attempts: int | None = None


class EntryReader:
    """Reads entries, and tells of everything in them."""

    def __init__(self, credentials: dict[str, dict[str, object]]) -> None:
        """``credentials`` are the values that entries may borrow by name."""
        self._credentials = credentials

    def read(self, section: Section) -> Entry | None:
        """The entry; None when there is nothing to call, which is then told."""
        name = section.get("model_name")
        params = section.section("litellm_params")
        info = section.section("model_info")
        entry = None
        if not isinstance(name, str) or not name:
            section.lost("model_name", "an entry without a name that could be called; it is left out")
        elif params is None:
            section.lost("model_name", "an entry without litellm_params; it is left out")
        else:
            entry = self._entry(name, section, params)
        if params is not None:
            params.finish(PARAMETERS, _of_what(entry))
        if info is not None:
            _read_info(info, entry)
        section.finish({})
        return entry

    def _entry(self, name: str, section: Section, params: Section) -> Entry | None:
        self._borrow(params)
        model = params.get("model")
        if not isinstance(model, str) or not model:
            params.lost("model", "an entry without a model; it is left out")
            section.lost("model_name", "left out, for it names no model")
            return None
        declared = params.get("custom_llm_provider")
        prefix, rest = vendor_of(model, declared if isinstance(declared, str) else "")
        if isinstance(declared, str):
            params.carried("custom_llm_provider", "the provider's kind")
        vendor = VENDORS.get(prefix)
        if vendor is None and params.get("api_base"):
            vendor, rest = VENDORS["openai_like"], rest if prefix else model
        if vendor is None or not vendor.kind:
            what = vendor.note if vendor is not None else _NO_KIND
            if model == EVERY_MODEL:
                what = "every model of every vendor: declare each vendor under 'providers', and call 'provider/model'"
            params.lost("model", what)
            section.lost("model_name", "left out, for nothing here serves its model")
            return None
        if vendor.kind == VERTEX and not rest.startswith(("gemini", "google/gemini", "*")):
            params.lost("model", "of Vertex AI's models only Gemini's are spoken to here")
            section.lost("model_name", "left out, for nothing here serves its model")
            return None
        return self._understood(name, section, params, (vendor, rest))

    def _borrow(self, params: Section) -> None:
        """Fill in what a named credential holds."""
        named = params.get("litellm_credential_name")
        values = self._credentials.get(named) if isinstance(named, str) else None
        if values is not None:
            params.values = {**values, **params.values}
            params.carried("litellm_credential_name", "the settings of the provider")
            for key in values:
                if key not in ("api_key", "api_base", "api_version"):
                    params.lost(key, PARAMETERS.get(key, "of a credential: not known here"))

    def _understood(self, name: str, section: Section, params: Section, what: tuple[Vendor, str]) -> Entry:
        vendor, rest = what
        wanted = _wanted(params, vendor)
        section.told_later("model_name")
        rest = rest.removeprefix("converse/").removeprefix("deployments/") if vendor.kind == BEDROCK else rest
        if vendor.note:
            params.differs("model", f"kind {vendor.kind}: {vendor.note}")
        else:
            params.carried("model", f"kind {vendor.kind}, model {rest}")
        entry = Entry(name=name, path=section.path, model=rest, wanted=wanted, terms={})
        if rest == EVERY_MODEL:
            return entry
        _read_limits(params, entry)
        _read_times(params, entry)
        _read_drop(params, entry)
        _read_cost(params, entry)
        return entry


def _wanted(params: Section, vendor: Vendor) -> Wanted:
    key = _api_key(params, vendor)
    options: list[tuple[str, Setting]] = []
    if vendor.kind == AZURE:
        version = params.text("api_version")
        if version is not None:
            params.carried("api_version", "options.api_version of the provider")
            options.append(("api_version", version))
    url = _base_url(params, vendor)
    if vendor.kind == BEDROCK:
        options += _aws(params, key)
        endpoint = params.text("aws_bedrock_runtime_endpoint")
        if endpoint is not None and carriable_url(endpoint):
            params.carried("aws_bedrock_runtime_endpoint", "base_url of the provider")
            url = endpoint
    if vendor.kind == VERTEX:
        url, key = _vertex(params, url), key or Secret("os.environ/VERTEX_ACCESS_TOKEN")
    return Wanted(vendor.kind, url, key, tuple(_headers(params)), tuple(options))


def _api_key(params: Section, vendor: Vendor) -> Secret | None:
    value = params.get("api_key")
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        text = str(value)
        secret = Secret(text)
        if variable(text):
            params.carried("api_key", "api_key of the provider, by the same variable")
        else:
            params.differs("api_key", "api_key of the provider, by reference: it was in clear, and is not copied")
        return secret
    if value is not None:
        params.lost("api_key", "must be a text; the provider is without a key")
    return Secret(f"os.environ/{vendor.key_variable}") if vendor.key_variable else None


def _base_url(params: Section, vendor: Vendor) -> str:
    found = ""
    for key in ("api_base", "base_url"):
        url = params.text(key)
        if url is None:
            continue
        if not carriable_url(url):
            params.lost(key, "an address with credentials or a query, or none at all; write base_url and query by hand")
        elif found:
            params.lost(key, "a second address of the same entry")
        else:
            found = _with_suffix(url, vendor.suffix)
            params.carried(key, "base_url of the provider" + (f", with {vendor.suffix}" if found != url else ""))
    if found or vendor.base_url or not vendor.url_variable:
        return found or vendor.base_url
    return f"${{{vendor.url_variable}}}"


def _with_suffix(url: str, suffix: str) -> str:
    bare = url.rstrip("/")
    return url if not suffix or bare.endswith((suffix, "}")) else f"{bare}{suffix}"


def _headers(params: Section) -> list[tuple[str, Setting]]:
    found: list[tuple[str, Setting]] = []
    for key in ("extra_headers", "headers"):
        section = params.section(key)
        if section is None:
            continue
        for name, value in section.values.items():
            if not isinstance(value, str | int | float):
                section.lost(name, "a header must be a text")
                continue
            setting = header_setting(name, str(value))
            found.append((name, setting))
            if isinstance(setting, str):
                section.carried(name, "a header of the provider")
            else:
                section.differs(name, "a header of the provider, by reference: its value is not copied")
    organization = params.text("organization")
    if organization is not None:
        found.append(("openai-organization", header_setting("openai-organization", str(params.get("organization")))))
        params.carried("organization", "the header openai-organization of the provider")
    return found


def _aws(params: Section, key: Secret | None) -> list[tuple[str, Setting]]:
    region = params.text("aws_region_name")
    if region is not None:
        params.carried("aws_region_name", "options.region of the provider")
    found: list[tuple[str, Setting]] = [("region", region or "${AWS_REGION}")]
    for theirs, ours, default in _AWS_SECRETS:
        value = params.get(theirs)
        if isinstance(value, str) and value:
            params.carried(theirs, f"options.{ours} of the provider, by reference")
            found.append((ours, Secret(value)))
        elif default and key is None:
            found.append((ours, Secret(f"os.environ/{default}")))
    return found


def _vertex(params: Section, url: str) -> str:
    places: dict[str, str] = {}
    for key, default in (("vertex_project", "VERTEXAI_PROJECT"), ("vertex_location", "VERTEXAI_LOCATION")):
        text = params.text(key)
        if text is not None:
            params.carried(key, "a part of the provider's base_url")
        places[key.removeprefix("vertex_")] = text or f"${{{default}}}"
    if params.get("vertex_credentials") is not None:
        params.differs(
            "vertex_credentials",
            "${VERTEX_ACCESS_TOKEN}: an access token, which somebody must renew; a service account's file is not read",
        )
    made = _VERTEX_URL.format(**places)
    return url or (made if carriable_url(made) else "${VERTEX_URL}")


def _read_limits(params: Section, entry: Entry) -> None:
    for key, ours in (("rpm", "requests_per_minute"), ("tpm", "tokens_per_minute")):
        number = params.number(key, 0, _MOST)
        if number is not None:
            entry.terms[ours] = number if isinstance(number, str) else int(number)
            params.carried(key, f"{ours} of the deployment")
    parallel = params.number("max_parallel_requests", 1, 1_000_000)
    if parallel is not None:
        entry.terms["max_in_flight"] = parallel if isinstance(parallel, str) else int(parallel)
        params.differs("max_parallel_requests", "max_in_flight of the deployment: one more waits in line, for a while")
    order = params.number("order", 0, 100)
    if order is not None:
        entry.terms["tier"] = order if isinstance(order, str) else int(order)
        params.carried("order", "tier of the deployment")
    weight = params.number("weight", 0, 1_000_000)
    if isinstance(weight, str):
        entry.terms["weight"] = weight
        params.carried("weight", "weight of the deployment")
    elif weight is not None:
        entry.weight = float(weight)
        if weight:
            params.carried("weight", "weight of the deployment, as a whole number")
        else:
            entry.weight, entry.terms["tier"] = None, 100
            params.differs("weight", "tier 100 of the deployment: it is used when no other can take a call")


def _read_times(params: Section, entry: Entry) -> None:
    timers: dict[str, object] = {}
    total = params.number("timeout", 0.001, _LONGEST_SECONDS)
    if total is not None:
        timers["total_seconds"] = total
        params.carried("timeout", "timers.total_seconds of the deployment")
    first = params.number("stream_timeout", 0.001, _LONGEST_SECONDS)
    if first is not None:
        timers["first_token_seconds"] = first
        params.differs("stream_timeout", "timers.first_token_seconds of the deployment: to the first piece of content")
    if timers:
        entry.terms["timers"] = timers
    for key in ("max_retries", "num_retries"):
        retries = params.number(key, 0, 1000)
        if isinstance(retries, int | float):
            entry.attempts = max(entry.attempts or 1, min(int(retries) + 1, 10))
            params.differs(
                key, "retries.attempts of the model's name: all its deployments together, the first included"
            )


def _read_drop(params: Section, entry: Entry) -> None:
    names = params.names("additional_drop_params")
    fit = [name for name in names if name and set(name) <= _FIELD and not name[0].isdigit() and name[0] != "-"]
    fit = [name for name in fit if name not in _INDISPENSABLE and len(name) <= 64]
    if fit:
        entry.terms["drop"] = fit
    if fit and len(fit) == len(names):
        params.carried("additional_drop_params", "drop of the deployment")
    elif names:
        params.differs("additional_drop_params", "drop of the deployment, as far as they are names of top-level fields")


def _read_cost(section: Section, entry: Entry) -> None:
    prices = [section.number(key, 0, 1000) for key in ("input_cost_per_token", "output_cost_per_token")]
    known = [price for price in prices if isinstance(price, int | float)]
    if known and "cost" not in entry.terms:
        entry.terms["cost"] = round(sum(known) / len(known) * _TOKENS_PER_MILLION, 6)
    for key, price in zip(("input_cost_per_token", "output_cost_per_token"), prices, strict=True):
        if price is not None:
            section.differs(key, "cost of the deployment, the mean of both for a million tokens: for balance: cheapest")


def _read_info(info: Section, entry: Entry | None) -> None:
    if entry is not None and entry.model != EVERY_MODEL:
        _read_cost(info, entry)
    info.finish(MODEL_INFO)


def _of_what(entry: Entry | None) -> str:
    """What is wrong with parameters that nobody asked for."""
    if entry is None:
        return "of an entry that is left out"
    return UNKNOWN if entry.model != EVERY_MODEL else "for every model at once: declare the model, and say it there"


def named(text: str) -> str:
    """A name as ours may be written: printable ASCII without spaces, at most 256 characters."""
    made = "".join(character if "!" <= character <= "~" else "-" for character in text[:256])
    return template(made) if "${" in made else made
