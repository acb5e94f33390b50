"""Files, folders, links and secrets, really corrected in a folder of their own."""

from __future__ import annotations

import base64
import getpass
import grp
import hashlib
import os
from pathlib import Path

import pytest

from onecard.credentials.secret import Secret
from onecard.errors import PreflightError, UsageError
from onecard.resources.base import diff
from onecard.resources.files.file import Directory, File, Link
from onecard.resources.files.secret_file import SecretFile
from onecard.resources.files.tree import Tree
from onecard.ssh.probe_batch import Answer, compose, parse
from tests.support.on_shell import apply, differing, look, sent, shell

USER, GROUP = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to root")


class TestFiles:
    @pytest.mark.parametrize(
        "content",
        ["", "one\n", "no newline", "@end\n$HOME `id` \\ 'quoted' \"\n\n", "ä€\n", "x" * 200000],
        ids=["empty", "line", "no newline", "shell", "unicode", "long"],
    )
    def test_written_whole(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "made" / "on the way" / "f"
        apply(File(str(path), content, USER, GROUP, 0o640))
        assert path.read_text() == content
        assert path.stat().st_mode & 0o7777 == 0o640
        assert [each.name for each in path.parent.iterdir()] == ["f"]

    def test_only_the_mode(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("x\n")
        path.chmod(0o666)
        inode = path.stat().st_ino
        resource = File(str(path), "x\n", USER, GROUP, 0o600)
        assert differing(resource) == {"mode"}
        apply(resource)
        assert path.stat().st_ino == inode

    @pytest.mark.parametrize("kind", ["link", "dangling link"])
    def test_in_place_of_a_link_and_not_through_it(self, tmp_path: Path, kind: str) -> None:
        target, path = tmp_path / "target", tmp_path / "f"
        if kind == "link":
            target.write_text("keep\n")
        path.symlink_to(target)
        apply(File(str(path), "new\n", USER, GROUP))
        assert not path.is_symlink()
        assert target.exists() == (kind == "link")
        assert kind != "link" or target.read_text() == "keep\n"

    def test_a_remnant_of_a_broken_run_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "f.onecard-new").mkdir()
        apply(File(str(tmp_path / "f"), "x\n", USER, GROUP))
        assert [each.name for each in tmp_path.iterdir()] == ["f"]

    def test_what_comes_after_a_change(self, tmp_path: Path) -> None:
        resource = File(str(tmp_path / "f"), "x", USER, GROUP, after="echo reloaded")
        assert apply(resource) == "reloaded\n"

    def test_explain_shows_the_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("same\nold\n")
        resource = File(str(path), "same\nnew\n", USER, GROUP)
        actual = look(resource)
        lines = resource.explain(diff(resource.desired(), actual), actual)
        assert lines[:2] == (f"--- {path} (on the box)", f"+++ {path} (desired)")
        assert {"-old", "+new", " same"} <= set(lines)
        assert resource.explain({}, actual) == ()

    def test_a_sensitive_file_shows_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("PASSWORD=oldsecret\n")
        resource = File(str(path), "PASSWORD=newsecret\n", USER, GROUP, 0o600, sensitive=True)
        answer = parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"]
        actual = resource.understand(answer)
        differences = diff(resource.desired(), actual)
        shown = repr((answer, actual, [str(each) for each in differences.values()]))
        assert "sha256" in differences
        assert "secret" not in shown
        assert base64.b64encode(b"PASSWORD=oldsecret\n").decode() not in shown
        assert resource.explain(differences, actual) == ()
        assert apply(resource) == ""

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
    def test_directory(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a" / "b c"
        resource = Directory(str(path), USER, GROUP, mode)
        assert differing(resource) == {"kind", "mode", "owner", "group"}
        apply(resource)
        path.chmod(0o500)
        assert differing(resource) == {"mode"}
        apply(resource)

    def test_link(self, tmp_path: Path) -> None:
        resource = Link(str(tmp_path / "l"), "/somewhere/not there")
        apply(resource)
        (tmp_path / "l").unlink()
        (tmp_path / "l").symlink_to("/elsewhere")
        assert differing(resource) == {"target"}
        apply(resource)
        assert [each.name for each in tmp_path.iterdir()] == ["l"]

    @pytest.mark.parametrize(
        ("output", "mode", "kind"),
        [
            ("regular file=644=root=root\n", "0644", "file"),
            ("regular empty file=0=root=root\n", "0000", "file"),
            ("directory=1777=root=root\n", "1777", "directory"),
            ("symbolic link=777=root=root\n", "0777", "symbolic link"),
        ],
    )
    def test_stat_of_every_kind(self, output: str, mode: str, kind: str) -> None:
        state = File("/x", "").read(Answer(output))
        assert (state["mode"], state["kind"]) == (mode, kind)


@needs_root
class TestSecretFile:
    def test_drawn_on_the_box_and_never_shown(self, tmp_path: Path) -> None:
        path = tmp_path / "etc" / "key.env"
        resource = SecretFile(str(path), "VLLM_API_KEY")
        assert apply(resource) == ""
        name, _, value = path.read_text().strip().partition("=")
        assert (name, len(value)) == ("VLLM_API_KEY", 43)
        assert path.stat().st_mode & 0o7777 == 0o600
        answer = parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"]
        assert value not in repr((answer, look(resource)))
        assert resource.explain({}, look(resource)) == ()

    def test_it_is_drawn_once(self, tmp_path: Path) -> None:
        path = tmp_path / "key.env"
        resource = SecretFile(str(path), "KEY")
        apply(resource)
        before = path.read_text()
        path.chmod(0o644)
        assert differing(resource) == {"mode"}
        apply(resource)
        assert path.read_text() == before

    def test_every_box_has_its_own(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            apply(SecretFile(str(tmp_path / name), "KEY"))
        assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()

    # pragma: allowlist nextline secret
    @pytest.mark.parametrize("content", ["", "KEY=\n", "KEY=short\n", "OTHER=0123456789abcdef\n"])
    def test_a_broken_one_is_drawn_again(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "k").write_text(content)
        (tmp_path / "k").chmod(0o600)
        resource = SecretFile(str(tmp_path / "k"), "KEY")
        assert differing(resource) == {"value"}
        apply(resource)

    def test_a_given_one_is_sent_beside_the_commands(self, tmp_path: Path) -> None:
        path = tmp_path / "k"
        # pragma: allowlist nextline secret
        path.write_text("KEY=0123456789abcdef-drawn\n")
        path.chmod(0o600)
        given = Secret("0123456789abcdef-given")
        resource = SecretFile(str(path), "KEY", given)
        assert look(resource)["value"] == "another"
        actual = look(resource)
        differences = diff(resource.desired(), actual)
        (upload,) = resource.uploads(differences, actual)
        # pragma: allowlist nextline secret
        assert upload.payload == b"KEY=0123456789abcdef-given\n"
        commands = resource.fix(differences, actual)
        assert given.reveal() not in commands + resource.probe() + repr(resource)
        path.write_bytes(upload.payload)
        assert differing(resource) == set()
        path.chmod(0o644)
        loose = diff(resource.desired(), look(resource))
        assert (set(loose), resource.uploads(loose, {})) == ({"mode"}, ())


@needs_root
class TestTree:
    def source(self, folder: Path) -> Path:
        (folder / "sub folder").mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "sub folder" / "it's $x.bin").write_bytes(bytes(range(256)))
        return folder

    def test_copied_and_repaired(self, tmp_path: Path) -> None:
        resource = Tree(str(tmp_path / "my model"), self.source(tmp_path / "source"))
        apply(resource)
        copied = tmp_path / "my model" / "sub folder" / "it's $x.bin"
        assert copied.read_bytes() == bytes(range(256))
        copied.write_bytes(b"torn")
        (tmp_path / "my model" / "extra").write_text("stays")
        assert differing(resource) == {"sub folder/it's $x.bin"}
        assert sent(resource) == [tmp_path / "source" / "sub folder" / "it's $x.bin"]
        apply(resource)
        assert (tmp_path / "my model" / "extra").exists()
        assert sorted(each.name for each in tmp_path.iterdir()) == ["my model", "source"]

    def test_a_file_is_read_again_only_when_it_changed(self, tmp_path: Path) -> None:
        resource = Tree(str(tmp_path / "model"), self.source(tmp_path / "source"))
        apply(resource)
        config, note = tmp_path / "model" / "config.json", tmp_path / "model" / ".onecard-digests"
        before = config.stat()
        config.write_text("[]")
        os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert differing(resource) == set()  # as with a download: size and time are looked at
        os.utime(config)
        assert differing(resource) == {"config.json"}
        apply(resource)
        note.unlink()
        assert differing(resource) == set()

    def test_an_upload_that_broke_off_goes_on(self, tmp_path: Path) -> None:
        source = self.source(tmp_path / "source")
        resource = Tree(str(tmp_path / "model"), source)
        first, second = sorted(diff(resource.desired(), look(resource)))
        whole, cut = resource.uploads(diff(resource.desired(), {}), {})
        Path(whole.path).parent.mkdir()
        Path(whole.path).write_bytes((source / first).read_bytes())
        Path(cut.path).write_bytes((source / second).read_bytes()[:100])
        assert sent(resource) == [source / second]
        apply(resource)

    def test_a_disk_that_is_too_small_is_reported_before_anything_is_sent(
        self, tmp_path: Path
    ) -> None:
        resource = Tree("/opt/model", self.source(tmp_path / "source"))
        differences = diff(resource.desired(), {})
        actual = resource.understand(Answer(f"free {300 * 2**20}\n"))
        assert len(resource.uploads(differences, actual)) == 2
        room = r"takes 0 MiB more and 256 MiB to spare, and /opt/model has 200 MiB free: free disk"
        with pytest.raises(PreflightError, match=room):
            resource.uploads(differences, resource.understand(Answer(f"free {200 * 2**20}\n")))

    def test_an_empty_source_is_a_mistake(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is empty or does not exist"):
            Tree("/x", tmp_path / "nothing").desired()


def test_a_digest_is_of_the_bytes() -> None:
    assert File("/x", "ä\n").digest == hashlib.sha256("ä\n".encode()).hexdigest()
