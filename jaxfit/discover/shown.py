"""A discovery as text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .discovery import Discovery

# Groups of which the constants are printed.
_GROUPS = 12


def summary(found: "Discovery") -> str:
    """Law, reason, errors, constants, and what nearly won."""
    parts = [
        f"{found.evidence.targets[0]} = {found.form}",
        "",
        found.why,
        *_errors(found),
        "",
        str(found.fit) if len(found.fit.groups) <= _GROUPS else _short(found),
        "",
        "constants    error  law",
        *(
            f"{trial.form.num_constants:>9}  {trial.error:>7.4g}  {trial.form}"
            for trial in found.front
        ),
        "",
        f"{found.judged} laws judged of {found.proposed} proposed, in {found.turns} turns and "
        f"{found.seconds:.0f} s{', ended by hand' if found.interrupted else ''}.",
        *found.notes,
    ]
    return "\n".join(parts)


def _errors(found: "Discovery") -> list[str]:
    out = [f"training R2 {1 - found.score.training:.4f}"]
    if found.heldout is not None:
        out.append(
            f"held-out R2 {found.heldout.r2:.4f} on {found.heldout.rows} rows that were opened "
            "after the choice"
        )
    return [*out, *found.score.warnings]


def _short(found: "Discovery") -> str:
    words, counts = [], {}
    for status in found.fit.status:
        counts[status] = counts.get(status, 0) + 1
    for status, count in counts.items():
        words.append(f"{count} {status}")
    return f"{len(found.fit.groups)} fits: {', '.join(words)}"
