"""Put tasks.py, roles/ and templates/ of the clone into the wheel, inside the package onecard.

pyproject.toml has everything else; setuptools has no key for files above a package. A wheel with
`roles` and `tasks` at its top would take these names from every other project in the environment.

The same files make the same wheel, byte for byte: it holds neither their times nor the umask.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CLONE = Path(__file__).parent
SHIPPED = (
    "tasks.py",
    *("roles/**/*.py", "templates/**/*"),
    "inventory/group_vars/sandbox.yml",  # what `sandbox.up` needs in a folder of one's own
)

os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # 1980, a zip file's first year
os.umask(0o022)


class BuildWithShippedFiles(build_py):
    """Copies the files to onecard/shipped_files; an editable install reads them from the clone."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, copy in self._shipped():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        shipped = [] if self.editable_mode else [str(copy) for _, copy in self._shipped()]
        return [*super().get_outputs(include_bytecode), *shipped]

    def _shipped(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib) / "onecard" / "shipped_files"
        sources = (path for pattern in SHIPPED for path in sorted(CLONE.glob(pattern)))
        return [
            (path, folder / path.relative_to(CLONE))
            for path in sources
            if path.is_file() and "__pycache__" not in path.parts
        ]


setup(cmdclass={"build_py": BuildWithShippedFiles})
