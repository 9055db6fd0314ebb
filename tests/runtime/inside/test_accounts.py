"""Accounts, written as data."""

from __future__ import annotations

from tests.runtime.roots import Box

NOVA = ("account", "nova", "42436", "42436", "/var/lib/nova", "/usr/sbin/nologin")
KOLLA = ("account", "kolla", "42400", "42400", "/home/kolla", "/usr/sbin/nologin")


def test_an_account_is_written_into_all_four_databases(box: Box) -> None:
    box.works(KOLLA, (*NOVA, "kolla", "wheel"))
    assert box.text("/etc/passwd").splitlines() == [
        "root:x:0:0:root:/root:/bin/sh",
        "kolla:x:42400:42400::/home/kolla:/usr/sbin/nologin",
        "nova:x:42436:42436::/var/lib/nova:/usr/sbin/nologin",
    ]
    assert box.text("/etc/group").splitlines() == [
        "root:x:0:",
        "wheel:x:10:nova",
        "kolla:x:42400:nova",
        "nova:x:42436:",
    ]
    assert box.text("/etc/shadow").splitlines() == ["kolla:!!::0:99999:7:::", "nova:!!::0:99999:7:::"]
    assert box.text("/etc/gshadow").splitlines() == ["kolla:!::nova", "nova:!::"]
    assert [box.mode("/etc/shadow"), box.mode("/etc/gshadow"), box.mode("/etc/passwd")] == [
        "600",
        "600",
        "644",
    ]
    assert not box.path("/var/lib/nova").exists()


def test_the_same_account_twice_is_written_once(box: Box) -> None:
    box.works(KOLLA, NOVA, NOVA)
    once = {name: box.text(f"/etc/{name}") for name in ("passwd", "group", "shadow", "gshadow")}
    box.works(KOLLA, (*NOVA, "kolla"), (*NOVA, "kolla"))
    assert box.text("/etc/passwd") == once["passwd"]
    assert box.text("/etc/shadow") == once["shadow"]
    assert box.text("/etc/group") == once["group"].replace("kolla:x:42400:", "kolla:x:42400:nova")


def test_an_account_with_other_numbers_fails(box: Box) -> None:
    box.works(NOVA)
    assert box.fails(("account", "nova", "1", "42436", "/var/lib/nova", "/usr/sbin/nologin")) == (
        "error: account nova exists with other values: nova:x:42436:42436::/var/lib/nova:/usr/sbin/nologin\n"
    )


def test_a_group_with_another_number_fails(box: Box) -> None:
    box.write("/etc/group", "nova:x:99:\n")
    assert box.fails(NOVA) == "error: group nova exists with other values: nova:x:99:\n"


def test_an_existing_group_of_that_number_is_taken(box: Box) -> None:
    box.write("/etc/group", "root:x:0:\nnova:x:42436:root\n")
    box.works(NOVA)
    assert box.text("/etc/group") == "root:x:0:\nnova:x:42436:root\n"


def test_accounts_of_a_package_are_kept(box: Box) -> None:
    box.write("/etc/shadow", "root:*:17000:0:99999:7:::\nnova:!!:17000::::::", 0)
    box.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nxnova:x:1:1::/:/bin/sh\nno.a:x:2:2::/:/bin/sh")
    box.works(NOVA)
    assert box.text("/etc/passwd").splitlines()[-1] == "nova:x:42436:42436::/var/lib/nova:/usr/sbin/nologin"
    assert len(box.text("/etc/passwd").splitlines()) == 4
    assert box.text("/etc/shadow").splitlines() == ["root:*:17000:0:99999:7:::", "nova:!!:17000::::::"]
    assert box.mode("/etc/shadow") == "0"


def test_a_root_without_any_account(box: Box) -> None:
    box.path("/etc/passwd").unlink()
    box.path("/etc/group").unlink()
    box.works(KOLLA)
    assert box.text("/etc/passwd") == "kolla:x:42400:42400::/home/kolla:/usr/sbin/nologin\n"
    assert box.text("/etc/group") == "kolla:x:42400:\n"
    assert box.mode("/etc/passwd") == "644"


def test_a_group_that_does_not_exist_fails(box: Box) -> None:
    assert box.fails((*NOVA, "qemu")) == "error: group qemu does not exist\n"


def test_change_account(box: Box) -> None:
    box.works(KOLLA, NOVA, ("change_account", "nova", "/home/a\\b &", "", "kolla", "wheel"))
    box.works(("change_account", "nova", "", "/bin/sh", "kolla"), ("change_account", "kolla", "", ""))
    assert box.text("/etc/passwd").splitlines()[1:] == [
        "kolla:x:42400:42400::/home/kolla:/usr/sbin/nologin",
        "nova:x:42436:42436::/home/a\\b &:/bin/sh",
    ]
    assert box.text("/etc/group").splitlines() == [
        "root:x:0:",
        "wheel:x:10:nova",
        "kolla:x:42400:nova",
        "nova:x:42436:",
    ]


def test_members_join_behind_the_others(box: Box) -> None:
    box.write("/etc/group", "root:x:0:\nwheel:x:10:superkolla,novax\n")
    box.write("/etc/gshadow", "wheel:!::superkolla\n", 0)
    box.works((*NOVA, "wheel"), ("change_account", "nova", "", "", "wheel"))
    assert box.text("/etc/group").splitlines()[1] == "wheel:x:10:superkolla,novax,nova"
    assert box.text("/etc/gshadow").splitlines() == ["wheel:!::superkolla,nova", "nova:!::"]


def test_change_of_an_account_that_does_not_exist_fails(box: Box) -> None:
    assert box.fails(("change_account", "no", "/x", "")) == "error: account no does not exist\n"
    box.write("/etc/passwd", "nova:x:1:1::/:/bin/sh\n")
    assert box.fails(("change_account", "n.va", "/x", "")) == "error: account n.va does not exist\n"


def test_the_account_databases_may_be_links(box: Box) -> None:
    box.path("/etc/passwd").rename(box.path("/etc/real"))
    box.path("/etc/passwd").symlink_to("/etc/real")
    box.works(NOVA)
    assert box.path("/etc/passwd").is_symlink()
    assert box.text("/etc/real").splitlines()[-1].startswith("nova:")
