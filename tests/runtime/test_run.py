"""A run: what it prints, how it ends, in what order, and for whom it waits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.image import CopyImage, OciConfig
from buildsys.plan.read import Snapshot, built, results
from buildsys.run.plan_lock import turn
from tests.plan.sets import BASE, BUSYBOX, image, image_set
from tests.runtime.faked import Done, Faked, does, reference


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def good(faked: Faked, tmp_path: Path) -> Faked:
    base = image("base", BASE, does("one"), config=OciConfig(user="nobody"))
    faked.compile(image_set(tmp_path, [base, image("child", "base", does("two"))]))
    return faked


@pytest.fixture
def bad(faked: Faked, tmp_path: Path) -> Faked:
    """`broken` fails: `below` and `deeper` cannot be built, `beside` can."""
    script = 'host for ((i = 1; i <= 30; i++)); do echo "line $i"; done; exit 7'
    faked.compile(
        image_set(
            tmp_path,
            [
                image("base", BASE),
                image("broken", "base", does("fine"), does(script)),
                image("below", "broken"),
                image("deeper", "below"),
                image("beside", "base"),
            ],
        )
    )
    return faked


@pytest.fixture
def slow(faked: Faked, tmp_path: Path) -> Iterator[Faked]:
    """An image that is being built until `go` exists; `begun` says that it is."""
    (tmp_path / "set").mkdir()
    text = f"host touch {tmp_path}/begun; until [[ -e {tmp_path}/go ]]; do /bin/sleep 0.02; done"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(text)), image("child", "base")]))
    yield faked
    (tmp_path / "go").touch()


def test_status_lines_and_summary(good: Faked) -> None:
    done = good.run()
    assert done.returncode == 0
    assert re.fullmatch(r"\[1/2\] base \d+\.\d s\n\[2/2\] child \d+\.\d s\n", done.stdout)
    assert done.stderr == "tiny: 2 images: 2 built, 0 fresh\n"
    assert (good.run().stdout, good.run().stderr) == ("", "tiny: 2 images: 0 built, 2 fresh\n")


def test_one_image_with_what_it_is_made_from(bad: Faked) -> None:
    done = bad.make("beside")
    assert (done.returncode, done.stderr) == (0, "tiny: 2 images: 2 built, 0 fresh\n")
    assert [event["image"] for event in bad.events()] == ["base", "beside"]


def test_a_failure_blocks_its_descendants_only(bad: Faked) -> None:
    done = bad.run()
    assert done.returncode == 1
    log = bad.plan / "logs/broken.log"
    assert log.read_text().endswith("\nbroken: failed at recipes/tiny/images/broken.yaml:5:5\n")
    shown = "".join(f"    line {number}\n" for number in range(21, 31))
    assert done.stderr == (
        "\nbroken failed at recipes/tiny/images/broken.yaml:5:5\n"
        '  command: host /bin/bash -c for ((i = 1; i <= 30; i++)); do echo "line $i"; done; exit 7\n'
        "  exit status: 7\n"
        f"    … 20 lines before these\n{shown}"
        f"  log: {log}\n"
        "\nfailed: broken\nblocked by that: below deeper\n"
        "tiny: 5 images: 2 built, 0 fresh, 1 failed, 2 blocked\n"
    )
    assert re.search(r"^\[\d/5\] broken \d+\.\d s  FAILED$", done.stdout, re.MULTILINE)
    assert bad.containers() == []
    assert [name for name in bad.images() if "broken" in name] == []


def test_a_failure_is_tried_again_the_next_time(bad: Faked) -> None:
    assert bad.run().returncode == 1
    done = bad.run()
    assert (done.returncode, [event["image"] for event in bad.events()]) == (1, ["broken"])
    assert done.stderr.endswith("tiny: 5 images: 0 built, 2 fresh, 1 failed, 2 blocked\n")


def test_notes_are_repeated(good: Faked) -> None:
    (good.plan / "notes").write_text("made for tests\nin two sentences\n")
    assert good.run().stderr.endswith("0 fresh\nnote: made for tests\nnote: in two sentences\n")


def test_inputs_are_told_as_they_are(faked: Faked, tmp_path: Path) -> None:
    odd = "\r\f\x1c\x85\u2028package b"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(odd))]))
    faked.built()
    inputs = built(faked.plan)["base"].inputs
    assert [line for line in inputs if odd in line] == [inputs[0]]
    assert inputs == tuple((faked.plan / "state/base.inputs").read_bytes().decode().split("\n")[:-1])


def test_results_and_events(bad: Faked) -> None:
    bad.run()
    result = bad.result("base")
    assert (result["status"], result["reason"], result["at"]) == ("built", "never built here", "")
    assert result["image_id"] == bad.images()[reference("base")]
    assert result["image_id"] == bad.images()[f"localhost/buildsys-key/tiny/base:{result['key']}"]
    assert result["reference"] == reference("base")
    assert isinstance(result["seconds"], float)
    failed = bad.result("broken")
    assert (failed["status"], failed["image_id"]) == ("failed", "")
    assert failed["at"] == "recipes/tiny/images/broken.yaml:5:5"
    assert sorted(str(event["image"]) for event in bad.events()) == ["base", "beside", "broken"]


def test_a_result_is_replaced_whole(good: Faked) -> None:
    good.run()
    with (good.plan / "results/base.json").open() as old:
        good.run(BS_FORCE="1")
        assert json.load(old)["reason"] == "never built here"
    assert good.result("base")["reason"] == "forced"
    assert sorted(path.name for path in (good.plan / "results").iterdir()) == ["base.json", "child.json"]


def test_a_result_goes_where_it_is_asked_for(good: Faked, tmp_path: Path) -> None:
    done = good.call([str(good.plan / "steps/base.sh")], BS_RESULT=str(tmp_path / "result"))
    assert done.returncode == 0
    assert json.loads((tmp_path / "result").read_text())["image"] == "base"
    assert not (good.plan / "results/base.json").exists()


@pytest.mark.parametrize("goals", [("bass",), ("base", "bass"), ("../base",), ("",)])
def test_an_image_that_is_none_is_refused_before_anything_is_done(
    good: Faked, goals: tuple[str, ...]
) -> None:
    done = good.run(*goals)
    assert done.returncode == 2
    assert done.stderr == f"error: tiny has no image {goals[-1]}\n  hint: {good.plan}/graph names them all\n"
    assert good.calls() == []
    assert not (good.plan / "state").exists()


def test_an_image_that_the_site_cannot_build_is_refused_with_the_reason(good: Faked) -> None:
    reason = "not built, for the site far cannot give it: bass (it has no gems)\n"
    (good.plan / "notes").write_text(f"packages are stand-ins\n{reason}")
    done = good.run("bass")
    assert done.returncode == 2
    assert done.stderr.endswith(f"  hint: {good.plan}/graph names them all\n  note: {reason}")


def test_make_passes_the_refusal_on(good: Faked) -> None:
    done = good.make("bass")
    assert done.returncode == 2
    assert done.stderr.startswith("error: tiny has no image bass\n")


def test_a_missing_tool_is_named(good: Faked) -> None:
    environment = good.plan / "plan.env"
    wanted = "TOOLS='bash no-such-1 make no-such-2|bash sed|no-such-3 no-such-4|no-such-5'"
    environment.write_text(re.sub("^TOOLS=.*$", wanted, environment.read_text(), flags=re.MULTILINE))
    done = good.run()
    assert done.returncode == 3
    lacks = "no-such-1 no-such-4 or no-such-5"
    assert done.stderr == f"error: this plan needs {lacks}, which this machine lacks\n"
    assert good.calls() == []


def test_too_little_space_to_begin(good: Faked) -> None:
    done = good.run(BS_SPACE_MIB="999999999")
    assert done.returncode == 1
    assert re.match(
        r"error: \d+ MiB are free at \S+, 999999999 MiB are needed to start\n  hint: ", done.stderr
    )
    assert good.images() == {BUSYBOX: "b" * 64}


def test_help(good: Faked) -> None:
    done = good.make("help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("make -j4", "make help", "LAUNCH", "JOBS", "BS_STORE", "BS_FORCE"):
        assert word in done.stdout
    assert good.calls() == []


def test_a_second_run_waits_and_says_for_whom(slow: Faked, tmp_path: Path) -> None:
    first = slow.start("base")
    until((tmp_path / "begun").exists)
    second = slow.start()
    assert second.stderr is not None
    said = second.stderr.readline()
    assert re.fullmatch(
        rf"tiny: waiting for process {first.pid} of \S+, building base since \d\d:\d\d:\d\d\n", said
    )
    (tmp_path / "go").touch()
    assert first.communicate(timeout=30)[1] == "tiny: 1 image: 1 built, 0 fresh\n"
    assert second.communicate(timeout=30)[1] == "tiny: 2 images: 1 built, 1 fresh\n"
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_run_that_waited_runs_the_plan_that_is_there_then(good: Faked, tmp_path: Path) -> None:
    said: list[str] = []
    with turn(good.plan, "writing the plan", said.append):
        run = good.start("other")
        assert run.communicate(timeout=30)[1].startswith("error: tiny has no image other\n")
        run = good.start("child")
        assert run.stderr is not None
        assert re.match(
            rf"tiny: waiting for process {os.getpid()} of \S+, writing the plan since ", run.stderr.readline()
        )
        good.compile(replace(image_set(tmp_path, [image("child", BASE)]), name="another"))
    assert run.communicate(timeout=30)[1] == "another: 1 image: 1 built, 0 fresh\n"
    assert said == []


def test_what_looks_at_repositories_for_others_is_left_alone(good: Faked) -> None:
    """Who asks why does not wait for runs; what one left that was killed goes."""
    for process in (os.getpid(), 2**22 + 1):
        (good.plan / f"state/scratch.look.{process}.abc").mkdir(parents=True)
    (good.plan / "state/scratch.base.1").mkdir()
    good.built()
    assert [path.name for path in good.plan.glob("state/scratch.*")] == [f"scratch.look.{os.getpid()}.abc"]


@pytest.mark.parametrize("name", ["run", "all", "help", "images.mk", "x.id", "x.checked"])
def test_an_image_may_have_a_name_that_means_something_here(faked: Faked, tmp_path: Path, name: str) -> None:
    faked.compile(image_set(tmp_path, [image("x", BASE), image(name, "x")]))
    assert set(faked.built(name)) == {"x", name}
    assert faked.make().returncode == 0
    done = faked.make(name, BS_FORCE="1")
    assert "warning" not in done.stderr
    assert "ircular" not in done.stderr
    if name != "help":
        assert len(faked.events()) == 2


def test_two_plans_in_one_store(tmp_path: Path, slow: Faked) -> None:
    """Two clones of one set, at the same time: their working containers do not meet."""
    other = Faked(tmp_path / "other", slow.fake)
    other.compile(image_set(tmp_path, [image("base", BASE, does("else"))]))
    first = slow.start()
    until((tmp_path / "begun").exists)
    assert other.built() == {"base": "never built here"}
    assert len(slow.containers()) == 1
    (tmp_path / "go").touch()
    first.communicate(timeout=30)
    assert first.returncode == 0


def test_interrupted(slow: Faked, tmp_path: Path) -> None:
    process = slow.start()
    until((tmp_path / "begun").exists)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith("tiny: 2 images: 0 built, 0 fresh, 2 not reached\n")
    assert (slow.containers(), list((slow.plan / "state").glob("working.*"))) == ([], [])
    (tmp_path / "go").touch()
    assert len(slow.built()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminated(slow: Faked, tmp_path: Path, number: signal.Signals) -> None:
    process = slow.start()
    until((tmp_path / "begun").exists)
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert slow.containers() == []


def test_terminated_alone(slow: Faked, tmp_path: Path) -> None:
    """Who tells only the process he started: what is under way ends, nothing else begins."""
    process = slow.start()
    until((tmp_path / "begun").exists)
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None
    (tmp_path / "go").touch()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, slow.containers()) == (130, [])
    assert errors.endswith("tiny: 2 images: 0 built, 0 fresh, 2 not reached\n")


def ended(process: subprocess.Popen[str]) -> bool:
    """Whether no process of this run is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("grace", "signals"), [("0.3", 1), ("60", 2)])
def test_a_command_that_goes_on_is_ended(
    slow: Faked, tmp_path: Path, number: signal.Signals, grace: str, signals: int
) -> None:
    """After a while, or at once at a second signal: and no process of the run is left."""
    process = slow.start(BS_GRACE=grace)
    until((tmp_path / "begun").exists)
    for _ in range(signals):
        process.send_signal(number)
        time.sleep(0.2)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, slow.containers()) == (130, [])
    assert errors.endswith("tiny: 2 images: 0 built, 0 fresh, 2 not reached\n")
    until(lambda: ended(process))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_waits_for_its_turn_can_be_ended(
    slow: Faked, number: signal.Signals, tmp_path: Path
) -> None:
    first = slow.start()
    until((tmp_path / "begun").exists)
    second = slow.start()
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    second.send_signal(number)
    second.communicate(timeout=30)
    assert second.returncode == 130
    until(lambda: ended(second))
    (tmp_path / "go").touch()
    first.communicate(timeout=30)
    assert first.returncode == 0


def test_killed_and_continued(slow: Faked, tmp_path: Path) -> None:
    """Kill -9 of everything: the next run takes away what stayed, and builds."""
    process = slow.start()
    until((tmp_path / "begun").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert len(slow.containers()) == 1
    (tmp_path / "go").touch()
    assert len(slow.built()) == 2
    assert (slow.containers(), list((slow.plan / "state").glob("[ws][oc]*.*"))) == ([], [])


def test_a_step_that_was_killed_is_named(faked: Faked, tmp_path: Path) -> None:
    kill = "host kill -9 $(ps -o ppid= $PPID)"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(kill)), image("child", "base")]))
    done = faked.run()
    assert done.returncode == 1
    assert "\nbase was killed while it was built\n" in done.stderr
    assert done.stderr.endswith("\ntiny: 2 images: 0 built, 0 fresh, 1 failed, 1 blocked\n")


VERBS = ("from", "mount", "config", "commit", "tag", "inspect", "copy")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_call_is_survived(good: Faked, verb: str, when: str) -> None:
    """No half-built image bears the name; the next run builds what the killed one did not, and tidies up."""
    kill = "kill -9 $PPID"
    if when == "after":
        kill = f'trap - EXIT; trap "{kill}" EXIT'
    good.misbehave(verb, f'[[ -e $FAKE/killed ]] || {{ touch "$FAKE/killed"; {kill}; }}')
    good.run("base")
    named = good.images().get(reference("base"))
    done = good.run("base")
    assert done.returncode == 0, done.stderr
    identity = good.result("base")["image_id"]
    assert good.images()[reference("base")] == identity
    assert named in {None, identity}
    assert (good.containers(), list((good.plan / "state").glob("working.*"))) == ([], [])


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_that_fails_leaves_nothing_behind(good: Faked, verb: str) -> None:
    good.misbehave(verb, "echo broken >&2; exit 125")
    done = good.run("base")
    assert done.returncode == 1
    assert reference("base") not in good.images()
    assert good.containers() == []
    if verb != "inspect":
        assert "broken" in done.stderr
    good.misbehave(verb, "")
    assert good.run("base").returncode == 0


def test_a_full_disk_does_not_keep_the_working_container(good: Faked) -> None:
    """What cannot be written to the log is not what matters."""
    (good.plan / "logs").mkdir()
    good.misbehave("mount", 'head -c 1000000 /dev/zero >"${PLAN_LOGS}/fill"')
    small = 'mount -t tmpfs -o size=16k none "$PLAN_LOGS" && bash "$0/lib/run.sh" base'
    # In a chroot nobody may make a user namespace; root needs none.
    apart = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    shell = ["/usr/bin/unshare", *apart, "--mount", "bash", "-c", small]
    done = good.call([*shell, str(good.plan)], PLAN_LOGS=str(good.plan / "logs"))
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert any("buildah from" in line for line in good.calls())
    assert good.containers() == []


def test_a_result_that_cannot_be_written_is_a_failure(good: Faked, tmp_path: Path) -> None:
    """Else the image was fresh from then on, and what became of it never said."""
    step = [str(good.plan / "steps/base.sh")]
    done = good.call(step, BS_RESULT=str(tmp_path / "gone/result"))
    assert done.returncode != 0
    assert list((good.plan / "state").glob("base.*.checked")) == []
    assert good.run("base").returncode == 0
    assert good.result("base")["image_id"] == good.images()[reference("base")]


def test_a_run_killed_behind_a_stamp_has_said_what_was_built(good: Faked, tmp_path: Path) -> None:
    good.built()
    good.compile(image_set(tmp_path, [image("base", BASE, does("another"))]))
    (tmp_path / "bin").mkdir()
    move = tmp_path / "bin/mv"
    move.write_text('#!/bin/bash\n/bin/mv "$@"\n[[ $* != *.checked* ]] || kill -9 0\n')
    move.chmod(0o755)
    good.start(PATH=f"{move.parent}:{good.environment()['PATH']}").communicate(timeout=30)
    assert good.built() == {}
    assert good.result("base")["image_id"] == good.images()[reference("base")]


def test_half_a_line_of_events_hides_nothing(good: Faked) -> None:
    """A full disk took the end of it, and there was space again."""
    half = '{"time": 1, "event": "built", "image": "x", "rea'
    good.misbehave("commit", f"printf '{half}' >>{good.plan}/events.jsonl")
    done = good.run()
    assert (done.returncode, done.stderr) == (0, "tiny: 2 images: 2 built, 0 fresh\n")
    assert [(found.image, found.status) for found in results(good.plan, Snapshot({}, ())) or ()] == [
        ("base", "built"),
        ("child", "built"),
    ]


@pytest.mark.parametrize("half", ["", "{", '{"tim', '{"time": 1}', '{"time": "x", "event": 3}'])
def test_a_line_that_names_no_image_is_none(good: Faked, half: str) -> None:
    good.misbehave("commit", f"printf '%s\\n' '{half}' >>{good.plan}/events.jsonl")
    done = good.run()
    assert (done.returncode, done.stderr) == (0, "tiny: 2 images: 2 built, 0 fresh\n")
    assert len(results(good.plan, Snapshot({}, ())) or ()) == 2


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("write /x: no space left on device", 75),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", 75),
        ("Temporary failure in name resolution", 75),
        ("received unexpected HTTP status: 503 Service Unavailable", 75),
        ("manifest unknown", 1),
        ("no such file", 1),
    ],
)
def test_the_exit_status_of_a_step_tells_infrastructure_from_recipes(
    good: Faked, said: str, status: int
) -> None:
    good.misbehave("commit", f'echo "{said}" >&2; exit 125')
    assert good.call([str(good.plan / "steps/base.sh")]).returncode == status


@pytest.mark.parametrize("status", [1, 75, 130, 137])
def test_a_run_fails_for_reasons_of_its_own(faked: Faked, tmp_path: Path, status: int) -> None:
    """Whatever it says and returns, it is not the network's fault, nor an interruption."""
    does_fail = does(f"host echo connection refused; exit {status}")
    faked.compile(image_set(tmp_path, [image("base", BASE, does_fail)]))
    assert faked.call([str(faked.plan / "steps/base.sh")]).returncode == 1
    assert faked.result("base")["at"] == "recipes/tiny/images/base.yaml:4:5"
    done = faked.run()
    assert (done.returncode, "base failed at recipes/tiny/images/base.yaml:4:5" in done.stderr) == (1, True)


def test_bases_are_pulled_anew_of_what_is_to_be_built_and_as_they_are_called(
    faked: Faked, tmp_path: Path
) -> None:
    """A `run` may hold lines that look like those of a step."""
    far, other = (replace(BASE, reference=f"registry.example/{name}:1") for name in ("far", "other"))
    text = "host true\nBASE=/opt/x\nOUTSIDE=(/opt/y)\n"
    faked.compile(image_set(tmp_path, [image("a", far, does(text)), image("b", "a"), image("c", other)]))
    assert set(faked.built("b", BS_PULL="1")) == {"a", "b"}
    assert faked.calls("buildah pull") == ["buildah pull --quiet --policy always registry.example/far:1"]
    faked.misbehave("pull", "exit 125")
    done = faked.run(BS_PULL="1")
    assert (done.returncode, done.stderr) == (
        1,
        "error: the base image registry.example/far:1 cannot be pulled\n",
    )


def without_base(faked: Faked, said: str, times: int) -> Done:
    """Run a plan whose base has to be pulled; that fails so many times."""
    faked.set_images({})
    fail = f'echo "{said}" >&2; exit 125'
    faked.misbehave("pull", f'n=$(grep -c "^buildah pull" "$FAKE/calls"); ((n > {times})) || {{ {fail}; }}')
    return faked.run()


def test_what_may_pass_by_itself_is_tried_again_later(good: Faked) -> None:
    done = without_base(good, "connection refused", 2)
    assert done.returncode == 0, done.stderr
    calls = [line for line in good.calls() if line.startswith(("sleep", "buildah pull"))]
    pull = f"buildah pull --quiet {BUSYBOX}"
    assert calls == [pull, "sleep 2", pull, "sleep 6", pull]


def test_what_does_not_pass_is_given_up(good: Faked) -> None:
    done = without_base(good, "connection refused", 9)
    assert done.returncode == 1
    assert good.calls("sleep") == ["sleep 2", "sleep 6", "sleep 18"]
    assert "connection refused" in done.stderr
    assert done.stderr.endswith("tiny: 2 images: 0 built, 0 fresh, 1 failed, 1 blocked\n")


def test_what_cannot_pass_is_not_tried_again(good: Faked) -> None:
    done = without_base(good, "manifest unknown", 9)
    assert done.returncode == 1
    assert len(good.calls("buildah pull")) == 1
    assert "manifest unknown" in done.stderr


def test_a_failing_run_is_never_tried_again(faked: Faked, tmp_path: Path) -> None:
    text = "host echo connection refused; exit 1"
    faked.compile(image_set(tmp_path, [image("base", BASE, does(text))]))
    assert faked.run().returncode == 1
    assert faked.calls("sleep") == []
    assert len((faked.plan / "logs/base.log").read_text().split("connection refused")) == 2


@pytest.fixture
def wide(faked: Faked, tmp_path: Path) -> Faked:
    """Four images that depend on nothing and take a while; each says how many were under way."""
    text = (
        f"host mkdir -p {tmp_path}/now; touch {tmp_path}/now/$$; /bin/sleep 0.4; "
        f"ls {tmp_path}/now | wc -l >>{tmp_path}/seen; rm {tmp_path}/now/$$"
    )
    faked.compile(image_set(tmp_path, [image(f"i{number}", BASE, does(text)) for number in range(4)]))
    return faked


def most(tmp_path: Path) -> int:
    return max(map(int, (tmp_path / "seen").read_text().split()))


@pytest.mark.parametrize("jobs", [1, 3])
def test_jobs(wide: Faked, tmp_path: Path, jobs: int) -> None:
    assert len(wide.built(JOBS=str(jobs))) == 4
    assert most(tmp_path) == jobs


def test_jobs_of_make(wide: Faked, tmp_path: Path) -> None:
    assert wide.make("-j3", JOBS="1").returncode == 0
    assert most(tmp_path) == 3


def test_an_outer_job_server_is_honoured(wide: Faked, tmp_path: Path) -> None:
    """A make that calls the plan's make lends its slots, whatever JOBS says."""
    (tmp_path / "Makefile").write_text(f"all: ; +@$(MAKE) -C '{wide.plan}'\n")
    done = wide.call(["make", "-C", str(tmp_path), "-j2"], JOBS="6")
    assert done.returncode == 0
    assert "jobserver" not in done.stderr
    assert most(tmp_path) == 2


def test_a_variable_that_looks_like_an_option_is_none(wide: Faked, tmp_path: Path) -> None:
    assert wide.make("LAUNCH=env A=\\ -j3", JOBS="2").returncode == 0
    assert most(tmp_path) == 2


def test_a_launcher_gets_every_step(good: Faked, tmp_path: Path) -> None:
    launcher = tmp_path / "launch"
    launcher.write_text(f'#!/bin/bash\necho "$@" >>{tmp_path}/launched\nshift\nexec "$@"\n')
    launcher.chmod(0o755)
    assert len(good.built(LAUNCH=f"{launcher} --slot")) == 2
    assert (tmp_path / "launched").read_text() == "--slot steps/base.sh\n--slot steps/child.sh\n"


@pytest.mark.parametrize("options", ["-k", "-s", "-B", "--trace", "-w", "-r", "-t", "-i", "-kis"])
def test_options_of_make_do_not_change_what_is_built(good: Faked, options: str) -> None:
    """-t would call built what never was."""
    assert good.make(options).returncode == 0
    assert len(good.events()) == 2
    assert {reference("base"), reference("child")} <= set(good.images())


def test_ignoring_errors_passes_off_no_failure(bad: Faked) -> None:
    done = bad.run(MAKEFLAGS="i")
    assert done.returncode == 1
    assert done.stderr.endswith("tiny: 5 images: 2 built, 0 fresh, 1 failed, 2 blocked\n")


@pytest.mark.parametrize("option", ["-n", "-q"])
def test_only_asking_builds_nothing(good: Faked, option: str) -> None:
    good.make(option)
    assert good.images() == {BUSYBOX: "b" * 64}
    assert len(good.built()) == 2


def test_the_environment_of_the_caller_has_no_say(good: Faked, tmp_path: Path) -> None:
    """Nor his start-up files, his shell's options, his language, his umask."""
    (tmp_path / "rc").write_text("echo noise; set -f\n")
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(good.plan)],
        env=good.environment(
            CDPATH=f"{tmp_path}:/usr",
            BASH_ENV=str(tmp_path / "rc"),
            ENV=str(tmp_path / "rc"),
            POSIXLY_CORRECT="1",
            LC_ALL="C.UTF-8",
            LANG="tr_TR.UTF-8",
            TZ="Asia/Tokyo",
            TMPDIR="/nonexistent",
            IFS="/",
            IMAGE="x",
            FROM="y",
            STATE="/nonexistent",
            LIB="/nonexistent",
            BS_STORE_IS="vfs /nonexistent /nonexistent x/y",
            BS_LISTING="/nonexistent",
        ),
        umask=0o77,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("tiny: 2 images: 2 built, 0 fresh\n")
    assert good.built() == {}


@pytest.mark.parametrize(
    "name", ["two words", "it's", '"x"', "%20%", "é ü", "a&b;c|d", "$HOME`id`", "#x", "[a]*", "back\\n"]
)
def test_a_plan_may_lie_anywhere(tmp_path: Path, faked: Faked, name: str) -> None:
    odd = Faked(tmp_path / name / "plan", faked.fake)
    odd.compile(image_set(tmp_path, [image("base", BASE, does("one")), image("child", "base", does("two"))]))
    assert odd.make("-j2").returncode == 0
    assert len(odd.events()) == 2
    assert odd.built() == {}


def test_a_plan_may_be_moved_with_all_it_has_built(good: Faked, tmp_path: Path) -> None:
    good.built()
    subprocess.run(["cp", "-r", str(good.plan), str(tmp_path / "moved")], check=True)
    moved = Faked(tmp_path / "moved", good.fake)
    done = moved.run()
    assert done.stderr == "tiny: 2 images: 0 built, 2 fresh\n"
    assert moved.events() == []


def test_a_copy_of_a_plan_is_a_plan_of_its_own(slow: Faked, tmp_path: Path) -> None:
    """Copied while it is being built, and built beside it: neither takes what the other has under way."""
    first = slow.start("base")
    until((tmp_path / "begun").exists)
    subprocess.run(["cp", "-r", str(slow.plan), str(tmp_path / "copy")], check=True)
    (before,) = slow.containers()
    second = Faked(tmp_path / "copy", slow.fake).start("base")
    until(lambda: len(slow.containers()) == 2)
    assert before in slow.containers()
    (tmp_path / "go").touch()
    assert (first.communicate(timeout=30)[0] != "", second.communicate(timeout=30)[0] != "") == (True, True)
    assert (first.returncode, second.returncode, slow.containers()) == (0, 0, [])


def test_names_of_working_containers_never_meet(faked: Faked, tmp_path: Path) -> None:
    """The image `a` reads `b`; other images are called as what it reads from might be."""
    wait = does("host /bin/sleep 0.3")
    read = CopyImage(image="b", source="/x", to="/x", mode="", owner="")
    names = ("a.b", "a-b", "a-reads-b", "a_b")
    faked.compile(
        image_set(
            tmp_path,
            [image("b", BASE), image("a", BASE, read, wait), *(image(name, "b", wait) for name in names)],
        )
    )
    assert len(faked.built(JOBS="6")) == 6
    assert faked.containers() == []


def test_what_lies_between_commit_and_name_is_removed_when_nobody_else_builds(good: Faked) -> None:
    lock = subprocess.Popen(
        ["flock", "--shared", str(good.fake / "run/buildsys.lock"), "/bin/sleep", "60"],
        start_new_session=True,
    )
    try:
        time.sleep(0.2)
        good.built()
        assert "<none>:<none>" in good.images()
        assert good.calls("buildah rmi") == []
    finally:
        os.killpg(lock.pid, signal.SIGKILL)
        lock.wait()
    # With nothing to build, too: what a killed run left was perhaps all there was to do.
    good.run()
    assert "<none>:<none>" not in good.images()
    good.built(BS_FORCE="1")
    assert "<none>:<none>" not in good.images()


def test_what_a_killed_step_leaves_while_the_run_tidies_up_is_not_forgotten(good: Faked) -> None:
    late = good.plan / "state/committed.late.1"
    good.misbehave("rmi", f"printf 'sha256:late' >{late}; rm \"$FAKE/on/rmi\"")
    good.built()
    assert [*late.parent.glob("committed.*")] == [late]
    good.run()
    assert good.calls("buildah rmi")[-1].endswith(" late")
    assert not late.exists()


def test_a_step_that_outlives_make_keeps_what_it_is_about_to_name(good: Faked, tmp_path: Path) -> None:
    good.misbehave("copy", f"touch {tmp_path}/begun; until [[ -e {tmp_path}/go ]]; do /bin/sleep 0.02; done")
    process = good.start("base")
    until((tmp_path / "begun").exists)
    make = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(make.stdout), signal.SIGKILL)
    # Not until its output ends: the step writes there too.
    assert process.wait(timeout=30) == 1
    assert "<none>:<none>" in good.images()
    assert good.calls("buildah rmi") == []
    (tmp_path / "go").touch()
    process.communicate(timeout=30)
    assert good.built("base") == {}
    assert good.result("base")["status"] == "built"
    assert "<none>:<none>" not in good.images()


@pytest.mark.parametrize("blind", [False, True])
def test_what_could_not_be_removed_is_not_forgotten(good: Faked, blind: bool) -> None:  # noqa: FBT001
    """Only what is gone; and nothing, while the store does not say what is there."""
    state = good.plan / "state"
    blindness = "echo 'exit 125' >\"$FAKE/on/images\"; " if blind else ""
    good.misbehave("rmi", f"{blindness}exit 125")
    state.mkdir()
    (state / "committed.gone.1").write_text(f"sha256:{'c' * 64}")
    assert good.run().returncode == 0
    left = sorted(path.name.split(".")[1] for path in state.glob("committed.*"))
    assert left == (["base", "child", "gone"] if blind else ["base", "child"])
    good.misbehave("rmi", "")
    good.misbehave("images", "")
    assert good.built() == {}
    assert list(state.glob("committed.*")) == []
    assert "<none>:<none>" not in good.images()


@pytest.mark.parametrize("verb", ["rm", "containers"])
def test_a_container_that_could_not_be_removed_is_not_forgotten(
    slow: Faked, tmp_path: Path, verb: str
) -> None:
    process = slow.start()
    until((tmp_path / "begun").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    (slow.plan / "state/working.base+gone").touch()
    (tmp_path / "go").touch()
    slow.misbehave(verb, "echo busy >&2; exit 125")
    assert "busy" in slow.run("base").stderr
    # Where nobody says which are left, the step itself finds its own in its way.
    assert len(slow.containers()) == (verb == "rm")
    assert (slow.plan / "state/working.base").exists() == (verb == "rm")
    assert (slow.plan / "state/working.base+gone").exists() == (verb == "containers")
    slow.misbehave(verb, "")
    assert len(slow.built()) == 2
    assert (slow.containers(), list((slow.plan / "state").glob("working.*"))) == ([], [])


def test_a_store_that_cannot_be_opened_is_said(good: Faked) -> None:
    good.misbehave("info", 'echo "database is locked" >&2; exit 125')
    done = good.run()
    assert done.returncode not in {0, 2, 3, 130}
    assert "database is locked" in done.stderr


def test_other_formats_and_epochs_are_other_images(good: Faked) -> None:
    """The step contract lets a caller choose both: what was built one way is never taken for the other."""
    good.built()
    assert good.built(BS_FORMAT="oci")["base"] == "format changed"
    assert any("--format oci" in line for line in good.calls("buildah commit"))
    assert good.built() == {}
    assert good.built(BS_EPOCH="86400")["base"] == "epoch changed"
    assert good.built(BS_EPOCH="86400") == {}


def test_the_clock_of_an_older_bash(good: Faked) -> None:
    """Bash 4.4 has no EPOCHREALTIME."""
    script = "unset EPOCHREALTIME; set -eu; . $0/lib/log.sh; read_clock; began=$NOW; /bin/sleep 0.3"
    script += "; measure_seconds $began; echo $PASSED"
    done = good.call(["bash", "-c", script, str(good.plan)])
    assert (done.returncode, done.stdout) == (0, "0.3\n")


def test_what_json_cannot_hold_is_left_out_of_results(good: Faked) -> None:
    script = '. "$0/lib/log.sh"; quote_json "$1"; echo "$JSON"'
    done = good.call(["bash", "-c", script, str(good.plan), 'a"b\\c\nd\te\x1bf\rg\x01h é'])
    assert json.loads(done.stdout) == 'a"b\\c\nd\te?f?g?h é'
