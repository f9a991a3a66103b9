"""All tables. Instants are milliseconds since 1970 (UTC); money is integer minor units with its currency beside it.

The migrations are written by hand and a test compares them with this module on both databases. It is long because it is the one
list of everything that is kept.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

ID = String(200)
WORD = String(40)
# SQLite numbers rows by itself only where the key's type is spelled INTEGER.
ROW = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("row", ROW, primary_key=True, autoincrement=True),
    # Unique for a user, not for all: otherwise one could block another's event, or learn that it exists.
    Column("user_id", ID, nullable=False),
    Column("event_id", ID, nullable=False),
    Column("event", WORD, nullable=False),
    Column("session_id", ID),
    Column("timestamp", BigInteger, nullable=False),
    Column("value", BigInteger),
    Column("currency", String(3)),
    Column("search_term", Text),
    Column("dwell_ms", BigInteger),
    Column("answer", Boolean, nullable=False),
    Column("personalize", Boolean, nullable=False),
    Column("train", Boolean, nullable=False),
    UniqueConstraint("user_id", "event_id"),
    Index(None, "user_id", "timestamp"),
    Index(None, "user_id", "row"),
)

event_items = Table(
    "event_items",
    metadata,
    Column("event_row", ROW, ForeignKey("events.row", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("item_id", ID, nullable=False),
    Column("quantity", Integer),
    Column("price", BigInteger),
    Column("index", Integer),
    Column("slate_id", ID),
    Column("position", Integer),
    Column("propensity", Double),
    Column("policy_version", ID),
    Index(None, "item_id"),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", ID, primary_key=True),
    Column("answer", Boolean, nullable=False),
    Column("personalize", Boolean, nullable=False),
    Column("train", Boolean, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Every choice as it was given; the latest of a person stands in `consents`.
consent_records = Table(
    "consent_records",
    metadata,
    Column("row", ROW, primary_key=True, autoincrement=True),
    Column("user_id", ID, nullable=False),
    Column("answer", Boolean, nullable=False),
    Column("personalize", Boolean, nullable=False),
    Column("train", Boolean, nullable=False),
    Column("given_at", BigInteger, nullable=False),
    Column("by_id", ID, nullable=False),
    Column("by_role", WORD, nullable=False),
    # How it was given; the two before are empty where it was before records were kept.
    Column("source", WORD, nullable=False),
    Index(None, "user_id", "given_at"),
)

# Who of the shop's people looked at whose data, and why. It outlives the customer.
accesses = Table(
    "accesses",
    metadata,
    Column("row", ROW, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("by_id", ID, nullable=False),
    Column("by_role", WORD, nullable=False),
    # The customer's id, once they are erased a keyed hash; empty where a list of many was looked at.
    Column("whose", ID, nullable=False),
    Column("what", WORD, nullable=False),
    # Why: the conversation that it was for; empty where there is none. It may be gone.
    Column("conversation_id", ID, nullable=False),
    Index(None, "whose", "by_id", "at"),
    Index(None, "at"),
)

hidden_beliefs = Table(
    "hidden_beliefs",
    metadata,
    Column("user_id", ID, primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("value", ID, primary_key=True),
    Column("hidden_at", BigInteger, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("team", ID),
    # The agent who speaks in Aisle's place; null while Aisle does.
    Column("holder", ID),
    Column("channel", WORD, nullable=False, server_default="window"),
    Column("created_at", BigInteger, nullable=False),
    # Rises with every change, also within a millisecond: whoever follows a conversation goes by it.
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "user_id", "updated_at"),
    Index(None, "team", "updated_at"),
    Index(None, "updated_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("message_id", ID, nullable=False, unique=True),
    Column("role", WORD, nullable=False),
    Column("content", Text, nullable=False),
    Column("language", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("data", JSON, nullable=False),
)

# What the team of agents has to do about a conversation, from when it was handed to them until somebody closed it.
tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), nullable=False),
    Column("reason", WORD, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    # First instants of each; null until then.
    Column("claimed_at", BigInteger),
    Column("answered_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("closed_by", ID),
    Column("code", WORD),
    # Where the customer agreed to be answered, having left.
    Column("contact", Text),
    # What the customer thought of it, 1 to 5.
    Column("rating", Integer),
    Index(None, "conversation_id"),
    Index(None, "opened_at"),
)
Index(
    "uq_tickets_open",
    tickets.c.conversation_id,
    unique=True,
    sqlite_where=tickets.c.closed_at.is_(None),
    postgresql_where=tickets.c.closed_at.is_(None),
)

# What agents tell each other about a conversation; only an export of their data shows it to customers.
notes = Table(
    "notes",
    metadata,
    Column("note_id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), nullable=False),
    Column("author", ID, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "conversation_id"),
)

# What an agent has written and not sent yet.
drafts = Table(
    "drafts",
    metadata,
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ID, primary_key=True),
    Column("text", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# What was proposed to an agent, and what became of it; the latter are null until it happened.
suggestions = Table(
    "suggestions",
    metadata,
    Column("suggestion_id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE"), nullable=False),
    # The customer's message that it answers.
    Column("message_id", ID, nullable=False),
    Column("agent_id", ID, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("source", ID, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("product_id", ID),
    Column("shown_at", BigInteger, nullable=False),
    Column("inserted_at", BigInteger),
    Column("dismissed_at", BigInteger),
    Column("sent_at", BigInteger),
    # Levenshtein distance in characters from the proposal to what was sent.
    Column("edit_distance", Integer),
    Index(None, "conversation_id", "message_id"),
    Index(None, "shown_at"),
)

# Replies that a team keeps at hand, with {slots} for what differs.
macros = Table(
    "macros",
    metadata,
    Column("macro_id", ID, primary_key=True),
    Column("language", WORD, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("updated_by", ID, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Who sits at the desk: each agent's window says so again and again.
presence = Table(
    "presence",
    metadata,
    Column("agent_id", ID, primary_key=True),
    Column("team", ID, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "team", "seen_at"),
)

carts = Table(
    "carts",
    metadata,
    Column("cart_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

cart_lines = Table(
    "cart_lines",
    metadata,
    Column("cart_id", ID, ForeignKey("carts.cart_id", ondelete="CASCADE"), primary_key=True),
    Column("line_id", ID, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("product_id", ID, nullable=False),
    Column("variant_id", ID),
    Column("quantity", Integer, nullable=False),
)

cart_requests = Table(
    "cart_requests",
    metadata,
    Column("cart_id", ID, ForeignKey("carts.cart_id", ondelete="CASCADE"), primary_key=True),
    Column("request_id", ID, primary_key=True),
    Column("change", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("status", WORD, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("currency", String(3)),
    Column("carrier", Text),
    Column("tracking_number", Text),
    Column("tracking_url", Text),
    Column("expected_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("payment_method", ID),
    Column("address", JSON(none_as_null=True)),
    Index(None, "user_id", "placed_at"),
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", ID, ForeignKey("orders.order_id", ondelete="CASCADE"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("product_id", ID, nullable=False),
    Column("variant_id", ID),
    Column("quantity", Integer, nullable=False),
    Column("price", BigInteger),
)

# What the shop says of the people who order; the two keys are folded, for finding somebody by what they say of themselves.
customers = Table(
    "customers",
    metadata,
    Column("user_id", ID, primary_key=True),
    Column("email", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("address", JSON(none_as_null=True)),
    Column("payment_methods", JSON, nullable=False),
    Column("email_key", Text),
    Column("name_key", Text),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "email_key"),
    Index(None, "name_key"),
)

# Every change that was made to an order here, in the order in which they were made: who, when and what.
order_changes = Table(
    "order_changes",
    metadata,
    Column("row", ROW, primary_key=True, autoincrement=True),
    Column("user_id", ID, nullable=False),
    # Unique for a user, so that a change that is sent again is made once.
    Column("request_id", ID, nullable=False),
    # Null where the customer's own record was changed. No foreign key: the shop may report an order anew.
    Column("order_id", ID),
    Column("kind", WORD, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("payment_method", ID),
    Column("by_id", ID, nullable=False),
    Column("by_role", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("user_id", "request_id"),
    Index(None, "order_id"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("message_id", ID, ForeignKey("turns.message_id", ondelete="CASCADE"), primary_key=True),
    # Empty where the whole message is meant: a key may not be null.
    Column("product_id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("value", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "user_id"),
)

labels = Table(
    "labels",
    metadata,
    Column("turn_key", ID, primary_key=True),
    # Set where the turn itself is kept here, so that its label is erased with it.
    Column("message_id", ID, ForeignKey("turns.message_id", ondelete="CASCADE")),
    Column("requested_at", BigInteger, nullable=False),
    # The last four are null until somebody answers.
    Column("intents", JSON(none_as_null=True)),
    Column("labelled_by", ID),
    Column("labelled_at", BigInteger),
    Column("source", Text),
    Index(None, "message_id"),
)

offers = Table(
    "offers",
    metadata,
    Column("product_id", ID, primary_key=True),
    # Empty where the product itself is meant: a key may not be null.
    Column("variant_id", ID, primary_key=True),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("availability", WORD),
    Column("stock", Integer),
    # The last of the three below.
    Column("updated_at", BigInteger, nullable=False),
    Column("price_at", BigInteger),
    Column("availability_at", BigInteger),
    Column("stock_at", BigInteger),
    Index(None, "updated_at"),
)

# When something could not be ordered; `until` is null while it still cannot.
shortages = Table(
    "shortages",
    metadata,
    Column("product_id", ID, primary_key=True),
    # Empty where the product itself is meant: a key may not be null.
    Column("variant_id", ID, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger),
    Index(None, "variant_id"),
    Index(None, "until"),
)

# Who was drawn for which campaign: those to contact, and those left alone to compare with.
contacts = Table(
    "contacts",
    metadata,
    Column("campaign", ID, primary_key=True),
    Column("user_id", ID, primary_key=True),
    Column("band", WORD, nullable=False),
    Column("control", Boolean, nullable=False),
    Column("drawn_at", BigInteger, nullable=False),
    Index(None, "user_id", "drawn_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", WORD, nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("role", WORD, nullable=False),
    Column("team", ID),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    # A list of `storage.scopes`; null: all that the role may.
    Column("scopes", JSON(none_as_null=True)),
    Column("used_at", BigInteger),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("key_id", ID, ForeignKey("api_keys.key_id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Index(None, "key_id"),
)

# Runs of fine-tuning. A run's folder is wherever it was told to write; one with a `version` has a copy in the shop's folder too.
model_runs = Table(
    "model_runs",
    metadata,
    Column("run_id", ID, primary_key=True),
    Column("name", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("folder", Text, nullable=False, unique=True),
    Column("version", ID),
    Column("status", WORD, nullable=False),
    Column("parent", ID),
    # Objects: base model by encoder, log file by path, metric by name, and what the gate said last (null: it was not asked).
    Column("base_hashes", JSON, nullable=False),
    Column("data_hashes", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("verdict", JSON(none_as_null=True)),
    Column("forced", Boolean, nullable=False),
    # Which secret the users are hashed with: one that was made anew finds none of them.
    Column("key_check", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("promoted_at", BigInteger),
    # Since when somebody in its data is erased: it has to be trained again without them.
    Column("retrain_since", BigInteger),
    Index(None, "name", "created_at"),
)

# Who is in a run's data, as keyed hashes: whoever has this table alone can neither read nor guess a user in it.
model_users = Table(
    "model_users",
    metadata,
    Column("run_id", ID, ForeignKey("model_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("user_hash", String(64), primary_key=True),
    Index(None, "user_hash"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", ID, primary_key=True),
    Column("product_id", ID, nullable=False),
    Column("rating", Double),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", WORD),
    Column("timestamp", BigInteger),
    Index(None, "product_id", "timestamp"),
)

# Questions with the answers that people gave them; only what a supervisor approved is ever spoken.
answers = Table(
    "answers",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("language", WORD, nullable=False),
    Column("source", ID, nullable=False),
    # Set while nobody has approved it, so that it is erased with the conversation that it was taken from.
    Column("conversation_id", ID, ForeignKey("conversations.conversation_id", ondelete="CASCADE")),
    Column("asked", Integer, nullable=False),
    Column("status", WORD, nullable=False),
    Column("mined_at", BigInteger, nullable=False),
    Column("decided_by", ID),
    Column("decided_at", BigInteger),
    Index(None, "status", "decided_at"),
    Index(None, "conversation_id"),
)

# Questions of shoppers that nothing answered, redacted.
unanswered = Table(
    "unanswered",
    metadata,
    # The reply that said so.
    Column("message_id", ID, ForeignKey("turns.message_id", ondelete="CASCADE"), primary_key=True),
    Column("question", Text, nullable=False),
    Column("language", WORD, nullable=False),
    Column("kind", WORD, nullable=False),
    Column("product_id", ID),
    Column("asked_at", BigInteger, nullable=False),
    Index(None, "asked_at"),
)
