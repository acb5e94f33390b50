"""`python -m onecard.reference`: write every generated file of the project (`make docs`)."""

from __future__ import annotations

from onecard.project import PROJECT
from onecard.reference.files import generated

if __name__ == "__main__":
    for name, text in generated().items():
        file = PROJECT / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
