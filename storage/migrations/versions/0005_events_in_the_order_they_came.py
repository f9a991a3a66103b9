"""An index on a user's events in the order in which they were written, for readers that go on where they were."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_events_user_id_row", "events", ["user_id", "row"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_events_user_id_row", "events")
