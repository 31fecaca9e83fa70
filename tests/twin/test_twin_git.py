"""The twin's git: pull requests, forks, merges, commits, contents, comparisons."""

from __future__ import annotations

import base64
import subprocess

from tests.twin import Repository, Twin
from tests.twin.conftest import Client


def git(repo: Repository, *args: str) -> str:
    done = subprocess.run(
        ["git", f"--git-dir={repo.git_dir}", *args], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_commit_changes_adds_and_deletes_files(repo: Repository) -> None:
    sha = repo.commit("main", {"a.py": None, "b/c d.bin": b"\x00\xff", 'q"uo\\te': "z"})
    assert repo.tip("main") == sha
    names = git(repo, "ls-tree", "-r", "-z", "--name-only", sha).strip("\0").split("\0")
    assert sorted(names) == [".github/workflows/agent.yml", "b/c d.bin", 'q"uo\\te']


def test_a_new_branch_starts_at_the_default_branch_or_at_its_parent(repo: Repository) -> None:
    first = repo.tip("main")
    second = repo.commit("main", {"a.py": "x = 2\n"})
    assert git(repo, "rev-parse", f"{repo.commit('topic', {'t': ''})}^") == second
    assert git(repo, "rev-parse", f"{repo.commit('old', {'t': ''}, parent=first)}^") == first


def test_a_pull_request_has_a_test_merge_of_base_and_head(repo: Repository) -> None:
    repo.commit("topic", {"b.py": "y = 1\n"})
    base = repo.commit("main", {"a.py": "x = 3\n"})
    pull = repo.open_pull(head="topic")
    assert git(repo, "rev-parse", "refs/pull/1/merge") == pull.merge_sha
    assert git(repo, "log", "-1", "--format=%P", str(pull.merge_sha)) == f"{base} {pull.head_sha}"
    assert git(repo, "show", f"{pull.merge_sha}:a.py") == "x = 3"


def test_a_push_moves_the_head_and_the_merge(repo: Repository) -> None:
    repo.commit("topic", {"b.py": ""})
    pull = repo.open_pull(head="topic")
    before, merge = pull.head_sha, pull.merge_sha
    assert pull.push({"b.py": "y"}) == pull.head_sha != before
    assert pull.previous_sha == before
    assert pull.merge_sha != merge


def test_the_merge_follows_the_base_but_the_recorded_base_does_not(repo: Repository) -> None:
    repo.commit("topic", {"b.py": ""})
    pull = repo.open_pull(head="topic")
    base, merge = pull.base_sha, pull.merge_sha
    repo.commit("main", {"c.py": ""})
    assert (pull.base_sha, pull.merge_sha != merge) == (base, True)


def test_a_conflict_has_no_merge(repo: Repository, client: Client) -> None:
    repo.commit("topic", {"a.py": "x = 10\n"})
    repo.commit("main", {"a.py": "x = 20\n"})
    pull = repo.open_pull(head="topic")
    body = client.get("/pulls/1").json()
    assert pull.merge_sha is None
    assert (body["mergeable"], body["mergeable_state"], body["merge_commit_sha"]) == (
        False,
        "dirty",
        None,
    )


def test_a_forks_pull_request_is_found_by_owner_and_branch(
    repo: Repository, client: Client
) -> None:
    fork = repo.fork("mallory")
    fork.commit("topic", {"b.py": ""})
    repo.commit("topic", {"c.py": ""})
    mine, theirs = repo.open_pull(head="topic"), repo.open_pull(head="topic", fork=fork)
    (found,) = client.get("/pulls", params={"head": "mallory:topic"}).json()
    assert (found["number"], found["head"]["sha"]) == (theirs.number, theirs.head_sha)
    assert found["head"]["repo"]["id"] == fork.id
    (found,) = client.get("/pulls", params={"head": "acme:topic"}).json()
    assert found["number"] == mine.number


def test_pull_requests_are_listed_by_state_and_base(repo: Repository, client: Client) -> None:
    for name in ("one", "two", "three"):
        repo.commit(name, {name: ""})
        repo.open_pull(head=name)
    repo.pulls[0].close()
    assert repo.pulls[1].merge() == repo.tip("main")

    def numbers(**query: str) -> list[int]:
        return [one["number"] for one in client.get("/pulls", params=query).json()]

    assert numbers() == [3]
    assert numbers(state="closed") == [2, 1]
    assert numbers(state="all", direction="asc") == [1, 2, 3]
    assert numbers(state="all", base="release") == []
    assert client.get("/pulls/2").json()["merged"] is True
    assert client.get("/pulls/9").status_code == 404


def test_the_files_and_commits_of_a_pull_request(repo: Repository, client: Client) -> None:
    repo.commit("topic", {"a.py": "x = 1\ny = 2\n", "new.bin": b"\x00\x01"})
    repo.commit("topic", {"old": "much the same text\n" * 9})
    pull = repo.open_pull(head="topic")
    files = {one["filename"]: one for one in client.get("/pulls/1/files").json()}
    assert files["a.py"]["patch"] == "@@ -1 +1,2 @@\n x = 1\n+y = 2"
    assert (files["a.py"]["additions"], files["a.py"]["status"]) == (1, "modified")
    assert "patch" not in files["new.bin"] and files["new.bin"]["status"] == "added"
    shas = [one["sha"] for one in client.get("/pulls/1/commits").json()]
    assert len(shas) == 2 and shas[-1] == pull.head_sha


def test_a_rename_names_the_old_path(repo: Repository, client: Client) -> None:
    repo.commit("main", {"old.py": "text\n" * 20})
    repo.commit("topic", {"old.py": None, "new.py": "text\n" * 20})
    repo.open_pull(head="topic")
    (only,) = client.get("/pulls/1/files").json()
    assert (only["status"], only["previous_filename"], only["filename"]) == (
        "renamed",
        "old.py",
        "new.py",
    )


def test_a_commit_by_sha_and_by_branch(repo: Repository, client: Client) -> None:
    first = repo.tip("main")
    sha = repo.commit("main", {"a.py": "x = 2\n"}, message="second\n\nMore.")
    body = client.get(f"/commits/{sha}").json()
    assert client.get("/commits/main").json() == body
    assert [one["filename"] for one in body["files"]] == ["a.py"]
    assert [one["sha"] for one in body["parents"]] == [first]
    assert body["commit"]["message"] == "second\n\nMore."
    bare = client.get(f"/git/commits/{sha}").json()
    assert bare["tree"]["sha"] == git(repo, "rev-parse", f"{sha}^{{tree}}")
    assert client.get(f"/commits/{'0' * 40}").status_code == 422
    assert client.get("/commits/none").status_code == 404
    assert client.get(f"/git/commits/{'0' * 40}").status_code == 404


def test_the_first_commit_has_all_its_files(repo: Repository, client: Client) -> None:
    body = client.get(f"/commits/{repo.tip('main')}").json()
    assert (body["parents"], len(body["files"])) == ([], 2)


def test_a_commit_gives_300_files_a_page(repo: Repository, client: Client) -> None:
    sha = repo.commit("main", {f"d/{number}.txt": "" for number in range(310)})
    first = client.get(f"/commits/{sha}")
    assert len(first.json()["files"]) == 300
    rest = client.get(first.links["next"]["url"])
    assert len(rest.json()["files"]) == 10


def test_a_comparison_across_a_fork(repo: Repository, client: Client) -> None:
    fork = repo.fork("mallory")
    head = fork.commit("topic", {"b.py": "1\n"})
    repo.commit("main", {"c.py": "2\n"})
    body = client.get("/compare/main...mallory:topic").json()
    assert (body["status"], body["ahead_by"], body["behind_by"]) == ("diverged", 1, 1)
    assert [one["sha"] for one in body["commits"]] == [head]
    assert [one["filename"] for one in body["files"]] == ["b.py"]
    assert client.get("/compare/main...main").json()["status"] == "identical"
    assert client.get("/compare/main...nobody:topic").status_code == 404


def test_contents_at_a_ref(repo: Repository, client: Client) -> None:
    old = repo.tip("main")
    repo.commit("main", {"a.py": "x = 2\n"})
    body = client.get("/contents/a.py", params={"ref": old}).json()
    assert base64.b64decode(body["content"]) == b"x = 1\n"
    raw = client.get("/contents/a.py", headers={"Accept": "application/vnd.github.raw+json"})
    assert raw.content == b"x = 2\n"
    nested = client.get("/contents/.github/workflows/agent.yml").json()
    assert nested["path"] == ".github/workflows/agent.yml"
    assert {one["type"] for one in client.get("/contents/").json()} == {"dir", "file"}
    assert client.get("/contents/none.py").status_code == 404
    assert client.get("/contents/a.py", params={"ref": "none"}).status_code == 404


def test_a_large_file_is_only_given_raw(repo: Repository, client: Client) -> None:
    repo.commit("main", {"large": "x" * 1_000_001})
    body = client.get("/contents/large").json()
    assert (body["encoding"], body["content"], body["size"]) == ("none", "", 1_000_001)


def test_branches_refs_and_trees(repo: Repository, client: Client) -> None:
    sha = repo.commit("feature/x", {"d/e.py": ""})
    assert client.get("/branches/feature/x").json()["commit"]["sha"] == sha
    assert client.get("/branches/none").status_code == 404
    assert client.get("/git/ref/heads/feature/x").json()["object"]["sha"] == sha
    assert client.get("/git/ref/heads/none").status_code == 404
    paths = [one["path"] for one in client.get(f"/git/trees/{sha}?recursive=1").json()["tree"]]
    assert "d/e.py" in paths


def test_a_merge_group_stands_on_a_branch_of_its_own(repo: Repository) -> None:
    repo.commit("topic", {"b.py": ""})
    pull = repo.open_pull(head="topic")
    group = repo.merge_group(pull)
    assert group.head_ref == f"refs/heads/gh-readonly-queue/main/pr-1-{group.base_sha}"
    assert git(repo, "rev-parse", group.head_ref) == group.head_sha
    assert (
        git(repo, "log", "-1", "--format=%P", group.head_sha) == f"{group.base_sha} {pull.head_sha}"
    )


def test_the_repository_tells_of_its_fork(repo: Repository, twin: Twin, client: Client) -> None:
    fork = repo.fork("mallory")
    body = client.get(f"{twin.url}/repos/{fork.full_name}").json()
    assert (body["fork"], body["parent"]["id"]) == (True, repo.id)
    assert client.get("").json()["forks_count"] == 1
