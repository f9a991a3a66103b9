"""What customers wrote about products, answers learnt from past dialogues, and questions that got none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(200)
WORD = sa.String(40)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "reviews",
        sa.Column("review_id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("rating", sa.Double()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", WORD),
        sa.Column("timestamp", sa.BigInteger()),
        sa.PrimaryKeyConstraint("review_id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_product_id_timestamp", "reviews", ["product_id", "timestamp"])
    op.create_table(
        "answers",
        sa.Column("answer_id", ID, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("language", WORD, nullable=False),
        sa.Column("source", ID, nullable=False),
        sa.Column("conversation_id", ID),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("mined_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", ID),
        sa.Column("decided_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("answer_id", name="pk_answers"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.conversation_id"],
            name="fk_answers_conversation_id_conversations",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_answers_status_decided_at", "answers", ["status", "decided_at"])
    op.create_index("ix_answers_conversation_id", "answers", ["conversation_id"])
    op.create_table(
        "unanswered",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("language", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("product_id", ID),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_unanswered"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["turns.message_id"], name="fk_unanswered_message_id_turns", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_unanswered_asked_at", "unanswered", ["asked_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("unanswered")
    op.drop_table("answers")
    op.drop_table("reviews")
