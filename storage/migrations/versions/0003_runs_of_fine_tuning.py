"""Runs of fine-tuning: where each wrote, what became of it, and the users in it as keyed hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(200)
WORD = sa.String(40)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "model_runs",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("version", ID),
        sa.Column("status", WORD, nullable=False),
        sa.Column("parent", ID),
        sa.Column("base_hashes", sa.JSON(), nullable=False),
        sa.Column("data_hashes", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON()),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("key_check", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("promoted_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("run_id", name="pk_model_runs"),
        sa.UniqueConstraint("folder", name="uq_model_runs_folder"),
    )
    op.create_index("ix_model_runs_name_created_at", "model_runs", ["name", "created_at"])
    op.create_table(
        "model_users",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("user_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["model_runs.run_id"], name="fk_model_users_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "user_hash", name="pk_model_users"),
    )
    op.create_index("ix_model_users_user_hash", "model_users", ["user_hash"])


def downgrade() -> None:
    """Drop them, the one that points to the other first."""
    op.drop_table("model_users")
    op.drop_table("model_runs")
