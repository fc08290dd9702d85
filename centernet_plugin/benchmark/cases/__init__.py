"""All comparisons, in the order of the table."""

from ..case import Case
from ..settings import Settings
from . import (
    data,
    decoding,
    deform_conv,
    inference,
    losses,
    scaling,
    targets,
    test_modes,
    training,
)

MODULES = (
    targets,
    losses,
    scaling,
    decoding,
    data,
    deform_conv,
    inference,
    test_modes,
    training,
)


def all_cases(settings: Settings) -> list[Case]:
    """The cases of every module, none of them prepared yet."""
    return [case for module in MODULES for case in module.cases(settings)]
