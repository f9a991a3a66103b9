"""Labels of turns: what was handed out to be labelled, and what people answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(200)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "labels",
        sa.Column("turn_key", ID, nullable=False),
        sa.Column("message_id", ID),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("intents", sa.JSON()),
        sa.Column("labelled_by", ID),
        sa.Column("labelled_at", sa.BigInteger()),
        sa.Column("source", sa.Text()),
        sa.ForeignKeyConstraint(["message_id"], ["turns.message_id"], name="fk_labels_message_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_key", name="pk_labels"),
    )
    op.create_index("ix_labels_message_id", "labels", ["message_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("labels")
