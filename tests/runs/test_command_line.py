"""The command line before Hydra reads it."""

import pytest

from anomaly_lab.runs import command_line


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("resume=runs/x_category=a,b", "resume='runs/x_category=a,b'"),
        ("hydra.run.dir=my runs/1", "hydra.run.dir='my runs/1'"),
        ("resume=it's", r"resume='it\'s'"),
        ("resume='runs/a=b'", "resume='runs/a=b'"),
        ('resume="runs/a=b"', 'resume="runs/a=b"'),
        ("hydra.run.dir=runs/${now:%H}", "hydra.run.dir=runs/${now:%H}"),
        ("objective.lam=0.3,0.9", "objective.lam=0.3,0.9"),
        ("--help", "--help"),
        ("resume", "resume"),
    ],
)
def test_a_run_directory_on_the_command_line_gets_quotes(argument: str, quoted: str) -> None:
    """The names hold = and , which Hydra would take for an override and a sweep."""
    assert command_line.quoted(argument) == quoted
