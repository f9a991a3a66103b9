"""Who speaks in a conversation, what the agents have to do about it, and what they write and are proposed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.String(200)
WORD = sa.String(40)


def _conversation(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    """The column that says whose conversation a row is of, with which it goes."""
    return sa.Column("conversation_id", ID, nullable=False), sa.ForeignKeyConstraint(
        ["conversation_id"],
        ["conversations.conversation_id"],
        name=f"fk_{table}_conversation_id_conversations",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    """Create the tables and columns; what was handed to the agents before becomes a ticket that waits."""
    with op.batch_alter_table("conversations") as batch:
        batch.add_column(sa.Column("holder", ID))
        batch.add_column(sa.Column("channel", WORD, nullable=False, server_default="window"))
        batch.create_index("ix_conversations_updated_at", ["updated_at"])
    op.create_table(
        "tickets",
        sa.Column("ticket_id", ID, nullable=False),
        *_conversation("tickets"),
        sa.Column("reason", WORD, nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger()),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("closed_by", ID),
        sa.Column("code", WORD),
        sa.Column("contact", sa.Text()),
        sa.Column("rating", sa.Integer()),
        sa.PrimaryKeyConstraint("ticket_id", name="pk_tickets"),
    )
    op.create_index("ix_tickets_conversation_id", "tickets", ["conversation_id"])
    op.create_index("ix_tickets_opened_at", "tickets", ["opened_at"])
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_tickets_open",
        "tickets",
        ["conversation_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.execute(
        "INSERT INTO tickets (ticket_id, conversation_id, reason, opened_at) "
        "SELECT conversation_id, conversation_id, 'asked', updated_at FROM conversations WHERE team IS NOT NULL"
    )
    op.create_table(
        "notes",
        sa.Column("note_id", ID, nullable=False),
        *_conversation("notes"),
        sa.Column("author", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("note_id", name="pk_notes"),
    )
    op.create_index("ix_notes_conversation_id", "notes", ["conversation_id"])
    op.create_table(
        "drafts",
        *_conversation("drafts"),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "agent_id", name="pk_drafts"),
    )
    op.create_table(
        "suggestions",
        sa.Column("suggestion_id", ID, nullable=False),
        *_conversation("suggestions"),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("source", ID, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("product_id", ID),
        sa.Column("shown_at", sa.BigInteger(), nullable=False),
        sa.Column("inserted_at", sa.BigInteger()),
        sa.Column("dismissed_at", sa.BigInteger()),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("edit_distance", sa.Integer()),
        sa.PrimaryKeyConstraint("suggestion_id", name="pk_suggestions"),
    )
    op.create_index("ix_suggestions_conversation_id_message_id", "suggestions", ["conversation_id", "message_id"])
    op.create_index("ix_suggestions_shown_at", "suggestions", ["shown_at"])
    op.create_table(
        "macros",
        sa.Column("macro_id", ID, nullable=False),
        sa.Column("language", WORD, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated_by", ID, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("macro_id", name="pk_macros"),
    )
    op.create_table(
        "presence",
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("team", ID, nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", name="pk_presence"),
    )
    op.create_index("ix_presence_team_seen_at", "presence", ["team", "seen_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("presence", "macros", "suggestions", "drafts", "notes", "tickets"):
        op.drop_table(table)
    with op.batch_alter_table("conversations") as batch:
        batch.drop_index("ix_conversations_updated_at")
        batch.drop_column("channel")
        batch.drop_column("holder")
