"""The composition root and the command line: the only place that reads shop.toml and the environment.

It is long because it is the one list of all commands with all their options; what they do stands elsewhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from storage.errors import AisleError, Forbidden, InvalidInput, Unavailable
from storage.principal import Principal, Role, local_operator
from storage.publish import sha256_file
from storage.record import new_id, now_ms
from storage.rows import Rejects, RowProblem, read_jsonl, rejected_file, unexpected
from storage.settings import ShopSettings, parse_settings

if TYPE_CHECKING:
    from bot.llm.advise import Adviser
    from bot.parts import Parts
    from bot.service import Assistant
    from finetune.intent import Finetuned
    from finetune.interactions import Interactions
    from finetune.language_model import Pretraining
    from finetune.registry import Listed, Promotion, Registry
    from finetune.search_data import SearchData
    from finetune.search_run import Tuned
    from finetune.turn_keys import KeyedDialogue
    from index.build import BuildReport
    from index.filters import Filters
    from index.review_file import LoadedReviews
    from index.snapshot import Snapshot
    from storage.database import Database
    from storage.event_file import Loaded as LoadedEvents
    from storage.keys import NewKey
    from storage.publish import Versions

# Nothing is fetched from a hub unless the person who starts Aisle says so.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# numpy's own threads go on spinning after a product and take the cores from OpenVINO: an intent then takes half as long again.
# What is large is computed by torch, OpenVINO and FAISS, which have threads of their own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Threads of torch that wait for each other sleep instead of spinning: beside other jobs a small model else trains 20 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(context_settings=_CONTEXT, no_args_is_help=False, add_completion=False, rich_markup_mode=None)
finetune_app = typer.Typer(help="Train a better model on the shop's own logs.", no_args_is_help=True)
evaluate_app = typer.Typer(
    help="Measure a model, the search, whole conversations, the retention forecast, the order of cards or an experiment.",
    no_args_is_help=True,
)
models_app = typer.Typer(help="The shop's models: list, promote, rollback.", no_args_is_help=True)
experiment_app = typer.Typer(help="Plan an experiment.", no_args_is_help=True)
answers_app = typer.Typer(
    help="Answers from past dialogues: mine, list, approve, reject, import.", no_args_is_help=True
)
keys_app = typer.Typer(help="API keys: create, list, rotate, revoke.", no_args_is_help=True)
app.add_typer(finetune_app, name="finetune")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(experiment_app, name="experiment")
app.add_typer(models_app, name="models")
app.add_typer(answers_app, name="answers")
app.add_typer(keys_app, name="keys")

console = Console(stderr=True)
# Whoever can read the shop's folder has its secret, and with that every role.
ADMIN = Principal("operator", Role.ADMIN)
SHIPPED_MODEL = Path(__file__).parent / "demo" / "model" / "intent"
SHIPPED_JOURNEYS = Path(__file__).parent / "demo" / "journeys"
_NAMED = 20  # labels that a warning names
_WEEK = 7  # days: in a small shop that many pass without a sale
R = TypeVar("R")
_BATCH = 5_000  # orders a transaction

Shop = Annotated[Path, typer.Option("--shop", help="The shop's folder.", file_okay=False)]
ModelFolder = Annotated[Path | None, typer.Option(help="The model folder to write.", file_okay=False)]
BaseModel = Annotated[
    str | None, typer.Option(help="A folder, or with HF_HUB_OFFLINE=0 a Hugging Face id, instead of the built-in.")
]
MostEpochs = Annotated[int | None, typer.Option(min=1, help="At most so many; it stops early.")]
Promote = Annotated[bool, typer.Option("--promote", help="Serve it from now on, if the gate holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
MaxRejected = Annotated[
    float, typer.Option("--max-rejected", min=0, max=1, help="Above this share (and 10 rows) nothing is published.")
]
JudgedQueries = Annotated[
    Path | None, typer.Option("--queries", help="Judged queries, JSONL {query_id, text, filters}.", dir_okay=False)
]
TheirJudgments = Annotated[
    Path | None, typer.Option("--qrels", help="Their judgments, TSV query_id, product_id, gain.", dir_okay=False)
]
Show = Callable[..., None]
RejectedFile = Annotated[Path | None, typer.Option("--rejected", help="Where rejected rows go.", dir_okay=False)]


class RateColumn(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """The rate as text, empty until one is known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def bars() -> Iterator[Callable[..., None]]:
    """Progress bars on standard error with rate and time left.

    Call what is yielded with (step, done, total) and, where there is more to say, a note that stands behind the bar.
    """
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int, note: str = "") -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total, note=note)
            progress.update(tasks[step], completed=done, total=total, note=note)

        yield show


def settings_of(shop: Path) -> ShopSettings:
    """What the shop's shop.toml says; the defaults where there is none."""
    path = shop / "shop.toml"
    return parse_settings(path.read_bytes()) if path.is_file() else ShopSettings()


def database_of(shop: Path, settings: ShopSettings) -> Database:
    """The shop's database, its tables brought up to date."""
    from storage.database import Database

    return Database.open(database_url_of(shop, settings))


def database_url_of(shop: Path, settings: ShopSettings) -> str:
    """The environment's database, else that of the settings."""
    return environments_database() or settings.database.url_for(shop)


def environments_database() -> str | None:
    """`AISLE_DATABASE_URL`, or what the file holds that `AISLE_DATABASE_URL_FILE` names: a secret of Docker's or of systemd's.

    Raises:
        Unavailable: the file cannot be read.
    """
    if url := os.environ.get("AISLE_DATABASE_URL"):
        return url
    if not (file := os.environ.get("AISLE_DATABASE_URL_FILE")):
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        hint = "Write the database's URL into it, readable for this user."
        raise Unavailable(f"AISLE_DATABASE_URL_FILE names {file}, which cannot be read: {reason}.", hint) from None


@contextmanager
def opened(shop: Path) -> Iterator[Database]:
    """The shop's database, closed when the block ends."""
    database = database_of(shop, settings_of(shop))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def registry_of(shop: Path) -> Iterator[Registry]:
    """The shop's models, its database closed when the block ends."""
    from finetune.registry import Registry

    with opened(shop) as database:
        yield Registry(shop, database, ADMIN)


@contextmanager
def assistant_of(shop: Path, talks: bool = True) -> Iterator[Assistant]:
    """The shop's assistant, closed when the block ends.

    One that `talks` needs an intent model: a shop without its own gets the one that ships.
    """
    from bot.service import Assistant

    if talks:
        install_intent_model(shop)
    with opened(shop) as database:
        settings = settings_of(shop)
        assistant = Assistant.open(
            shop, settings, database, settings.checkout_url, adviser_of(settings) if talks else None
        )
        try:
            yield assistant
        finally:
            assistant.close()


def adviser_of(settings: ShopSettings) -> Adviser | None:
    """The language model that `[llm]` names, None where there is none; its framework is imported only for it.

    Raises:
        Unavailable: the framework is not installed, or the environment variable that holds the key is not set.
    """
    if settings.llm is None:
        return None
    try:
        from bot.llm.agent import LangChainModel
    except ImportError as error:
        raise Unavailable(f"[llm] needs a package: {error}.", "Install it: pip install 'aisle[llm]'.") from None
    from bot.llm.advise import Adviser

    name = settings.llm.api_key_env
    if name and not os.environ.get(name):
        raise Unavailable(f"[llm] api_key_env names {name}, which is not set.", f"Set it: export {name}=…")
    return Adviser(LangChainModel.open(settings.llm, os.environ.get(name, "")), settings.llm)


def install_intent_model(shop: Path) -> None:
    """Builds the shipped intent model (adapter and head) into the shop's folder where it has none."""
    from bot.parts import intent_versions

    versions = intent_versions(shop)
    if versions.current() is not None:
        return
    from finetune.export import assemble

    console.print("Building the intent model that ships with Aisle (once)…")
    name = f"shipped-{sha256_file(SHIPPED_MODEL / 'manifest.json')[:12]}"
    with versions.lock():
        if name not in versions.list():
            assemble(SHIPPED_MODEL, versions.root / name, encoder_cache(shop))
        versions.activate(name)


def intent_model_of(shop: Path) -> Path:
    """The folder of the shop's intent model: its own, or the one that ships."""
    from bot.parts import intent_versions

    install_intent_model(shop)
    folder = intent_versions(shop).current()
    if folder is None:
        raise Unavailable(f"{shop} has no intent model.", "Train one: launch.py finetune intent --promote.")
    return folder


def encoder_cache(shop: Path) -> Path:
    """Where the exported encoders of a shop are kept."""
    return shop / "models" / "encoder"


def put(result: Any, as_json: bool, text: str = "") -> None:
    """The one result of a command: JSON on standard output, or lines for a person."""
    values = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False, default=str))
    elif text:
        typer.echo(text)
    else:
        table = Table(show_header=False, box=None)
        for name, value in values.items():
            table.add_row(name.replace("_", " "), "" if value is None else str(value))
        Console().print(table)


def warn(text: str) -> None:
    """What a person should know beside the result: one line on standard error."""
    console.print(f"launch.py: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Aisle: a shopping assistant that a shop runs itself. Without a command it serves.

    Example: launch.py serve --demo
    """
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve(
    shop: Shop = Path("var"),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)] = 7860,
    demo: Annotated[
        bool, typer.Option("--demo", help="The example shop; builds it where the folder holds no shop.")
    ] = False,
) -> None:
    """Serve the windows (chat, /agent, /ops, /review) and the API.

    Example: launch.py serve --shop myshop --port 8000
    """
    if demo and host not in ("127.0.0.1", "localhost", "::1"):
        raise Forbidden(f"The demo lets anyone shop as anyone, so it does not listen on {host}.", "Leave --host out.")
    if demo:
        build_demo(shop)
    import uvicorn

    from bot import logs, machine, tracing
    from bot.api.app import create_app
    from bot.housekeeping import Housekeeper
    from bot.watcher import Watcher
    from finetune.experiment_views import experiment_views
    from storage.identity import Identity

    settings = settings_of(shop)
    with (
        machine.stopped_gently(),
        logs.written(settings.logging),
        tracing.sending(settings.telemetry),
        assistant_of(shop) as assistant,
        Watcher(assistant, shop),
        Housekeeper(assistant.database, shop, settings.retention),
    ):
        forget_again(assistant.database, shop)
        identity = Identity.open(shop, settings.identity, assistant.database)
        web = create_app(
            assistant,
            identity,
            shop,
            settings,
            demo_shoppers() if demo else (),
            lambda principal: experiment_views(assistant.database, principal, settings, assistant.experiments),
        )
        if settings.logging.format == "json":
            logging.getLogger("launch").warning("Aisle serves.", extra={"fields": {"host": host, "port": port}})
        else:
            console.print(f"Aisle serves on http://{host}:{port} (stop with Ctrl-C)")
        if demo:
            console.print(f"The agents' desk, in a private window beside it: http://{host}:{port}/demo/agent")
        # What uvicorn would log of requests, `bot/api/observed.py` does; whom to believe about addresses the application knows
        # ([identity] trusted_proxies), where uvicorn believes this machine.
        uvicorn.run(
            web,
            host=host,
            port=port,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
            proxy_headers=False,
        )


def build_demo(shop: Path) -> None:
    """Generates, indexes and loads the example shop where that is not done yet; what was interrupted is done over.

    Raises:
        Conflict: the folder holds a shop of somebody's own, which the demo's login would open to anyone.
    """
    from demo.generate import DemoFiles, write_demo_shop
    from demo.marker import Stage, mark, stage_of
    from index.snapshot import current_index

    stage, files = stage_of(shop), DemoFiles(shop)
    if stage is Stage.COMPLETE and current_index(shop) is not None:
        return
    console.print(f"Building the demo shop in {shop} (once; about two minutes)…")
    if stage in (None, Stage.WRITING) or not files.catalog.is_file():
        with bars() as show:
            write_demo_shop(shop, progress=show)
    run_ingest_events(files.events, shop)
    run_ingest_orders(files.orders, shop)
    run_ingest_customers(files.customers, shop)
    run_ingest_reviews(files.reviews, shop)
    # After the orders: the index counts what is bought together.
    run_index(files.catalog, shop, files.documents, allow_shrink=True)
    mark(shop, Stage.COMPLETE)


def demo_shoppers() -> tuple[Any, ...]:
    """The shoppers that the demo's window offers."""
    from bot.windows.customer import DemoShopper
    from demo.personas import PERSONAS

    return tuple(
        DemoShopper(
            persona.id,
            {
                "en": f"{persona.name.en}: {persona.description.en}",
                "zh": f"{persona.name.zh}：{persona.description.zh}",
            },
        )
        for persona in PERSONAS
    )


@app.command()
def demo(
    shop: Shop = Path("var"),
    products: Annotated[int, typer.Option(help="How many products.", min=1)] = 3200,
    shoppers: Annotated[int, typer.Option(help="How many shoppers.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed gives another shop.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Write the example shop's files: catalog, pictures, documents, events, orders, reviews, dialogues, shop.toml.

    Example: launch.py demo --shop var
    """
    from demo.generate import write_demo_shop

    with bars() as show:
        files = write_demo_shop(shop, seed=seed, products=products, shoppers=shoppers, progress=show)
    names = ("catalog", "documents", "media", "events", "orders", "reviews", "dialogues", "settings")
    put({name: getattr(files, name) for name in names}, as_json)


@app.command()
def index(
    catalog: Annotated[Path, typer.Argument(help="JSONL, CSV, Parquet, ACP feed or schema.org JSON-LD; .gz too.")],
    shop: Shop = Path("var"),
    documents: Annotated[Path | None, typer.Option(help="A folder of Markdown files: policies, FAQ, guides.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Add or replace these products, keep the others.")] = False,
    allow_shrink: Annotated[bool, typer.Option("--allow-shrink", help="Let more than 20 % of products go.")] = False,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Validate a catalog, embed what changed, and publish a version of the index.

    Example: launch.py index catalog.jsonl.gz --shop myshop --documents policies/
    """
    report = run_index(catalog, shop, documents, update, allow_shrink, max_rejected, rejected)
    put(report.as_dict(), as_json)


def run_index(
    catalog: Path,
    shop: Path,
    documents: Path | None = None,
    update: bool = False,
    allow_shrink: bool = False,
    max_rejected: float = 0.01,
    rejected: Path | None = None,
) -> BuildReport:
    """Builds an index with progress bars."""
    from bot.goods import note_stock
    from index.build import build_index
    from index.encoders import encoder_for
    from storage.orders import baskets

    with bars() as show, opened(shop) as database:
        report = build_index(
            catalog,
            shop,
            settings_of(shop),
            lambda space: encoder_for(space, encoder_cache(shop)),
            documents,
            baskets=baskets(database, ADMIN),
            update=update,
            allow_shrink=allow_shrink,
            max_rejected=max_rejected,
            rejected=rejected,
            progress=show,
        )
        note_stock(shop, database, ADMIN)
    return report


def publisher(name: str, shop: Path) -> Callable[[Path | None], object] | None:
    """What has to be published together with a model of that name: the index that a retriever makes, or the built-in one."""
    if name != "retriever":
        return None
    from index.build import build_index
    from index.encoders import encoder_for
    from index.retriever import Retriever
    from storage.orders import baskets

    def publish(folder: Path | None) -> None:
        with bars() as show, opened(shop) as database:
            build_index(
                None,
                shop,
                settings_of(shop),
                lambda space: encoder_for(space, encoder_cache(shop)),
                baskets=baskets(database, ADMIN),
                progress=show,
                retriever=Retriever.load(folder) if folder else Retriever(),
            )

    return publish


@app.command()
def ingest(
    kind: Annotated[Literal["events", "orders", "reviews", "customers"], typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="JSONL, also .gz.")],
    shop: Shop = Path("var"),
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Load a log of behavior, orders or reviews, or the customers, into the database; loading it again changes nothing.

    For events it also says how good they are, and writes that beside the rejected rows: docs/personalization.md explains it.

    Example: launch.py ingest events events.jsonl.gz --shop myshop
    """
    if kind == "events":
        loaded = run_ingest_events(file, shop, max_rejected, rejected)
        counts = {name: value for name, value in asdict(loaded).items() if name != "quality"}
        if as_json:
            put(loaded, as_json)
        else:
            put(counts, as_json)
            typer.echo(f"\n{loaded.quality.text()}", nl=False)
    elif kind == "reviews":
        put(run_ingest_reviews(file, shop, max_rejected, rejected), as_json)
    else:
        load = run_ingest_orders if kind == "orders" else run_ingest_customers
        put(load(file, shop, max_rejected, rejected), as_json)


def run_ingest_events(file: Path, shop: Path, max_rejected: float = 0.01, rejected: Path | None = None) -> LoadedEvents:
    """Loads a file of events, with a progress bar; nothing is loaded where too many rows cannot be used."""
    from storage.event_file import load_events
    from storage.pseudonyms import Pseudonyms
    from storage.secret import load_secret

    with opened(shop) as database, bars() as show:
        loaded = load_events(
            database,
            local_operator(),
            file,
            rejected or rejected_file(shop, "events"),
            settings_of(shop).consent,
            max_rejected,
            catalog_has(shop),
            show,
            pseudonym=Pseudonyms(load_secret(shop)).of,
        )
        forget_again(database, shop)
    return loaded


def forget_again(database: Database, shop: Path) -> None:
    """Erases those anew whom a restored backup or an old file brought back."""
    from storage.erasure import erase_again

    if back := erase_again(database, shop):
        warn(f"Old data had brought back people who were erased; erased again: {back}.")


def catalog_has(shop: Path) -> Callable[[str], bool] | None:
    """Says whether the shop's index has an item, a product or a variant; None where there is no index that can be read."""
    from index.snapshot import Snapshot, current_index

    try:
        folder = current_index(shop)
        snapshot = Snapshot.load(folder) if folder is not None else None
    except AisleError:
        return None
    return None if snapshot is None else lambda item_id: snapshot.row_of(item_id) is not None


def run_ingest_orders(
    file: Path, shop: Path, max_rejected: float = 0.01, rejected: Path | None = None
) -> dict[str, Any]:
    """Loads a file of orders; see `_ingest_records`."""
    from storage.orders import put_orders, read_order

    return _ingest_records(
        file, shop, "orders", read_order, put_orders, lambda order: order.order_id, max_rejected, rejected
    )


def run_ingest_customers(
    file: Path, shop: Path, max_rejected: float = 0.01, rejected: Path | None = None
) -> dict[str, Any]:
    """Loads a file of customers; see `_ingest_records`."""
    from storage.customers import put_customers, read_customer

    return _ingest_records(
        file, shop, "customers", read_customer, put_customers, lambda each: each.user_id, max_rejected, rejected
    )


def _ingest_records(
    file: Path,
    shop: Path,
    kind: str,
    read: Callable[[dict[str, Any]], tuple[R, tuple[str, ...]]],
    keep: Callable[[Database, Principal, Sequence[R]], int],
    id_of: Callable[[R], str],
    max_rejected: float,
    rejected: Path | None,
) -> dict[str, Any]:
    """Loads a file of records in batches, with a progress bar; nothing is loaded where too many rows cannot be used."""
    rejects, records = Rejects(), dict[str, R]()
    counts = {"read": 0, "accepted": 0, "duplicates": 0, "rejected": 0, "dropped_fields": 0}
    for number, row in read_jsonl(file):
        counts["read"] += 1
        try:
            if isinstance(row, RowProblem):
                rejects.add_problem(row)
                continue
            record, dropped = read(row)
            counts["duplicates"] += id_of(record) in records
            records[id_of(record)] = record
            counts["dropped_fields"] += len(dropped)
        except InvalidInput as error:
            rejects.add(number, error.message, row)
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            rejects.add_problem(unexpected(number, error, row))
    path = None
    if rejects.count:
        path = rejected or rejected_file(shop, kind)
        rejects.write(path)
    rejects.check(counts["read"], max_rejected)
    rows = list(records.values())
    with opened(shop) as database, bars() as show:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            counts["accepted"] += keep(database, local_operator(), batch)
            show(f"loading {kind}", start + len(batch), len(rows))
        forget_again(database, shop)
    return counts | {"rejected": rejects.count, "rejected_file": str(path) if path else None}


def run_ingest_reviews(
    file: Path, shop: Path, max_rejected: float = 0.01, rejected: Path | None = None
) -> LoadedReviews:
    """Loads a file of reviews, with a progress bar; nothing is loaded where too many rows cannot be used."""
    from index.review_file import load_reviews

    with opened(shop) as database, bars() as show:
        to = rejected or rejected_file(shop, "reviews")
        return load_reviews(database, local_operator(), file, to, max_rejected, catalog_has(shop), show)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What a shopper would type.")],
    shop: Shop = Path("var"),
    filters: Annotated[str, typer.Option(help="Conditions as JSON, see docs/shop_owner.md.")] = "{}",
    sort: Annotated[Literal["relevance", "price_asc", "price_desc", "rating", "newest"], typer.Option()] = "relevance",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: AsJson = False,
) -> None:
    """Find products: what POST /api/search answers.

    Example: launch.py search "rain jacket under $120" --limit 5
    """
    with assistant_of(shop, talks=False) as assistant:
        found = assistant.search(text, parse_filters(filters), sort, limit)
    if as_json:
        put(found, as_json)
        return
    from bot.cards import Card
    from bot.terminal import results

    Console().print(results([Card.model_validate(card) for card in found["products"]], found["total"]))


def parse_filters(text: str) -> Filters:
    """The filters of `--filters`; raises `InvalidInput` with what is wrong in them."""
    from pydantic import ValidationError

    from index.filters import Filters
    from storage.record import reasons_of

    try:
        return Filters.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput(
            f"--filters: {reasons_of(error)}.", 'Example: {"price": {"max": 12000, "currency": "USD"}}'
        ) from None


@app.command()
def chat(
    shop: Shop = Path("var"),
    user: Annotated[str | None, typer.Option(help="Chat as this shopper; a new visitor where left out.")] = None,
) -> None:
    """Talk with the assistant in the terminal.

    Example: launch.py chat --shop var --user demo-maya
    """
    from bot.terminal import converse
    from storage.identity import VISITOR_MARK

    principal = Principal(user or f"{VISITOR_MARK}{new_id()}", Role.CUSTOMER, anonymous=user is None)
    with assistant_of(shop) as assistant:
        converse(assistant, principal, Console(), lambda: Console().input("[bold]› [/bold]"))


@finetune_app.command("intent")
def finetune_intent_command(
    logs: Annotated[
        list[Path] | None, typer.Option("--logs", help="Dialogue logs; give it once for each file.")
    ] = None,
    from_feedback: Annotated[
        bool,
        typer.Option(
            "--from-feedback", help="Learn from the shop's own conversations, as agents and labellers corrected them."
        ),
    ] = False,
    unlabeled: Annotated[
        list[Path] | None,
        typer.Option(
            "--unlabeled",
            help="Dialogues, a CSV `text` column or plain lines, learnt from too where they have no labels.",
        ),
    ] = None,
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            help="A folder, or with HF_HUB_OFFLINE=0 a Hugging Face id, instead of the built-in ones: for every script, or that of "
            "the texts where finetune language-model made it."
        ),
    ] = None,
    method: Annotated[Literal["full", "lora", "head"], typer.Option(help="What is trained.")] = "full",
    epochs: MostEpochs = None,
    in_scope_loss: Annotated[
        float, typer.Option(help="The share of turns in scope that the out-of-scope threshold may give up.")
    ] = 0.03,
    search: Annotated[
        int, typer.Option("--search", min=0, metavar="N", help="Try N settings first and train with the best.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of split, order and initial weights.")] = 0,
    promote: Promote = False,
    held_out: Annotated[
        list[Path] | None,
        typer.Option("--held-out", help="Labelled dialogues that the gate judges by, instead of the validation part."),
    ] = None,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Train an intent model on dialogue logs, on the shop's own conversations, or on both.

    --from-feedback reads those of shoppers who let models learn from them: labelled turns like --logs, others like --unlabeled.
    With --output the same command goes on with a run that was killed.

    Example: launch.py finetune intent --logs dialogues.jsonl.gz --output runs/intent-1
    """
    from bot.parts import intent_versions
    from finetune.export import require_name
    from finetune.feedback import read_feedback
    from finetune.intent import finetune_intent
    from finetune.loop import is_main
    from finetune.settings import Settings

    if output:
        require_name(output)
    if not logs and not from_feedback:
        raise InvalidInput("There is nothing to learn from.", "Give --logs FILE, --from-feedback, or both.")
    if held_out and not promote:
        raise InvalidInput("--held-out is what the gate judges by.", "Give it with --promote.")
    if promote and not (held_out or logs):
        raise InvalidInput(
            "Corrections cannot judge a model: they are of turns that the one before it got wrong.",
            "Give the gate labelled dialogues: --held-out FILE.",
        )
    versions = intent_versions(shop)
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    inside = folder.resolve().parent == versions.root.resolve()
    if promote or inside:
        versions.require_free(folder.resolve().name)  # minutes of training are not thrown away for a name
    feedback = None
    if from_feedback:
        with opened(shop) as database:
            feedback = read_feedback(database, ADMIN, settings_of(shop).consent)
        console.print(feedback.line, markup=False, highlight=False)

    def train() -> Finetuned:
        with bars() as show:
            return finetune_intent(
                logs or (),
                folder,
                Settings(method, base_model, epochs, in_scope_loss=in_scope_loss, seed=seed),
                unlabeled=unlabeled or (),
                feedback=feedback,
                trials=search,
                parent=versions.pointer(),
                wandb_project=settings_of(shop).tracking.wandb_project,
                cache_dir=encoder_cache(shop) if promote or output is None else None,
                rejected=rejected,
                max_rejected=max_rejected,
                progress=lambda step: show(
                    step.space,
                    step.done,
                    step.total,
                    f"loss {step.loss:.3f}" + ("" if step.macro_f1 is None else f", macro-F1 {step.macro_f1:.3f}"),
                ),
                read=lambda done, total: show("reading logs", done, total),
                told=lambda data: console.print("\n".join(data.lines()), markup=False, highlight=False),
                tried=lambda trial: console.print(trial.line(), markup=False, highlight=False),
            )

    if not is_main():  # of `accelerate launch`: it trains along, another process registers, writes and says so
        train()
        return
    with registry_of(shop) as registry:
        files, users = [*(logs or ()), *(unlabeled or ())], feedback.users if feedback else ()
        with registry.run("intent", folder, files, users, base_model):
            trained = train()
        put(trained, as_json)  # before the gate: the model is there, whatever that says
        if promote:
            actions = settings_of(shop).intents
            report_promotion(
                registry.promote("intent", str(folder), held_out or logs or (), seed=seed, actions=actions)
            )


def report_promotion(promotion: Promotion) -> None:
    """Says on standard error what took the place of what, and why."""
    for reason in (promotion.verdict or {}).get("reasons", ()):
        warn(reason)
    if promotion.left_out:
        warn(f"{promotion.left_out} dialogues were left out as seen in training.")
    if not promotion.incumbent_says:
        warn(f"{promotion.parent} does not say what it was trained on, so it may have seen some of the dialogues.")
    replaced = f" in place of {promotion.parent}" if promotion.parent else ""
    forced = ", by force" if promotion.forced else ""
    warn(f"The {promotion.name} model {promotion.version} is promoted{replaced}{forced}.")
    if promotion.unmapped:
        from bot.policy import ACTIONS

        lines = [f'{json.dumps(label, ensure_ascii=False)} = "ACTION"' for label in promotion.unmapped]
        told = f"{len(lines)} of its labels have no action here, so the bot takes their turns for doubtful words."
        how = f"Add to shop.toml, with one of these for ACTION: {', '.join(ACTIONS)}"
        warn("\n".join([f"{told} {how}", "[intents]", *lines]))


@finetune_app.command("language-model")
def finetune_language_model_command(
    texts: Annotated[
        list[Path] | None,
        typer.Option(
            "--texts", help="Plain lines, a `text` column, dialogues or a catalog; give it once for each file."
        ),
    ] = None,
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    base_model: BaseModel = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most so many; where left out, as many as fit into ten minutes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of split, sample, order and what is hidden.")] = 0,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a base model on texts without labels, for `finetune intent --base-model`.

    Without --texts it reads the shop's products, and the conversations of customers who let models learn from them.
    There is no --promote: nothing serves a base model by itself.

    Example: launch.py finetune language-model --shop myshop --output runs/words-1
    """
    from finetune.export import require_name
    from finetune.language_model import finetune_language_model, language_model_versions
    from finetune.loop import is_main
    from finetune.network import LANGUAGE_MODEL
    from finetune.texts import read_texts, shop_texts

    if output:
        require_name(output)
    folder = output or language_model_versions(shop).root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if texts:
        reading = read_texts(texts, seed)
    else:
        with opened(shop) as database:
            reading = shop_texts(shop, database, ADMIN, settings_of(shop).consent, seed)

    def train() -> Pretraining:
        with bars() as show:
            return finetune_language_model(
                reading,
                folder,
                base_model=base_model,
                epochs=epochs,
                seed=seed,
                rejected=rejected,
                max_rejected=max_rejected,
                notice=warn,
                progress=lambda step: show(
                    step.phase,
                    step.done,
                    step.total,
                    f"loss {step.loss:.3f}" + ("" if step.held_out is None else f", held out {step.held_out:.3f}"),
                ),
            )

    if not is_main():
        train()
        return
    with registry_of(shop) as registry, registry.run(LANGUAGE_MODEL, folder, texts or (), reading.users, base_model):
        trained = train()
    put(trained, as_json)


@finetune_app.command("retriever")
def finetune_retriever_command(
    shop: Shop = Path("var"),
    queries: JudgedQueries = None,
    qrels: TheirJudgments = None,
    output: ModelFolder = None,
    base_model: BaseModel = None,
    epochs: MostEpochs = None,
    seed: Annotated[int, typer.Option(help="Of split, batches and made queries.")] = 0,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Tune the search encoder and the weights of the search's sources to the shop's catalog.

    It learns from judged queries, from what shoppers who let models learn from them chose after a search, and from queries made
    from the catalog itself.

    Example: launch.py finetune retriever --shop myshop --queries queries.jsonl --qrels qrels.tsv --output runs/retriever-1
    """
    from finetune.retriever import finetune_retriever
    from index.retriever import retriever_versions

    def train(parts: Parts, data: SearchData, folder: Path, show: Show) -> Tuned:
        return finetune_retriever(
            parts,
            data,
            folder,
            encoder_cache(shop),
            base_model=base_model,
            epochs=epochs,
            seed=seed,
            notice=warn,
            progress=lambda step: show("train", step.done, step.total, _progress_note(step.loss, step.score)),
        )

    given = queries, qrels
    tune_search("retriever", retriever_versions(shop), shop, given, output, base_model, seed, promote, train, as_json)


@finetune_app.command("reranker")
def finetune_reranker_command(
    shop: Shop = Path("var"),
    queries: JudgedQueries = None,
    qrels: TheirJudgments = None,
    output: ModelFolder = None,
    base_model: BaseModel = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the teacher; its student has twice as many.")] = None,
    seed: Annotated[int, typer.Option(help="Of split, batches and made queries.")] = 0,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Train a small model that reads a query together with the first products found, and puts these in a better order.

    It learns from what the retriever learns from. Where it does not help on queries that were held out, it is not promoted.

    Example: launch.py finetune reranker --shop myshop --queries queries.jsonl --qrels qrels.tsv --output runs/reranker-1
    """
    from finetune.reranker import finetune_reranker
    from retrieval.reranker import reranker_versions

    def train(parts: Parts, data: SearchData, folder: Path, show: Show) -> Tuned:
        return finetune_reranker(
            parts,
            data,
            folder,
            encoder_cache(shop),
            base_model=base_model,
            epochs=epochs,
            seed=seed,
            notice=warn,
            progress=lambda step: show(step.phase, step.done, step.total, _progress_note(step.loss, step.score)),
        )

    given = queries, qrels
    tune_search("reranker", reranker_versions(shop), shop, given, output, base_model, seed, promote, train, as_json)


@finetune_app.command("replies")
def finetune_replies_command(
    logs: Annotated[
        list[Path] | None,
        typer.Option(
            "--logs",
            help="Dialogues that were resolved; without any, those that agents closed and that may be learnt from.",
        ),
    ] = None,
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    base_model: BaseModel = None,
    epochs: MostEpochs = None,
    seed: Annotated[int, typer.Option(help="Of split and batches.")] = 0,
    promote: Promote = False,
    max_rejected: MaxRejected = 0.01,
    as_json: AsJson = False,
) -> None:
    """Tune what finds replies of the past for agents: which reply followed which conversation.

    A customer's own records are taken out of the replies before anything is learnt. What the shop's database knows of an order or a
    name becomes a slot, and so does what a dialogue itself names as one.

    Example: launch.py finetune replies --logs dialogues.jsonl --output runs/replies-1
    """
    from bot.desk.reply_encoder import ReplyEncoder, pretrained_of, reply_versions
    from bot.parts import current_replies
    from finetune.export import require_name
    from finetune.loop import is_main
    from finetune.replies import finetune_replies, shop_records
    from finetune.reply_pairs import reply_data, resolved_dialogues
    from finetune.turn_keys import keyed_logs

    versions = reply_versions(shop)
    if output:
        require_name(output)
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if promote or folder.resolve().parent == versions.root.resolve():
        versions.require_free(folder.resolve().name)
    with opened(shop) as database:
        dialogues = (
            (each.dialogue for each in keyed_logs(logs, rejected_file(shop, "replies"), max_rejected))
            if logs
            else resolved_dialogues(database, ADMIN, settings_of(shop).consent)
        )
        data = reply_data(dialogues, seed, shop_records(database, snapshot_of(shop)))
    serving = current_replies(shop) or ReplyEncoder(pretrained_of(shop))

    def train(show: Show) -> Tuned:
        return finetune_replies(
            data,
            folder,
            serving,
            encoder_cache(shop),
            base_model=base_model,
            epochs=epochs,
            seed=seed,
            notice=warn,
            progress=lambda step: show(step.phase, step.done, step.total, _progress_note(step.loss, step.score, "MRR")),
        )

    if not is_main():
        with bars() as show:
            train(show)
        return
    with registry_of(shop) as registry:
        with registry.run("replies", folder, logs or (), data.users, base_model), bars() as show:
            trained = train(show)
        put(trained, as_json)
        if promote:
            report_promotion(registry.promote("replies", str(folder)))


@finetune_app.command("sequence")
def finetune_sequence_command(
    interactions: Annotated[
        Path | None,
        typer.Option(
            help="CSV user_id,item_id,timestamp; .gz too. The shop's own events where left out.", dir_okay=False
        ),
    ] = None,
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most so many; where left out, as many as fit into some ten minutes.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of split, batches and first weights.")] = 0,
    promote: Annotated[
        bool, typer.Option("--promote", help="If the gate holds, learn from everything and serve that from now on.")
    ] = False,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a model of what shoppers turn to next, from the order in which they turned to products.

    A shopper's last two items are never learnt from: the last one is what the model is scored by. Without --interactions it reads
    the events of shoppers who let models learn from them.

    Example: launch.py finetune sequence --interactions interactions.csv.gz --output runs/sequence-1
    """
    from finetune.export import require_name
    from finetune.loop import is_main
    from finetune.sequence import finetune_sequence, refit_sequence
    from retrieval.sequence import sequence_versions
    from retrieval.sequence.fresh import item_features

    if output:
        require_name(output)
    versions = sequence_versions(shop)
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    snapshot = None if interactions else snapshot_of(shop)
    read = interactions_of(interactions, shop, max_rejected, rejected, snapshot)
    features = partial(item_features, snapshot) if snapshot else None
    encoders = snapshot.encoder_hashes if snapshot else None
    files = [interactions] if interactions else []

    def train(run: Callable[..., Tuned]) -> Tuned:
        with bars() as show:
            return run(
                lambda step: show(step.phase, step.done, step.total, _progress_note(step.loss, step.score)),
            )

    def first(progress: Callable[..., None]) -> Tuned:
        return finetune_sequence(
            read, folder, epochs=epochs, seed=seed, features=features, encoders=encoders, progress=progress
        )

    if not is_main():
        train(first)
        return
    with registry_of(shop) as registry:
        with registry.run("sequence", folder, files, read.users):
            trained = train(first)
        put(trained, as_json)
        if promote:
            registry.require_passed("sequence", folder)
            again = versions.require_free(f"{folder.resolve().name}-refit")
            with registry.run("sequence", again, files, read.users):
                train(lambda progress: refit_sequence(read, folder, again, features, encoders, progress))
            report_promotion(registry.promote("sequence", str(again)))


def snapshot_of(shop: Path) -> Snapshot | None:
    """The shop's index, None where it has none."""
    from index.snapshot import Snapshot, current_index

    folder = current_index(shop)
    return Snapshot.load(folder) if folder else None


def interactions_of(
    path: Path | None, shop: Path, max_rejected: float, rejected: Path | None, snapshot: Snapshot | None = None
) -> Interactions:
    """What a file says of who turned to what, its bad rows put aside; without a file the shop's events.

    Of these a variant stands for its product in the snapshot, where there is one.
    """
    from finetune.interactions import interactions_of as of_rows
    from finetune.interactions import read_interactions
    from finetune.transactions import reasons
    from storage.visits import training_visits

    if path is None:
        with opened(shop) as database:
            product_of: Callable[[str], str] = cache(snapshot.product_id) if snapshot else str
            return of_rows((user, product_of(item), at) for user, item, at in training_visits(database, ADMIN))
    with bars() as show:
        read = read_interactions(path, progress=lambda done, total: show("reading interactions", done, total))
    rejects = Rejects(list(read.problems))
    if rejects.count:
        place = rejected or rejected_file(shop, "interactions")
        rejects.write(place)
        warn(
            f"{rejects.count} of {read.rows} rows were rejected ({reasons(list(read.problems))}); they are in {place}."
        )
    rejects.check(read.rows, max_rejected)
    if read.repeated:
        warn(f"{read.repeated} rows repeat another and count once.")
    return read


@finetune_app.command("stage")
def finetune_stage_command(
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Learn from the shop's own events how likely a shopper buys in the session that is on.

    It reads the events of people who let models learn from them. Its latest quarter of sessions judges what the others taught;
    then it learns from all.

    Example: launch.py finetune stage --shop myshop --promote
    """
    from bot.parts import current_chain
    from finetune.export import require_name
    from finetune.stage import catalog_of, finetune_stage, read_paths
    from retrieval.path.chain import stage_versions

    versions = stage_versions(shop)
    if output:
        require_name(output)
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if promote or folder.resolve().parent == versions.root.resolve():
        versions.require_free(folder.resolve().name)
    category_of = catalog_of(shop)
    with opened(shop) as database, bars() as show:
        known = read_paths(database, ADMIN, category_of, progress=lambda done: show("reading events", done, done))
    with registry_of(shop) as registry:
        with registry.run("stage", folder, (), known):
            trained = finetune_stage(known, folder, current_chain(shop), seed)
        put(trained, as_json)
        if promote:
            report_promotion(registry.promote("stage", str(folder)))


@finetune_app.command("ranker")
def finetune_ranker_command(
    shop: Shop = Path("var"),
    output: ModelFolder = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the trees and the bootstrap.")] = 0,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Learn the order of cards from what shoppers chose after searches and of shown cards.

    It reads the events of people who let models learn from them, each choice with what was known before it. The latest fifth judges
    what the others taught: only a ranker that is better there than the built-in blend may serve. Then it learns from all.

    Example: launch.py finetune ranker --shop myshop --promote
    """
    from finetune.export import require_name
    from finetune.rank_log import read_rank_data
    from finetune.ranker import finetune_ranker
    from retrieval.learnt_ranking import ranker_versions

    versions = ranker_versions(shop)
    if output:
        require_name(output)
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if promote or folder.resolve().parent == versions.root.resolve():
        versions.require_free(folder.resolve().name)
    with assistant_of(shop, talks=False) as assistant, bars() as show:
        parts, consent = assistant.parts, assistant.settings.consent
        data = read_rank_data(parts, assistant.database, ADMIN, consent, now_ms(), show)
    with registry_of(shop) as registry:
        with registry.run("ranker", folder, (), set(data.users)):
            order = parts.shelf.ranker
            trained = finetune_ranker(data, folder, order.model if order else None, seed)
        put(trained, as_json)
        if promote:
            report_promotion(registry.promote("ranker", str(folder)))


def _progress_note(loss: float, score: float | None, metric: str = "NDCG@10") -> str:
    return f"loss {loss:.3f}" + ("" if score is None else f", {metric} {score:.3f}")


def tune_search(
    name: str,
    versions: Versions,
    shop: Path,
    given: tuple[Path | None, Path | None],
    output: Path | None,
    base_model: str | None,
    seed: int,
    promote: bool,
    train: Callable[[Parts, SearchData, Path, Show], Tuned],
    as_json: bool,
) -> None:
    """Gathers what a model of search learns from, runs `train`, registers and reports what came of it.

    `given` are the files of judged queries and of their judgments; `train` gets what serves, the data, the folder to write and
    where to show how far it is.
    """
    from bot.parts import NoIntents, current_reranker, parts_of
    from finetune.evaluate_search import read_qrels, read_queries
    from finetune.export import require_name
    from finetune.loop import is_main
    from finetune.search_data import search_data
    from index.snapshot import Snapshot, current_index
    from storage.searches import training_choices

    queries, qrels = given
    if output:
        require_name(output)
    if (queries is None) != (qrels is None):
        raise InvalidInput("Judged queries are two files.", "Give both --queries and --qrels, or neither.")
    folder = output or versions.root / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if promote or folder.resolve().parent == versions.root.resolve():
        versions.require_free(folder.resolve().name)
    index = current_index(shop)
    if index is None:
        raise InvalidInput(f"{shop} has no index.", "Build it first: launch.py index CATALOG.")
    snapshot = Snapshot.load(index)
    encoders = snapshot.retriever.encoders_of(snapshot.vectors, encoder_cache(shop))
    with opened(shop) as database:
        parts = parts_of(snapshot, encoders, NoIntents(shop), settings_of(shop), database, current_reranker(shop))
        judged = (read_queries(queries), read_qrels(qrels)) if queries and qrels else ([], {})
        data = search_data(snapshot, *judged, training_choices(database, ADMIN), seed)
        if data.missing:
            warn(f"{data.missing} judged products are not in the catalog.")
        if not is_main():
            with bars() as show:
                train(parts, data, folder, show)
            return
        with registry_of(shop) as registry:
            files = [file for file in given if file]
            with registry.run(name, folder, files, data.users, base_model), bars() as show:
                trained = train(parts, data, folder, show)
            put(trained, as_json)
            if promote:
                report_promotion(registry.promote(name, str(folder), publish=publisher(name, shop)))


@app.command()
def label(
    shop: Shop = Path("var"),
    output: Annotated[
        Path | None, typer.Option(help="Write the next turns here: .csv for a spreadsheet, or .jsonl.", dir_okay=False)
    ] = None,
    answers: Annotated[Path | None, typer.Option(help="Import this file, filled.", dir_okay=False)] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the labelled dialogues here, a log for finetune intent.", dir_okay=False)
    ] = None,
    logs: Annotated[
        list[Path] | None, typer.Option("--logs", help="Dialogue logs, instead of the database's conversations.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The model that picks and suggests; the shop's by default.", file_okay=False)
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many turns.")] = 50,
    again: Annotated[bool, typer.Option("--again", help="Also turns handed out before that nobody answered.")] = False,
    new_labels: Annotated[bool, typer.Option("--new-labels", help="Take labels that the model does not know.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed gives another batch.")] = 0,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Pick the turns most worth a human label (--output), import the answers (--answers), write them as a log (--export).

    Without --logs the turns are those of shoppers who let models learn from them.

    Example: launch.py label --count 50 --output to-label.csv
    """
    if sum(file is not None for file in (output, answers, export)) != 1:
        raise InvalidInput("label does one thing at a time.", "Give one of --output, --answers and --export.")
    from finetune.label import export_labelled, hand_out, import_answers
    from finetune.turn_keys import keyed_conversations, keyed_logs

    rejects_to = rejected or rejected_file(shop, "labels" if answers else "dialogues")
    with opened(shop) as database:
        if answers is not None:
            imported = import_answers(
                database,
                ADMIN,
                answers,
                model or intent_model_of(shop),
                rejects_to,
                new_labels=new_labels,
                max_rejected=max_rejected,
            )
            for problem in imported.problems:
                warn(problem)
            put(imported, as_json)
            return
        dialogues: Iterable[KeyedDialogue] = (
            keyed_logs(logs, rejects_to, max_rejected)
            if logs
            else keyed_conversations(database, ADMIN, settings_of(shop).consent)
        )
        if export is not None:
            put(export_labelled(database, ADMIN, dialogues, export), as_json)
        elif output is not None:
            with bars() as show:
                handed = hand_out(
                    database,
                    ADMIN,
                    dialogues,
                    model or intent_model_of(shop),
                    output,
                    count,
                    again=again,
                    seed=seed,
                    progress=lambda done, total: show("reading turns", done, total),
                )
            put(handed, as_json)


@app.command()
def audience(
    band: Annotated[
        Literal["at-risk", "reorder-due", "back-in-stock"] | None, typer.Option(help="Whom to write to.")
    ] = None,
    shop: Shop = Path("var"),
    output: Annotated[
        Path | None,
        typer.Option(help="The file for your mailing tool, .csv or .jsonl; only counts without.", dir_okay=False),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Its name: the same again draws the same groups. The band and today by default.")
    ] = None,
    control_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Left alone to compare with; shop.toml says how many by default.")
    ] = None,
    rest_days: Annotated[
        int | None, typer.Option(min=0, max=3650, help="Nobody is drawn again so soon; shop.toml says by default.")
    ] = None,
    within_days: Annotated[int, typer.Option(min=1, max=90, help="How near a reorder has to be.")] = 14,
    outcome: Annotated[
        str | None, typer.Option(metavar="CAMPAIGN", help="Compare who was contacted with who was left alone.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Name the shoppers to write to, with reasons, and hold a control group out (--band); or see what came of it (--outcome).

    Only shoppers whose consent says personalize. Nothing is sent: the file is for your own mailing tool.

    Example: launch.py audience --band at-risk --output at-risk.csv --shop myshop
    """
    if (band is None) == (outcome is None):
        raise InvalidInput("audience does one thing at a time.", "Give one of --band and --outcome.")
    from bot.goods import goods_of
    from retrieval.audience import Audience, export_audience, outcome_of

    settings = settings_of(shop)
    with opened(shop) as database:
        if outcome is not None:
            found = outcome_of(database, local_operator(), outcome, settings.consent)
            put(found.values(), as_json, found.text())
            return
        exported = export_audience(
            database,
            local_operator(),
            shop,
            settings,
            Audience(str(band)),
            goods_of(shop, database, settings.privacy.sensitive),
            output=output,
            campaign=campaign,
            control_share=control_share,
            rest_days=rest_days,
            within_days=within_days,
        )
    put(exported, as_json)


@evaluate_app.command("intent")
def evaluate_intent_command(
    model: Annotated[Path, typer.Option(help="A model folder.", file_okay=False)],
    logs: Annotated[list[Path], typer.Option("--logs", help="Labelled dialogues; give it once for each file.")],
    as_json: AsJson = False,
) -> None:
    """Score a model on labelled dialogues.

    Example: launch.py evaluate intent --model runs/intent-1 --logs held-out.jsonl
    """
    from bot.intent import IntentModel
    from finetune.evaluate_intent import evaluate_intent, unknown_labels
    from finetune.logs import read_logs

    loaded = IntentModel.load(model)
    with bars() as show:
        reading = read_logs(logs, lambda done, total: show("reading logs", done, total))
    rejects = Rejects(reading.problems)
    if rejects.count or reading.dropped_fields:
        # The metrics are a contract of their own, so what they leave out is said beside them.
        commonest = list(rejects.by_reason.items())[:3]
        said = [f"{count} x {reason}" for reason, count in commonest] or ["none"]
        warn(
            f"{rejects.count} of {reading.rows} rows were rejected and not scored ({'; '.join(said)}); "
            f"{reading.dropped_fields} bad optional fields were dropped."
        )
    metrics = evaluate_intent(loaded, reading.dialogues)
    if unknown := unknown_labels(loaded, reading.dialogues):
        named = [f"{name} {count:,}" for name, count in unknown.items()]
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        warn(f"Labels that the logs have and the model can only miss, in turns: {', '.join(named[:_NAMED])}{more}.")
    put(metrics, as_json)


@evaluate_app.command("search")
def evaluate_search_command(
    queries: Annotated[Path, typer.Option(help="JSONL {query_id, text, filters}.")],
    qrels: Annotated[Path, typer.Option(help="TSV query_id, product_id, gain.")],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Score the search on judged queries, by the same way as `search TEXT`.

    Example: launch.py evaluate search --shop myshop --queries queries.jsonl --qrels qrels.tsv
    """
    from finetune.evaluate_search import Query, evaluate, of_products, read_qrels, read_queries

    judged, gains = read_queries(queries), read_qrels(qrels)
    with assistant_of(shop, talks=False) as assistant:
        shelf = assistant.parts.shelf

        def product_of(item_id: str) -> str:
            """The id of the product whose variant was judged; any other id as it is."""
            record = shelf.record(item_id)
            return item_id if record is None else record.id

        def found(query: Query) -> list[str]:
            """The ids of the ten best, best first."""
            return [card["product_id"] for card in assistant.search(query.text, query.filters)["products"]]

        put(evaluate(found, judged, of_products(gains, product_of)), as_json)


@evaluate_app.command("sequence")
def evaluate_sequence_command(
    model: Annotated[Path, typer.Option(help="A model folder that finetune sequence wrote.", file_okay=False)],
    interactions: Annotated[Path, typer.Option(help="CSV user_id,item_id,timestamp; .gz too.", dir_okay=False)],
    shop: Shop = Path("var"),
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Score a sequence model by each shopper's last item, ranked among all items of the file.

    Example: launch.py evaluate sequence --model runs/sequence-1 --interactions interactions.csv.gz
    """
    from finetune.evaluate_sequence import evaluate_sequence
    from retrieval.sequence import load_sequence

    loaded = load_sequence(model)
    loaded.require_scorable()
    read = interactions_of(interactions, shop, max_rejected, rejected)
    with bars() as show:
        put(evaluate_sequence(loaded, read, lambda done, total: show("ranking", done, total)), as_json)


@evaluate_app.command("retention")
def evaluate_retention_command(
    transactions: Annotated[
        Path, typer.Option(help="CSV user_id,timestamp,quantity,amount,currency; .gz too.", dir_okay=False)
    ],
    calibration_weeks: Annotated[
        int, typer.Option(min=1, help="Weeks from the file's first day that are learnt from.")
    ],
    holdout_weeks: Annotated[int, typer.Option(min=1, help="Weeks after them that are predicted.")],
    shop: Shop = Path("var"),
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Score the forecast of who comes back, and how often, on the weeks after those it learns from.

    Example: launch.py evaluate retention --transactions transactions.csv.gz --calibration-weeks 39 --holdout-weeks 39
    """
    from finetune.evaluate_retention import days_missing, evaluate_retention
    from finetune.transactions import read_transactions, reasons

    with bars() as show:
        read = read_transactions(transactions, progress=lambda done, total: show("reading transactions", done, total))
    rejects = Rejects(read.problems)
    if rejects.count:
        path = rejected or rejected_file(shop, "transactions")
        rejects.write(path)
        warn(f"{rejects.count} of {read.rows} rows were rejected ({reasons(read.problems)}); they are in {path}.")
    rejects.check(read.rows, max_rejected)
    if read.dropped_fields:
        warn(f"{read.dropped_fields} quantities or amounts could not be read and count as left out.")
    if (missing := days_missing(read, calibration_weeks, holdout_weeks)) >= _WEEK:
        warn(
            f"The last transaction is of {read.last_day}, {missing} days before the holdout ends: if the file ends there and not "
            "the sales, the forecast seems too high."
        )
    put(evaluate_retention(read, calibration_weeks, holdout_weeks), as_json)


@evaluate_app.command("policy")
def evaluate_policy_command(
    window_hours: Annotated[
        int, typer.Option(min=1, max=24 * 90, help="How long after it was shown a card earns what it leads to.")
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Estimate what another order of the cards would have earned, from what was shown and what people did with it.

    It needs slates whose order was partly drawn by lot: `[exploration] share` in shop.toml. IPS, SNIPS and doubly robust, with
    95 % intervals by user; says "inconclusive" where it is.

    Example: launch.py evaluate policy --shop myshop --window-hours 48
    """
    from finetune.evaluate_policy import evaluate_policy

    settings = settings_of(shop)
    with opened(shop) as database:
        report = evaluate_policy(database, ADMIN, settings.consent, window_hours, seed)
    put(report.values(), as_json, report.text())


@evaluate_app.command("experiment")
def evaluate_experiment_command(
    name: Annotated[str, typer.Argument(help="As shop.toml has it: [experiment.NAME].")],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Say how far an experiment is and, once its days are over, which arm did better than the control, or why nobody can tell.

    Differences with CUPED and 95 % intervals by user; a sample ratio that the lots do not explain refuses a verdict.

    Example: launch.py evaluate experiment card-order --shop myshop
    """
    from bot.experiments import Experiments
    from finetune.evaluate_experiment import evaluate_experiment, experiment_of

    settings = settings_of(shop)
    experiment_of(settings, name)
    experiments = Experiments.of_shop(settings.experiment, shop)
    with opened(shop) as database:
        report = evaluate_experiment(database, ADMIN, settings, name, lambda user_id: experiments.arm_of(name, user_id))
    put(report.values(), as_json, report.text())


@evaluate_app.command("dialogue")
def evaluate_dialogue_command(
    shop: Shop = Path("var"),
    journeys: Annotated[
        Path, typer.Option(help="The folder of journeys, TOML files.", file_okay=False)
    ] = SHIPPED_JOURNEYS,
    shoppers: Annotated[int, typer.Option(min=0, max=10_000, help="How many simulated shoppers come in.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated shoppers.")] = 0,
    speaker: Annotated[
        str, typer.Option(help="Who answers: aisle, or a null baseline in its place: echo or stateless.")
    ] = "aisle",
    output: Annotated[
        Path | None, typer.Option(help="Where the transcripts of what went wrong go.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play scripted journeys and let simulated shoppers shop, and say how many reached what they wanted.

    All of it is simulated; it runs on a database of its own, so nothing of it gets into the shop's logs. The journeys that
    ship are about the demo shop's goods; for another shop write your own.

    Example: launch.py evaluate dialogue --shop var --shoppers 200 --output dialogue-report
    """
    from finetune.evaluate_dialogue import evaluate_dialogue, read_journeys, rehearsal

    written = read_journeys(journeys)
    install_intent_model(shop)
    with rehearsal(shop, settings_of(shop)) as assistant, bars() as show:
        report = evaluate_dialogue(assistant, written, shoppers, seed, speaker=speaker, progress=show)
    if output is not None:
        report.write(output)
    put(report.values(), as_json, report.text())


@experiment_app.command("power")
def experiment_power_command(
    lift: Annotated[float, typer.Option(help="The smallest change worth finding, relative: 0.1 is 10 % more.")],
    rate: Annotated[float | None, typer.Option(help="The share of users that buys today.")] = None,
    mean: Annotated[float | None, typer.Option(help="The mean a user of another figure.")] = None,
    deviation: Annotated[float | None, typer.Option("--sd", help="Its standard deviation.")] = None,
    metric: Annotated[
        Literal["purchase", "reward", "revenue"], typer.Option(help="Read from the shop without --rate and --mean.")
    ] = "purchase",
    arms: Annotated[int, typer.Option(min=2, max=10, help="The control included.")] = 2,
    window_days: Annotated[int, typer.Option(min=1, max=90, help="How long each user is watched.")] = 7,
    shop: Annotated[
        Path | None, typer.Option("--shop", help="The shop's folder, for its traffic.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many users an experiment needs in each arm and, with --shop, how many days that takes.

    Power 80 % at 5 % two-sided. Without --rate and --mean it goes by what the shop's users did, and counts CUPED in.

    Example: launch.py experiment power --rate 0.03 --lift 0.1
    """
    from finetune.power import Baseline, plan, read_shop

    if (mean is None) != (deviation is None) or (rate is not None and mean is not None):
        raise InvalidInput("The baseline is one of two.", "Give --rate, or --mean with --sd, or neither and --shop.")
    baseline = traffic = None
    if shop is not None:
        with opened(shop) as database:
            baseline, traffic = read_shop(database, ADMIN, settings_of(shop), metric, window_days)
    if rate is not None:
        baseline = Baseline(rate, 0.0, is_rate=True)
    elif mean is not None and deviation is not None:
        baseline = Baseline(mean, deviation, is_rate=False)
    if baseline is None:
        raise InvalidInput(
            "Nobody knows what users do today.",
            "Give --rate, or --mean with --sd; or --shop with some weeks of shown cards whose users' consent says train.",
        )
    planned = plan(baseline, lift, arms, window_days, traffic)
    put(planned.values(), as_json, planned.text())


@models_app.command("list")
def models_list(
    name: Annotated[str | None, typer.Argument(help="Only these, such as intent.")] = None,
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """List the runs and versions of the shop's models; the one that serves has a star.

    The score is macro-F1 for an intent model, NDCG@10 for a retriever or reranker, AUC for a stage model.

    Example: launch.py models list --shop myshop
    """
    with registry_of(shop) as registry:
        models = registry.models(name)
    lines = (
        f"{'*' if each.current else ' '} {each.name:<10} {each.version or '-':<28} "
        f"{each.status + (' by force' if each.forced else '') + (', retrain' if each.retrain else ''):<18} {each.created_at:<20} "
        f"{_score(each):<8} {each.parent or '-':<28} {each.folder}"
        for each in models
    )
    head = f"  {'name':<10} {'version':<28} {'status':<18} {'created':<20} {'score':<8} {'parent':<28} folder"
    nothing = "There are no models. Train one with: launch.py finetune intent"
    put({"models": [asdict(each) for each in models]}, as_json, "\n".join([head, *lines]) if models else nothing)


def _score(model: Listed) -> str:
    found = next((each for each in (model.macro_f1, model.ndcg, model.auc) if each is not None), None)
    return "-" if found is None else f"{found:.3f}"


@models_app.command("promote")
def models_promote(
    name: Annotated[str, typer.Argument(help="What kind of model, such as intent.")],
    source: Annotated[
        str, typer.Argument(metavar="DIR|VERSION", help="A model folder, or a version of `models list`.")
    ],
    shop: Shop = Path("var"),
    logs: Annotated[
        list[Path] | None, typer.Option("--logs", help="Labelled dialogues to judge by; give it once for each file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Whatever the gate says; the registry keeps that.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a model serve, if the gate holds: better, no label much worse, as well calibrated, fast enough.

    A retriever, reranker, ranker, replies or stage model is judged by what its run held out. For a retriever the catalog is
    embedded anew, and index and encoder change together.

    Example: launch.py models promote intent runs/intent-1 --logs held-out.jsonl --shop myshop
    """
    with registry_of(shop) as registry:
        promotion = registry.promote(
            name, source, logs or (), force=force, actions=settings_of(shop).intents, publish=publisher(name, shop)
        )
    if as_json:
        put(promotion, as_json)
    else:
        report_promotion(promotion)


@models_app.command("rollback")
def models_rollback(
    name: Annotated[str, typer.Argument(help="What kind of model, such as intent.")],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Let the last good version before the current one serve again.

    Example: launch.py models rollback intent --shop myshop
    """
    with registry_of(shop) as registry:
        done = registry.roll_back(name, publisher(name, shop))
    text = f"The {done.name} model {done.to_version} serves again, in place of {done.from_version}."
    put(done, as_json, text)


@answers_app.command("mine")
def answers_mine(
    shop: Shop = Path("var"),
    logs: Annotated[
        list[Path] | None, typer.Option("--logs", help="Dialogue logs, instead of the database's conversations.")
    ] = None,
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Propose pairs of question and answer from dialogues that went well; nothing is spoken before somebody approves it.

    Without --logs the answers are those of the shop's people, in conversations whose shoppers let models learn from them.

    Example: launch.py answers mine --logs dialogues.jsonl
    """
    from finetune.answer_run import mine_answers

    with opened(shop) as database, bars() as show:
        mined = mine_answers(
            database,
            ADMIN,
            settings_of(shop).consent,
            encoder_cache(shop),
            logs,
            rejected or rejected_file(shop, "answers"),
            max_rejected,
            lambda done, total: show("comparing questions", done, total),
        )
    put(mined, as_json)


@answers_app.command("list")
def answers_list(
    shop: Shop = Path("var"),
    status: Annotated[
        Literal["mined", "approved", "rejected"] | None, typer.Option(help="Only these; all where left out.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the pairs, what was asked most first.

    Example: launch.py answers list --status mined
    """
    from storage.answers import list_answers

    with opened(shop) as database:
        found = [asdict(pair) for pair in list_answers(database, ADMIN, status, limit)]
    rows = "\n\n".join(
        f"{pair['answer_id']}  {pair['status']}  asked {pair['asked']}x\n  {pair['question']}\n  → {pair['answer']}"
        for pair in found
    )
    put({"answers": found}, as_json, rows or "There are no answers. Propose some: launch.py answers mine")


@answers_app.command("approve")
def answers_approve(
    answer_id: Annotated[str, typer.Argument(help="As `answers list` shows it.")],
    shop: Shop = Path("var"),
    question: Annotated[str | None, typer.Option(help="The question in other words.")] = None,
    answer: Annotated[str | None, typer.Option(help="The answer in other words.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a pair be spoken, as it is or in other words. A server that runs takes it with its next answer.

    Example: launch.py answers approve 0f3a… --answer "We are open from 9 to 18, Monday to Friday."
    """
    from storage.answers import decide

    with opened(shop) as database:
        put(decide(database, ADMIN, answer_id, "approved", question, answer), as_json)


@answers_app.command("reject")
def answers_reject(
    answer_id: Annotated[str, typer.Argument(help="As `answers list` shows it.")],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Keep a pair from being spoken, and from being proposed again.

    Example: launch.py answers reject 0f3a…
    """
    from storage.answers import decide

    with opened(shop) as database:
        put(decide(database, ADMIN, answer_id, "rejected"), as_json)


@answers_app.command("import")
def answers_import(
    file: Annotated[Path, typer.Argument(help="JSONL, {question, answer, language?} a line; also .gz.")],
    shop: Shop = Path("var"),
    max_rejected: MaxRejected = 0.01,
    rejected: RejectedFile = None,
    as_json: AsJson = False,
) -> None:
    """Load pairs that the shop has written itself, as approved; loading them again changes nothing.

    Example: launch.py answers import answers.jsonl
    """
    from finetune.answer_run import load_answers

    with opened(shop) as database:
        put(load_answers(database, ADMIN, file, rejected or rejected_file(shop, "answers"), max_rejected), as_json)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="Whose it is.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    shop: Shop = Path("var"),
    team: Annotated[
        str | None, typer.Option(help="The team of an agent, who needs one; Aisle hands over to: support.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Valid so long; for ever where left out.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="Of what the role may, only this; may be repeated. chat, catalog, events, orders, users, desk, figures, review; "
            "with :read behind it for reading alone. All of it where left out."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. The key and its one-time sign-in link are shown once.

    Example: launch.py keys create --name "price feed" --role service --scope catalog --scope orders:read
    """
    from storage.keys import create_key

    with opened(shop) as database:
        made = create_key(database, ADMIN, role, name, team, days, scope)
    put(shown_once(made), as_json)


def shown_once(made: NewKey) -> dict[str, Any]:
    """What is told of a new key when it is made, and never again."""
    return {"key_id": made.record.key_id, "key": made.key, "sign_in_link": f"/login?token={made.link_token}"}


@keys_app.command("rotate")
def keys_rotate(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Its id or prefix, as `keys list` shows them.")],
    shop: Shop = Path("var"),
    grace_hours: Annotated[
        int, typer.Option(min=0, max=2160, help="The old key holds for so many hours more, then it ends.")
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """Make a new key in the place of one, with the same role, team and scopes; the old one ends after a while.

    Example: launch.py keys rotate aisle_3f9c01ab --grace-hours 48
    """
    from storage.keys import rotate_key

    with opened(shop) as database:
        made, old_until = rotate_key(database, ADMIN, key_id, grace_hours)
    put({**shown_once(made), "old_key_until": old_until}, as_json)


@keys_app.command("list")
def keys_list(shop: Shop = Path("var"), as_json: AsJson = False) -> None:
    """List the keys, without the keys themselves: whose, what they reach, until when they hold and the day of their last use (UTC).

    Example: launch.py keys list
    """
    from storage.keys import list_keys

    with opened(shop) as database:
        keys = list_keys(database, ADMIN)
    rows = "\n".join(map(str, keys))
    shown = [asdict(key) for key in keys]
    put({"keys": shown}, as_json, rows or "There are no keys. Make one with: launch.py keys create")


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """End a key at once.

    Example: launch.py keys revoke 3q2-7wEBAgM
    """
    from storage.keys import revoke_key

    with opened(shop) as database:
        revoke_key(database, ADMIN, key_id)
    put({"revoked": key_id}, as_json)


@app.command("export-user")
def export_user_command(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="As events, orders and tokens name them.")],
    shop: Shop = Path("var"),
    output: Annotated[Path | None, typer.Option(help="Write it here instead of to standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give out all that is kept of a shopper, and what is concluded about them, as JSON.

    Example: launch.py export-user maya --output maya.json
    """
    from storage.disk import writing

    with assistant_of(shop, talks=False) as assistant:
        found = assistant.export(local_operator(), user_id)
    text = json.dumps(found, ensure_ascii=False, indent=2)
    if output is None:
        typer.echo(text)
        return
    with writing(output):
        output.touch(mode=0o600)
        output.write_text(text + "\n", encoding="utf-8")
    rows = {name: len(value) for name, value in found.items() if isinstance(value, list) and value}
    put({"user_id": user_id, "file": str(output), **rows}, as_json)


@app.command("erase-user")
def erase_user_command(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="As events, orders and tokens name them.")],
    shop: Shop = Path("var"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a shopper for good: database, rejected rows, reports and logs; models that learnt from them are named.

    Example: launch.py erase-user maya --yes
    """
    from storage.erasure import erase_user

    if not yes and not typer.confirm(f"Erase all that is known of {user_id}? There is no way back.", err=True):
        raise typer.Exit(1)
    with opened(shop) as database:
        done = erase_user(database, local_operator(), shop, user_id)
    left = [str(trace.path) for trace in done.traces if trace.left]
    values = {
        "user_id": user_id,
        "rows": dict(done.rows),
        "files": {str(trace.path): trace.lines for trace in done.traces if trace.lines},
        "left_in": left,
        "models_to_retrain": [str(run.folder) for run in done.runs],
        "compacted": done.compacted,
    }
    for path in left:
        warn(f"{path} still holds {user_id}: look at it and delete it.")
    if not done.compacted:
        warn(
            "Another process reads the database: run this again when it has stopped, so that no byte is left in its log."
        )
    put(values, as_json)


@app.command()
def retention(
    shop: Shop = Path("var"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is older than its period in [retention] of shop.toml. A server that runs does so once a day by itself.

    Example: launch.py retention --shop myshop --dry-run
    """
    from storage.retention import as_lines, clear

    settings = settings_of(shop)
    with opened(shop) as database, bars() as show:
        cleared = clear(
            database,
            ADMIN,
            shop,
            settings.retention,
            dry_run=dry_run,
            compact=True,
            progress=lambda kind, rows: show(f"deleting {kind}", rows, rows),
        )
    put(cleared, as_json, as_lines(cleared, settings.retention))


@app.command()
def audit(
    shop: Shop = Path("var"),
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Only looks at this customer's data.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the latest.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List who of the shop's people looked at whose data, when and why, the latest first; also of somebody erased.

    Example: launch.py audit --user maya
    """
    from storage.access_log import accesses_of, as_lines
    from storage.erasure import erased_name

    with opened(shop) as database:
        names = [user, erased_name(shop, user)] if user is not None else []
        found = accesses_of(database, ADMIN, names, limit)
    put({"accesses": [asdict(each) for each in found]}, as_json, as_lines(found))


@app.command()
def migrate(
    to: Annotated[str, typer.Option("--to", help="A revision, such as 0009; head is the newest, base none.")] = "head",
    shop: Shop = Path("var"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before tables or columns go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's tables up to a revision or back to one; every start brings them up by itself.

    Back is for an older Aisle: take them back with the newer one, while nothing serves, then install the older.

    Example: launch.py migrate --to 0009 --shop myshop
    """
    from storage.database import Database
    from storage.migrate import current_revision, downgrade, undone_by, upgrade

    database = Database.connect(database_url_of(shop, settings_of(shop)))
    try:
        undone = undone_by(database, to)
        asked = f"What the revisions {', '.join(undone)} brought goes with all that it holds. Is there a backup?"
        if undone and not yes and not typer.confirm(asked, err=True):
            raise typer.Exit(1)
        (downgrade if undone else upgrade)(database, to)
        with database.read() as connection:
            put({"revision": current_revision(connection), "undone": undone}, as_json)
    finally:
        database.close()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.", file_okay=False)],
    shop: Shop = Path("var"),
    as_json: AsJson = False,
) -> None:
    """Copy the shop as of one moment, while servers go on: database, index, models, settings, secret, ledger of erasures.

    The copy holds all that the shop knows of its customers, and the secret: keep it like the shop itself. A PostgreSQL is not
    in it: run pg_dump first, and this after it.

    Example: launch.py backup backups/2026-11-28 --shop myshop
    """
    from storage.backup import as_values, back_up

    put(as_values(back_up(shop, database_url_of(shop, settings_of(shop)), folder)), as_json)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` wrote.", exists=True, file_okay=False)],
    shop: Annotated[Path, typer.Option("--shop", help="A folder that is empty or not there.", file_okay=False)],
    erasures: Annotated[
        Path | None,
        typer.Option(help="A later erasures.jsonl than the backup's, such as the lost folder's.", dir_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into an empty folder, every file's hash checked; who was erased is forgotten again.

    Example: launch.py restore backups/2026-11-28 --shop myshop --erasures lost/erasures.jsonl
    """
    from storage.backup import as_values, settings_in
    from storage.backup import restore as put_back

    settings = parse_settings(settings_in(folder))
    done = put_back(folder, shop, database_url_of(shop, settings), erasures)
    put(as_values(done), as_json)


@app.command()
def doctor(
    shop: Shop = Path("var"),
    host: Annotated[str, typer.Option(help="The address that the server is to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port that the server is to listen on.", min=1, max=65535)] = 7860,
    as_json: AsJson = False,
) -> None:
    """Check installation, models, index, database, settings and machine; say what is wrong and how to mend it.

    Nothing is changed. The exit status is 1 where something fails; warnings leave it 0.

    Example: launch.py doctor --shop myshop
    """
    constraints = Path(__file__).parent / "constraints.txt"
    try:
        from bot.doctor import Patient, as_lines, as_values, examine, healthy
    except ModuleNotFoundError as error:
        hint = f"Run: pip install -c {constraints} -e {constraints.parent}"
        raise Unavailable(f"The package {error.name} is missing.", hint) from None
    patient = Patient(shop, constraints, SHIPPED_MODEL, environments_database(), host, port)
    findings = examine(patient)
    put(as_values(findings), as_json, as_lines(findings))
    if not healthy(findings):
        raise typer.Exit(1)


def run() -> None:
    """The command line's entry: errors that a person can mend are one line on standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except AisleError as error:
        console.print(f"launch.py: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
