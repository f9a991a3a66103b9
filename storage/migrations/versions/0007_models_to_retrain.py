"""Since when a model has somebody in its data who was erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("model_runs") as runs:
        runs.add_column(sa.Column("retrain_since", sa.BigInteger()))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("model_runs") as runs:
        runs.drop_column("retrain_since")
