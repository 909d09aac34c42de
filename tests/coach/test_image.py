"""`coach check --docker`: what it asks of an engine, and what it says without one. The engine is a script of ours."""

import stat
from pathlib import Path

import pytest

from coach.image import image_problems
from coach.lesson import read_lesson
from tests.tiny_course import TinyCourse

ENGINE = """#!/bin/sh
echo "$*" >> "{log}"
case "$1 $3" in
  "info "*) echo 28.2.2;;
  "inspect {{{{.State.Health.Status}}}}") echo "{health}";;
  "inspect {{{{json .NetworkSettings.Ports}}}}") echo '{{"8000/tcp": [{{"HostPort": "{port}"}}]}}';;
  "inspect {{{{.State.ExitCode}}}}") echo "{status}";;
  "exec "*) echo "{user}";;
  "logs "*) echo "no such table"; echo "exiting";;
  "build "*) {build};;
esac
"""


class Docker:
    """A stand-in for the engine that answers what it is told and notes what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.command, self.log = folder / "docker", folder / "asked"

    def answer(self, **what: object) -> str:
        given = {"health": "healthy", "port": 1, "status": 0, "user": 10001, "build": "true", "log": self.log, **what}
        self.command.write_text(ENGINE.format(**given))
        self.command.chmod(self.command.stat().st_mode | stat.S_IXUSR)
        return str(self.command)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


@pytest.fixture
def with_image(tiny: TinyCourse) -> TinyCourse:
    (tiny.solution.parent / "Dockerfile").write_text("FROM scratch\n")
    return tiny


def test_a_lesson_without_an_image_needs_no_engine(tiny: TinyCourse) -> None:
    assert list(image_problems(read_lesson(tiny.lesson), docker="no-such-program")) == []


def test_without_an_engine_it_says_that_nothing_was_built(with_image: TinyCourse) -> None:
    (problem,) = image_problems(read_lesson(with_image.lesson), docker="/nowhere/docker")
    assert problem == (
        "solutions/03_tiny: its image was not built, since no Docker engine answers. `docker` is not installed."
    )


def test_an_engine_that_does_not_answer_is_named(with_image: TinyCourse, docker: Docker) -> None:
    docker.answer()
    docker.command.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    (problem,) = image_problems(read_lesson(with_image.lesson), docker=str(docker.command))
    assert problem.endswith("no Docker engine answers. `docker info` failed: Cannot connect to the Docker daemon")


def test_the_image_is_built_started_asked_stopped_and_removed(with_image: TinyCourse, docker: Docker) -> None:
    problems = list(image_problems(read_lesson(with_image.lesson), docker=docker.answer()))
    assert len(problems) == 1, problems
    assert "GET /health/ready from outside" in problems[0], "nothing listens at port 1, and that alone is wrong here"
    verbs = [line.split()[0] for line in docker.asked]
    assert verbs == ["info", "build", "run", "inspect", "exec", "inspect", "stop", "inspect", "rm", "rmi"]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"health": "unhealthy"}, "the container is unhealthy, not healthy. no such table / exiting"),
        ({"user": 0}, "the container runs as root"),
        ({"status": 137}, "status 137 0 s after SIGTERM, which is SIGKILL: SIGTERM did not reach the server"),
        ({"build": "echo 'no space left' >&2; exit 1"}, "`docker build` failed: no space left"),
    ],
    ids=["unhealthy", "root", "killed", "not-built"],
)
def test_what_is_wrong_with_it_is_said_and_it_is_removed(
    with_image: TinyCourse, docker: Docker, what: dict[str, object], says: str
) -> None:
    problems = list(image_problems(read_lesson(with_image.lesson), docker=docker.answer(**what)))
    assert says in " ".join(problems)
    assert [line.split()[0] for line in docker.asked][-2:] == ["rm", "rmi"]
