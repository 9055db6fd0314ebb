"""Solve the packages of a whole image set in one process, with the distribution's own solver.

Run by the interpreter that has `dnf` (the system's, not the project's environment): reads a request as
JSON from standard input and writes the answer to standard output. Imports nothing of buildsys.

An image is solved against its parent's packages as they were just solved, without building it: the parent's
packages are asked for exactly, the image's own by name, and the parent's are taken away from the answer.
"""

import json
import sys
import tempfile

import dnf  # type: ignore[import-not-found]
import hawkey  # type: ignore[import-not-found]


def _main():  # type: ignore[no-untyped-def]
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="buildsys-lock-") as work:
        base = _open_base(request, work)
        try:
            base.fill_sack(load_system_repo=False)
        except dnf.exceptions.RepoError as error:
            json.dump({"unreachable": str(error)}, sys.stdout)
            return
        answer = _solve(base, request)
    json.dump(answer, sys.stdout)


def _open_base(request, work):  # type: ignore[no-untyped-def]
    base = dnf.Base()
    conf = base.conf
    conf.installroot = conf.logdir = conf.persistdir = work
    conf.cachedir = request["cache"] or work
    conf.reposdir = []
    conf.plugins = False
    conf.install_weak_deps = False
    conf.substitutions["releasever"] = request["release"]
    if request["host_repositories"]:
        conf.reposdir = dnf.conf.Conf().reposdir
        base.read_all_repos()
    for repository in request["repositories"]:
        base.repos.add_new_repo(repository["id"], conf, baseurl=[repository["url"]])
    return base


def _solve(base, request):  # type: ignore[no-untyped-def]
    held, images, problems = {}, {}, []
    for image in request["images"]:
        have = held.get(image["parent"], frozenset())
        transactions = []
        for step in image["steps"]:
            wanted, reason = _transaction(base.sack, have, step)
            if reason:
                problems.append(
                    {"image": image["name"], "reasons": reason, "names": _missing(base.sack, step)}
                )
                break
            new = wanted - have
            transactions.append(sorted((_describe(package) for package in new), key=lambda row: row["name"]))
            # An update takes the older one's place.
            names = {(package.name, package.arch) for package in new}
            have = frozenset(old for old in have if (old.name, old.arch) not in names) | new
            have = frozenset(old for old in have if old.name not in set(step.get("remove", ())))
        held[image["name"]] = have
        images[image["name"]] = transactions
    payloads = {}
    for name in request["payloads"]:
        found = hawkey.Query(base.sack).filterm(name=name).latest()
        if len(found) == 0:
            problems.append({"image": "", "reasons": [], "names": [name]})
        else:
            payloads[name] = _describe(found[0])
    return {"images": images, "payloads": payloads, "problems": problems}


def _transaction(sack, have, step):  # type: ignore[no-untyped-def]
    goal = hawkey.Goal(sack)
    for package in have:
        if step["update"]:
            goal.install(select=hawkey.Selector(sack).set(name=package.name))
        else:
            goal.install(package)
    for name in step["install"]:
        subject = hawkey.Subject(name)
        selector = subject.get_best_selector(sack)
        goal.install(select=selector)
    absent = _missing(sack, step)
    if absent:
        return frozenset(), [f"no package {name}" for name in absent]
    if not goal.run():
        return frozenset(), [line for rule in goal.problem_rules() for line in rule]
    return frozenset(goal.list_installs()), None


def _missing(sack, step):  # type: ignore[no-untyped-def]
    return [name for name in step["install"] if not hawkey.Subject(name).get_best_query(sack)]


def _describe(package):  # type: ignore[no-untyped-def]
    kind, value = package.returnIdSum() if hasattr(package, "returnIdSum") else package.chksum
    return {
        "name": package.name,
        "epoch": str(package.epoch),
        "version": package.version,
        "release": package.release,
        "arch": package.arch,
        "repository": package.reponame,
        "checksum": f"{kind}:{value}",
        "location": package.location,
    }


if __name__ == "__main__":
    _main()
