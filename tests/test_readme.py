"""What the README shows is what there is."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_example_is_shown_as_it_is_and_stays_short() -> None:
    code = (ROOT / "examples" / "train_bidder.py").read_text()
    assert f"```python\n{code}```" in README
    assert len(code.splitlines()) < 40


def test_all_pictures_are_there() -> None:
    for part in README.split("](")[1:]:
        target = part.partition(")")[0]
        assert "://" in target or (ROOT / target).exists(), target
