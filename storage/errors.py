"""The errors that a person may see. Each says what is wrong and the way out."""

from __future__ import annotations

from http import HTTPStatus


class AisleError(Exception):
    """Something a person can mend.

    `hint` names the way out; the command line prints both on one line and exits with `exit_code`, the API answers with
    `status` and problem+json.
    """

    status = 500
    exit_code = 1
    retry_after: int | None = None
    """Seconds after which the same may be asked again, where that is what is wrong."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def problem(self) -> dict[str, str | int]:
        """As RFC 9457 spells it: type, title, status, detail, and our hint."""
        return problem_of(self.status, self.message, self.hint)


def problem_of(status: int, detail: str, hint: str = "") -> dict[str, str | int]:
    """An error's fields as problem+json has them (RFC 9457)."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "hint": hint}


class Fault(AisleError):
    """A defect of ours; the log has what happened, the person need not."""

    def __init__(self) -> None:
        super().__init__("Something failed on our side.", "Please try again.")


class InvalidInput(AisleError):
    """What was given cannot be used as it is."""

    status = 422
    exit_code = 2


class Unauthenticated(AisleError):
    """No identity, or one that does not hold."""

    status = 401


class Forbidden(AisleError):
    """The principal's role does not allow this at all."""

    status = 403


class TooManyAttempts(AisleError):
    """So many proofs of identity did not hold that none is looked at for a while, or no further one that does not hold."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many attempts to sign in have failed.", f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class NotFound(AisleError):
    """It does not exist, or it is another's: both look the same from outside."""

    status = 404


class Conflict(AisleError):
    """Somebody else changed or holds it: another `index` run, a stale cart version."""

    status = 409


class Damaged(AisleError):
    """A file's content is not what its manifest promised."""

    status = 503


class Unavailable(AisleError):
    """A part that is needed does not answer now."""

    status = 503


class Busy(AisleError):
    """More is asked at once than can be answered in time; it was not begun, and may be asked again after `retry_after` seconds."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("More is being asked than can be answered right now.", f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class TooManyRejected(AisleError):
    """More rows were rejected than `--max-rejected` allows, so nothing was published."""

    status = 422
    exit_code = 3
