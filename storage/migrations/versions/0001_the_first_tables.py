"""The first tables: events, consent, beliefs, conversations, carts, orders, feedback, offers, keys.

Revision: 0001, the first. What a migration says is frozen: it does not import `storage.tables`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(200)
WORD = sa.String(40)
ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", WORD, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("team", ID),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_table(
        "carts",
        sa.Column("cart_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cart_id", name="pk_carts"),
        sa.UniqueConstraint("user_id", name="uq_carts_user_id"),
    )
    op.create_table(
        "consents",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("answer", sa.Boolean(), nullable=False),
        sa.Column("personalize", sa.Boolean(), nullable=False),
        sa.Column("train", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_consents"),
    )
    op.create_table(
        "conversations",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("team", ID),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_team_updated_at", "conversations", ["team", "updated_at"])
    op.create_index("ix_conversations_user_id_updated_at", "conversations", ["user_id", "updated_at"])
    op.create_table(
        "events",
        sa.Column("row", ROW, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("event", WORD, nullable=False),
        sa.Column("session_id", ID),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("search_term", sa.Text()),
        sa.Column("dwell_ms", sa.BigInteger()),
        sa.Column("answer", sa.Boolean(), nullable=False),
        sa.Column("personalize", sa.Boolean(), nullable=False),
        sa.Column("train", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_events"),
        sa.UniqueConstraint("user_id", "event_id", name="uq_events_user_id_event_id"),
    )
    op.create_index("ix_events_user_id_timestamp", "events", ["user_id", "timestamp"])
    op.create_table(
        "hidden_beliefs",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("value", ID, nullable=False),
        sa.Column("hidden_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "kind", "value", name="pk_hidden_beliefs"),
    )
    op.create_table(
        "offers",
        sa.Column("product_id", ID, nullable=False),
        sa.Column("variant_id", ID, nullable=False),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("availability", WORD),
        sa.Column("stock", sa.Integer()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "variant_id", name="pk_offers"),
    )
    op.create_index("ix_offers_updated_at", "offers", ["updated_at"])
    op.create_table(
        "orders",
        sa.Column("order_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("carrier", sa.Text()),
        sa.Column("tracking_number", sa.Text()),
        sa.Column("tracking_url", sa.Text()),
        sa.Column("expected_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_user_id_placed_at", "orders", ["user_id", "placed_at"])
    op.create_table(
        "cart_lines",
        sa.Column("cart_id", ID, nullable=False),
        sa.Column("line_id", ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("variant_id", ID),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.cart_id"], name="fk_cart_lines_cart_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cart_id", "line_id", name="pk_cart_lines"),
    )
    op.create_table(
        "cart_requests",
        sa.Column("cart_id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.cart_id"], name="fk_cart_requests_cart_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cart_id", "request_id", name="pk_cart_requests"),
    )
    op.create_table(
        "event_items",
        sa.Column("event_row", ROW, autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("quantity", sa.Integer()),
        sa.Column("price", sa.BigInteger()),
        sa.Column("index", sa.Integer()),
        sa.Column("slate_id", ID),
        sa.Column("position", sa.Integer()),
        sa.Column("propensity", sa.Double()),
        sa.Column("policy_version", ID),
        sa.ForeignKeyConstraint(["event_row"], ["events.row"], name="fk_event_items_event_row", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_row", "line", name="pk_event_items"),
    )
    op.create_index("ix_event_items_item_id", "event_items", ["item_id"])
    op.create_table(
        "order_items",
        sa.Column("order_id", ID, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("variant_id", ID),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger()),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_order_items_order_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("order_id", "line", name="pk_order_items"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", ID, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.key_id"], name="fk_sign_in_links_key_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name="pk_sign_in_links"),
    )
    op.create_index("ix_sign_in_links_key_id", "sign_in_links", ["key_id"])
    op.create_table(
        "turns",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("language", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.conversation_id"], name="fk_turns_conversation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="pk_turns"),
        sa.UniqueConstraint("message_id", name="uq_turns_message_id"),
    )
    op.create_table(
        "feedback",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("value", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["turns.message_id"], name="fk_feedback_message_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "product_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])


def downgrade() -> None:
    """Drop them, those that point to others first."""
    op.drop_table("feedback")
    op.drop_table("turns")
    op.drop_table("sign_in_links")
    op.drop_table("order_items")
    op.drop_table("event_items")
    op.drop_table("cart_requests")
    op.drop_table("cart_lines")
    op.drop_table("orders")
    op.drop_table("offers")
    op.drop_table("hidden_beliefs")
    op.drop_table("events")
    op.drop_table("conversations")
    op.drop_table("consents")
    op.drop_table("carts")
    op.drop_table("api_keys")
