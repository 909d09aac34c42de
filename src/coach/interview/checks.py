"""What an author of a coding task can forget, as far as it can be told without running it."""

from collections.abc import Iterator, Mapping

from coach.interview.variants import (
    BRIEF,
    FILES,
    IMPORT,
    SOLUTION,
    SUITE,
    SUITE_IMPORT,
    Variant,
    replace_words,
)
from coach.lesson import marked_tests
from coach.stubs import regions

BRIEF_WORDS = 250
TESTS = range(4, 10)
CRITERIA = range(3, 7)
MINUTES = range(10, 21)


def variant_problems(variant: Variant) -> Iterator[str]:
    """Yield every problem of a variant, each with the rule."""
    texts = {name: variant.text(name) for name in FILES}
    if len(variant.title) > 60:
        yield f"the title has {len(variant.title)} characters; 60 fit"
    if variant.minutes not in MINUTES:
        yield f"minutes are {MINUTES[0]} to {MINUTES[-1]}, not {variant.minutes}"
    if (words := len(texts[BRIEF].split())) > BRIEF_WORDS:
        yield f"{BRIEF} has {words} words; an interviewer says at most {BRIEF_WORDS}"
    if {region.number for region in regions(texts[SOLUTION], SOLUTION)} != {variant.task}:
        yield f"{SOLUTION} has regions of {variant.task} and of no other task"
    yield from _drawn_problems(variant, texts)
    yield from _suite_problems(variant, texts[SUITE])
    for place in variant.read:
        if not (variant.path.parents[2] / place.partition("#")[0]).is_file():
            yield f"`read` names {place}, which is no file of the repository"


def _drawn_problems(variant: Variant, texts: Mapping[str, str]) -> Iterator[str]:
    if not variant.names or not variant.numbers:
        yield "something is drawn: at least one of `names` and one of `numbers`"
    everything = "\n".join(texts.values())
    for key, options in variant.drawn_from.items():
        if len(options) < 2 or len(set(options)) != len(options) or options[0] != key:
            yield f"{key!r} has two or more choices, each once, and first itself; not {list(options)}"
        for name in (BRIEF, SOLUTION) if key in variant.names else (BRIEF,):
            if replace_words(texts[name], {key: "\0"}) == texts[name]:
                yield f"{key!r} stands nowhere in {name}: to draw it changes nothing there"
        for other in options[1:] if key in variant.names else ():
            if replace_words(everything, {other: "\0"}) != everything:
                yield f"{other!r} may stand for {key!r}, and stands for something else already"


def _suite_problems(variant: Variant, suite: str) -> Iterator[str]:
    if IMPORT not in suite:
        yield f"{SUITE} says `{IMPORT}`, from which rendering makes `{SUITE_IMPORT}`"
    if "parametrize" in suite:
        yield f"{SUITE} has no parameters: a loop inside the test does it"
    tests = marked_tests(variant.path / SUITE)
    if len(tests) not in TESTS:
        yield f"{SUITE} has {len(tests)} tests; {TESTS[0]} to {TESTS[-1]} are wanted"
    for name, id in tests.items():
        if f"{variant.task[:2]}.{id}" != variant.task:
            yield f"{SUITE}: {name} needs `@pytest.mark.task({variant.task[3:]})`"
    if len(variant.rubric) not in CRITERIA:
        yield f"the rubric has {len(variant.rubric)} criteria; {CRITERIA[0]} to {CRITERIA[-1]} are rated"
    named = [test for one in variant.rubric for test in one.tests]
    for test in sorted(set(named) - set(tests)):
        yield f"the rubric names {test}, which {SUITE} does not have"
    for test in sorted(set(tests) - set(named)):
        yield f"no criterion of the rubric names {test}"
