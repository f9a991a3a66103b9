"""What stands in `deploy/` can be read, is linted, agrees with the code, and its steps run. No image is built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse.parser import DockerfileParser
from typer.testing import CliRunner

import launch
from storage.errors import Unavailable
from tests.fixtures import REPOSITORY, SOAK

DEPLOY = REPOSITORY / "deploy"
UNIT = DEPLOY / "aisle@.service"
PROGRAM = "/opt/aisle/bin/python"
# Of the Compose specification, what these services use; Docker refuses any other key.
SERVICE_KEYS = set(
    "build image restart depends_on environment secrets ports volumes read_only tmpfs cap_drop security_opt mem_limit pids_limit "
    "stop_grace_period healthcheck shm_size".split()
)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[dict[str, Any]]:
    parser = DockerfileParser(path=str(DEPLOY / "Dockerfile"), cache_content=True)
    return [each for each in parser.structure if each["instruction"] != "COMMENT"]


def values(dockerfile: list[dict[str, Any]], instruction: str) -> list[str]:
    return [each["value"] for each in dockerfile if each["instruction"] == instruction]


class TestDockerfile:
    def test_hadolint_has_nothing_to_say(self) -> None:
        program = Path(sys.executable).with_name("hadolint")
        command = [str(program), "--no-color", "--failure-threshold", "info", str(DEPLOY / "Dockerfile")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_what_runs_is_an_own_user_on_two_stages_with_a_healthcheck(self, dockerfile: list[dict[str, Any]]) -> None:
        assert len(values(dockerfile, "FROM")) == 2
        after = [each["instruction"] for each in dockerfile]
        assert after.index("USER") < after.index("ENTRYPOINT")
        assert values(dockerfile, "USER") == ["10001:10001"]
        assert "/healthz" in values(dockerfile, "HEALTHCHECK")[0]
        assert values(dockerfile, "VOLUME") == ["/shop"]
        for exec_form in values(dockerfile, "ENTRYPOINT") + values(dockerfile, "CMD"):
            assert isinstance(json.loads(exec_form), list), "a shell would not hand on SIGTERM"

    def test_everything_that_is_copied_is_let_through_and_nothing_else(self, dockerfile: list[dict[str, Any]]) -> None:
        copied = {
            name for value in values(dockerfile, "COPY") if not value.startswith("--") for name in value.split()[:-1]
        }
        ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
        assert {line[1:] for line in ignored if line.startswith("!")} == copied
        packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests", "benchmarks", "deploy"}
        assert packages <= copied

    def test_its_steps_run_in_a_fresh_folder(self, tmp_path: Path) -> None:
        """Bounded here: what Aisle needs is taken from this environment, and the entry point says its help (`make soak`: all)."""
        command = [
            sys.executable,
            str(DEPLOY / "rehearse.py"),
            str(tmp_path / "fresh"),
            *(["--install"] if SOAK else []),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["installed"] == SOAK
        assert told["written_in_opt"] == []
        assert [line.split()[1] for line in told["passed_over"] if line.startswith("RUN")] == ["apt-get", "useradd"]

    def test_a_folder_that_holds_something_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("")
        done = subprocess.run([sys.executable, DEPLOY / "rehearse.py", tmp_path], capture_output=True, check=False)
        assert done.returncode == 1
        assert b"not empty" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]


class TestCompose:
    def test_its_keys_are_known_and_its_names_meet(self, compose: dict[str, Any]) -> None:
        assert set(compose) == {"name", "services", "volumes", "secrets"}
        for service in compose["services"].values():
            assert set(service) <= SERVICE_KEYS
            assert set(service.get("secrets", [])) <= set(compose["secrets"])
            assert set(service.get("depends_on", {})) <= set(compose["services"])
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                assert source.startswith(("./", "../")) or source in compose["volumes"]
        build = compose["services"]["aisle"]["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()

    def test_aisle_has_no_rights_and_no_secret_stands_in_the_file(
        self, compose: dict[str, Any], dockerfile: list[dict[str, Any]]
    ) -> None:
        aisle, database = compose["services"]["aisle"], compose["services"]["database"]
        assert aisle["read_only"] is True
        assert aisle["cap_drop"] == ["ALL"]
        assert aisle["security_opt"] == ["no-new-privileges:true"]
        assert [each for each in aisle["volumes"] if not each.endswith(":ro")] == ["shop:/shop"]
        assert all(port.startswith("127.0.0.1:") for port in aisle["ports"])
        assert {port.rsplit(":", 1)[1] for port in aisle["ports"]} == set(values(dockerfile, "EXPOSE"))
        assert aisle["environment"] == {"AISLE_DATABASE_URL_FILE": "/run/secrets/database_url"}
        assert not any("PASSWORD" in name and not name.endswith("_FILE") for name in database["environment"])
        assert aisle["depends_on"]["database"]["condition"] == "service_healthy"
        assert database["healthcheck"]["test"][0] == "CMD"
        ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
        assert {"/deploy/secrets/", "/import/"} <= set(ignored)

    def test_the_databases_url_is_read_from_its_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "database_url"
        file.write_text("postgresql://aisle:hush@database/aisle\n")
        monkeypatch.delenv("AISLE_DATABASE_URL", raising=False)
        assert launch.environments_database() is None
        monkeypatch.setenv("AISLE_DATABASE_URL_FILE", str(file))
        assert launch.environments_database() == "postgresql://aisle:hush@database/aisle"
        file.unlink()
        with pytest.raises(Unavailable, match="AISLE_DATABASE_URL_FILE"):
            launch.environments_database()
        monkeypatch.setenv("AISLE_DATABASE_URL", "sqlite:///here.db")
        assert launch.environments_database() == "sqlite:///here.db"


class TestUnit:
    @pytest.fixture
    def unit(self, tmp_path: Path) -> Path:
        """An instance of the template, with an interpreter that is there."""
        path = tmp_path / "aisle@7860.service"
        path.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
        return path

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
    def test_systemd_takes_it_and_finds_little_exposed(self, unit: Path) -> None:
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(unit)]
        judged = subprocess.run(command, capture_output=True, text=True, check=False)
        assert judged.returncode == 0, judged.stdout

    def test_it_is_hardened(self) -> None:
        lines = UNIT.read_text().splitlines()
        yes = "NoNewPrivileges ProtectHome PrivateTmp PrivateDevices ProtectKernelModules RestrictNamespaces RestrictSUIDSGID"
        assert {f"{name}=true" for name in yes.split()} | {"ProtectSystem=strict", "CapabilityBoundingSet="} <= set(
            lines
        )

    def test_what_it_starts_is_a_command_of_ours(self) -> None:
        (start,) = (line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart="))
        program, module, name, *arguments = start.removeprefix("ExecStart=").replace("%i", "7860").split()
        assert (program, module, name) == (PROGRAM, "-m", "launch")
        asked = CliRunner().invoke(launch.app, [*arguments, "--help"])
        assert asked.exit_code == 0
        for option in (each for each in arguments if each.startswith("--")):
            assert option in asked.stdout
