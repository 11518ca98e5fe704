"""The commands."""


def main() -> None:
    """Placeholder until the commands are written."""
