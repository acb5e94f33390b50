"""The descriptions of settings, from the text below each field.

Pydantic would read them as it makes the models (use_attribute_docstrings), which takes a quarter of
the time to load the settings: most commands need none of them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

from onecard.settings.setting_model import leaves


@cache
def describe(model: type[BaseModel]) -> type[BaseModel]:
    """Return a model with the description of each of its fields, and of those in them."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            texts |= _texts(base)
    for name, field in model.model_fields.items():
        field.description = texts.get(name, field.description)
        for kind in leaves(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                describe(kind)
    model.model_rebuild(force=True)  # for its JSON schema
    return model


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return field -> the text below it in the source of the model."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
